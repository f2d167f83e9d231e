use serde_json::{Value, json};

use super::*;

fn step(steps: Value) -> Value {
    json!({ "name": "steps", "step_scaling": {
        "adjustment_type": "ChangeInCapacity",
        "step_adjustments": steps,
        "alarm": alarm(json!({})),
    } })
}

fn alarm(changes: Value) -> Value {
    let mut alarm = json!({
        "metric": "QueueLength", "comparison_operator": "GreaterThanThreshold",
        "threshold": 5, "period": 10, "evaluation_periods": 3,
    });
    let members = changes.as_object().unwrap().clone();
    alarm.as_object_mut().unwrap().extend(members);
    alarm
}

fn read(policy: Value) -> Result<ScalingPolicy, String> {
    serde_json::from_value(policy).map_err(|error| error.to_string())
}

#[test]
fn policies_come_back_as_they_were() {
    for policy in [
        json!({ "name": "cpu", "enabled": false, "target_tracking": {
            "metric": "ASGAverageCPUUtilization", "target_value": 50.5, "disable_scale_in": true,
        } }),
        json!({ "name": "requests", "enabled": true, "target_tracking": {
            "metric": "ALBRequestCountPerTarget", "resource_label": "web", "target_value": 1000.0,
            "disable_scale_in": false, "estimated_instance_warmup": 60,
        } }),
        json!({ "name": "jobs", "enabled": true, "target_tracking": {
            "customized_metric": { "scrape": {
                "url": "http://127.0.0.1:9100/metrics", "metric_name": "jobs",
                "labels": { "queue": "mail" }, "statistic": "max",
            } },
            "target_value": 10.0, "disable_scale_in": false,
        } }),
        json!({ "name": "simple", "enabled": true, "simple_scaling": {
            "adjustment_type": "PercentChangeInCapacity", "min_adjustment_magnitude": 2,
            "scaling_adjustment": -25, "cooldown": 90,
            "alarm": {
                "customized_metric": { "prometheus_query": {
                    "url": "http://prometheus:9090", "query": "sum(up)",
                } },
                "statistic": "Minimum", "comparison_operator": "LessThanThreshold",
                "threshold": 5.0, "period": 60, "evaluation_periods": 3,
                "datapoints_to_alarm": 2, "treat_missing_data": "notBreaching",
            },
        } }),
    ] {
        let read = read(policy.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), policy);
    }
}

/// In the words of the API reference of `StepAdjustment`.
#[test]
fn step_adjustments_follow_awss_rules() {
    let each = |low: Option<i32>, high: Option<i32>| {
        let mut step = json!({ "scaling_adjustment": 1 });
        for (name, bound) in [
            ("metric_interval_lower_bound", low),
            ("metric_interval_upper_bound", high),
        ] {
            if let Some(bound) = bound {
                step[name] = bound.into();
            }
        }
        step
    };
    for (steps, says) in [
        (json!([each(Some(0), Some(10)), each(Some(10), None)]), ""),
        (json!([each(Some(-10), Some(0)), each(None, Some(-10))]), ""),
        (json!([]), "1 to 20 step adjustments"),
        (
            json!([each(None, None)]),
            "can't be null in the same step adjustment",
        ),
        (
            json!([each(None, Some(-5)), each(None, Some(0))]),
            "null lower bound",
        ),
        (
            json!([each(Some(0), None), each(Some(5), None)]),
            "null upper bound",
        ),
        (
            json!([each(Some(0), Some(11)), each(Some(10), None)]),
            "can't overlap",
        ),
        (
            json!([each(Some(0), Some(9)), each(Some(10), None)]),
            "can't have a gap",
        ),
        (
            json!([each(Some(10), Some(10)), each(Some(10), None)]),
            "greater than the lower bound",
        ),
        (
            json!([each(Some(0), Some(10))]),
            "there must be a step adjustment with a null upper bound",
        ),
        (
            json!([each(Some(-10), Some(0))]),
            "there must be a step adjustment with a null lower bound",
        ),
    ] {
        match read(step(steps.clone())) {
            Ok(_) => assert_eq!(says, "", "{steps}"),
            Err(error) => assert!(!says.is_empty() && error.contains(says), "{steps}: {error}"),
        }
    }
    let many: Vec<_> = (0..21)
        .map(|low| each(Some(low), (low < 20).then_some(low + 1)))
        .collect();
    assert!(read(step(json!(many))).unwrap_err().contains("1 to 20"));
}

#[test]
fn bounds_and_contradictions_are_refused() {
    let simple = |changes: Value, alarm_changes: Value| {
        let mut policy = json!({ "name": "simple", "simple_scaling": {
            "adjustment_type": "ChangeInCapacity", "scaling_adjustment": 1,
            "alarm": alarm(alarm_changes),
        } });
        let members = changes.as_object().unwrap().clone();
        let simple = policy["simple_scaling"].as_object_mut().unwrap();
        simple.extend(members);
        policy
    };
    let tracking = |changes: Value| json!({ "name": "t", "target_tracking": changes });
    let scrape = |url: &str| {
        tracking(
            json!({ "target_value": 1, "customized_metric": { "scrape": {
            "url": url, "metric_name": "jobs",
        } } }),
        )
    };
    for (policy, says) in [
        (json!({ "name": "none" }), "has one of"),
        (
            simple(json!({ "min_adjustment_magnitude": 1 }), json!({})),
            "only supported with PercentChangeInCapacity",
        ),
        (
            simple(
                json!({ "adjustment_type": "ExactCapacity", "scaling_adjustment": -1 }),
                json!({}),
            ),
            "non-negative",
        ),
        (simple(json!({ "cooldown": 7201 }), json!({})), "7200"),
        (
            simple(json!({ "cooldwon": 1 }), json!({})),
            "unknown field `cooldwon`",
        ),
        (simple(json!({}), json!({ "period": 15 })), "10, 20 or 30"),
        (simple(json!({}), json!({ "period": 0 })), "10, 20 or 30"),
        (
            simple(json!({}), json!({ "evaluation_periods": 0 })),
            "1 to 1440",
        ),
        (
            simple(json!({}), json!({ "datapoints_to_alarm": 4 })),
            "which is 3",
        ),
        (
            simple(
                json!({}),
                json!({ "period": 86_400, "evaluation_periods": 8 }),
            ),
            "a week",
        ),
        (
            simple(json!({}), json!({ "treshold": 8 })),
            "unknown field `treshold`",
        ),
        (
            simple(json!({}), json!({ "resource_label": "web" })),
            "only ALBRequestCountPerTarget",
        ),
        (
            tracking(json!({ "metric": "ASGAverageCPUUtilization", "target_value": 101 })),
            "up to 100",
        ),
        (
            tracking(json!({ "metric": "ASGAverageNetworkIn", "target_value": 0 })),
            "more than 0",
        ),
        (
            tracking(json!({ "metric": "QueueLength", "target_value": 1 })),
            "step_scaling",
        ),
        (
            tracking(json!({ "target_value": 1 })),
            "one of metric and customized_metric",
        ),
        (scrape("https://127.0.0.1/"), "plain http"),
        (scrape("http://user@host/"), "an address such as"),
        (scrape("/metrics"), "an address such as"),
        (scrape("file:///etc/passwd"), "an address such as"),
    ] {
        let error = read(policy.clone()).expect_err(&policy.to_string());
        assert!(error.contains(says), "{policy}: {error}");
    }
}

#[test]
fn names_have_one_to_255_characters() {
    for (name, valid) in [
        ("x".to_owned(), true),
        ("Ünicode / and spaces".to_owned(), true),
        ("ü".repeat(255), true),
        ("x".repeat(256), false),
        (String::new(), false),
        ("a\nb".to_owned(), false),
    ] {
        assert_eq!(check_policy_name(&name).is_ok(), valid, "{name:?}");
    }
}

#[test]
fn a_policy_of_the_api_stays_until_the_file_changes_it() {
    let policy = |name: &str, target: i32| {
        read(json!({ "name": name, "target_tracking": {
            "metric": "ASGAverageCPUUtilization", "target_value": target,
        } }))
        .unwrap()
    };
    let record = |name: &str, current: Option<i32>, file: Option<i32>| PolicyRecord {
        policy_name: name.to_owned(),
        policy_id: format!("id of {name}"),
        current: current.map(|target| policy(name, target)),
        file: file.map(|target| policy(name, target)),
    };
    let stored = vec![
        record("changed", Some(70), Some(50)),
        record("deleted", None, Some(50)),
        record("overruled", Some(70), Some(50)),
        record("dropped", Some(70), Some(50)),
        record("api", Some(70), None),
    ];
    let file = [
        policy("new", 50),
        policy("changed", 50),
        policy("deleted", 50),
        policy("overruled", 60),
    ];
    let merged = merge(stored, &file, || "id of new".to_owned());
    assert_eq!(
        merged,
        [
            record("new", Some(50), Some(50)),
            record("changed", Some(70), Some(50)),
            record("deleted", None, Some(50)),
            record("overruled", Some(60), Some(60)),
            record("api", Some(70), None),
        ]
    );
    assert_eq!(merge(merged.clone(), &file, String::new), merged);
}
