use std::time::Duration;

use minicloud_autoscaler::{
    command::{CommandError, PolicyRequest},
    describe::ConditionKind,
    policy::{Execution, alarm::StateValue},
    scaling_policy::ScalingPolicy,
};
use serde_json::{Value, json};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// The usual file with other policies and room for `max_size` instances.
fn config(policies: &Value, max_size: u32) -> String {
    let (head, rest) = CONFIG.split_once("scaling_policies: [").unwrap();
    let (_, tail) = rest.split_once("] }").unwrap();
    let file = format!("{head}scaling_policies: {policies} }}{tail}");
    file.replace("max_size: 2", &format!("max_size: {max_size}"))
}

fn policy(body: Value) -> ScalingPolicy {
    serde_json::from_value(body).unwrap()
}

fn put(policy: &ScalingPolicy) -> PolicyRequest {
    PolicyRequest::Put(Box::new(policy.clone()))
}

fn reason(cloud: &Cloud) -> String {
    cloud
        .group()
        .decision
        .map_or_else(String::new, |d| d.reason.clone())
}

fn alarm_state(cloud: &Cloud, name: &str) -> StateValue {
    let group = cloud.group();
    let mut alarms = group.alarms.iter();
    let alarm = alarms.find(|alarm| alarm.alarm_name.contains(name));
    alarm.expect(name).state_value
}

#[tokio::test(start_paused = true)]
async fn a_larger_breach_takes_a_larger_step_once() {
    let steps = json!([{ "name": "hot", "step_scaling": {
        "adjustment_type": "ChangeInCapacity",
        "step_adjustments": [
            { "metric_interval_lower_bound": 0, "metric_interval_upper_bound": 20, "scaling_adjustment": 1 },
            { "metric_interval_lower_bound": 20, "scaling_adjustment": 3 },
        ],
        "estimated_instance_warmup": "120s",
        "alarm": {
            "metric": "ASGAverageCPUUtilization", "comparison_operator": "GreaterThanOrEqualToThreshold",
            "threshold": 50, "period": "10s", "evaluation_periods": 2,
        },
    } }]);
    let cloud = Cloud::with_config(&config(&steps, 6)).await;
    cloud.until_in_service(1, SOON).await;
    let first = cloud.in_service()[0].clone();
    cloud.weather(|weather| weather.cpu.insert(first.clone(), 60.0));
    cloud.until_in_service(2, Duration::from_secs(180)).await;
    assert_eq!(alarm_state(&cloud, "web/hot"), StateValue::Alarm);
    // The breach goes on while the new instance warms up: it is the same one.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.in_service().len(), 2, "{}", reason(&cloud));
    assert!(
        reason(&cloud).contains("1 warming: hold"),
        "{}",
        reason(&cloud)
    );
    // A larger one asks for three beside the one that does not warm: two more.
    cloud.weather(|weather| weather.cpu.insert(first, 90.0));
    cloud.until_in_service(4, Duration::from_secs(30)).await;
    let causes: Vec<String> = cloud
        .group()
        .activities
        .iter()
        .map(|a| (**a).clone())
        .map(|activity| activity.cause)
        .collect();
    assert!(
        causes[0].contains("ChangeInCapacity +3 of 1 -> 4: scale out 2 -> 4"),
        "{causes:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn simple_scaling_waits_for_its_cooldown() {
    let policies = json!([{ "name": "queue", "simple_scaling": {
        "adjustment_type": "ChangeInCapacity", "scaling_adjustment": 1, "cooldown": "60s",
        "alarm": {
            "metric": "QueueLength", "statistic": "Minimum",
            "comparison_operator": "GreaterThanThreshold",
            "threshold": 0, "period": "10s", "evaluation_periods": 1,
        },
    } }]);
    let cloud = Cloud::with_config(&config(&policies, 3)).await;
    cloud.until_in_service(1, SOON).await;
    cloud.weather(|weather| weather.queue_length = 5);
    let out = cloud.until_in_service(2, Duration::from_secs(40)).await;
    assert!(out >= SOON - Duration::from_secs(5), "{out:?}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(
        reason(&cloud).contains("of the cooldown are left"),
        "{}",
        reason(&cloud)
    );
    let again = cloud.until_in_service(3, Duration::from_secs(60)).await;
    assert!(again >= Duration::from_secs(25), "{again:?}");

    // By hand it waits only if asked to, and the bounds hold.
    cloud.scale(1, 5, 3).await.unwrap();
    let honor = PolicyRequest::Execute(Execution {
        honor_cooldown: Some(true),
        ..Execution::default()
    });
    let refused = cloud.policy("queue", honor).await.unwrap_err();
    assert!(
        matches!(refused, CommandError::ScalingActivityInProgress(_)),
        "{refused}"
    );
    cloud.weather(|weather| weather.queue_length = 0);
    let execute = PolicyRequest::Execute(Execution::default());
    cloud.policy("queue", execute).await.unwrap();
    cloud.until_in_service(4, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn cooldown_of_an_execution_begins_when_the_launch_has_ended() {
    let policies = json!([{ "name": "one-more", "simple_scaling": {
        "adjustment_type": "ChangeInCapacity", "scaling_adjustment": 1, "cooldown": "60s",
        "alarm": {
            "metric": "QueueLength", "comparison_operator": "GreaterThanThreshold",
            "threshold": 1000, "period": "10s", "evaluation_periods": 1,
        },
    } }]);
    let cloud = Cloud::with_config(&config(&policies, 3)).await;
    cloud.until_in_service(1, SOON).await;
    let honor = || {
        PolicyRequest::Execute(Execution {
            honor_cooldown: Some(true),
            ..Execution::default()
        })
    };
    cloud.policy("one-more", honor()).await.unwrap();
    let launch = cloud.until_in_service(2, MINUTE).await;
    assert!(launch >= Duration::from_secs(2), "{launch:?}");
    tokio::time::sleep(MINUTE - Duration::from_secs(1)).await;
    let refused = cloud.policy("one-more", honor()).await.unwrap_err();
    assert!(
        matches!(refused, CommandError::ScalingActivityInProgress(_)),
        "{refused}"
    );
    tokio::time::sleep(SOON).await;
    cloud.policy("one-more", honor()).await.unwrap();
    cloud.until_in_service(3, MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn requests_per_target_are_kept_near_the_target() {
    let policies = json!([{ "name": "requests", "target_tracking": {
        "metric": "ALBRequestCountPerTarget", "target_value": 600,
    } }]);
    let cloud = Cloud::with_config(&config(&policies, 4)).await;
    cloud.until_in_service(1, SOON).await;
    cloud.weather(|weather| weather.requests_per_second = 15.0);
    cloud.until_in_service(2, MINUTE).await;
    let cause = cloud.group().activities[0].cause.clone();
    assert!(
        cause.contains("/ 600 = 1.") && cause.contains("-> 2"),
        "{cause}"
    );
    cloud.weather(|weather| weather.requests_per_second = 7.5);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(cloud.in_service().len(), 2, "{}", reason(&cloud));
    // Silence is no silence of clients.
    cloud.weather(|weather| weather.balancer_silent = true);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cloud.in_service().len(), 2, "{}", reason(&cloud));
    assert_eq!(
        alarm_state(&cloud, "AlarmLow"),
        StateValue::InsufficientData
    );
    cloud.weather(|weather| {
        weather.balancer_silent = false;
        weather.requests_per_second = 0.0;
    });
    cloud.until_in_service(1, Duration::from_secs(300)).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_grows_a_group_whose_cpu_idles() {
    let policies = json!([{ "name": "cpu80", "target_tracking": {
        "metric": "ASGAverageCPUUtilization", "target_value": 80,
    } }]);
    let cloud = Cloud::with_config(&config(&policies, 3)).await;
    cloud.until_in_service(1, SOON).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(alarm_state(&cloud, "AlarmHigh"), StateValue::Ok);
    cloud.weather(|weather| {
        weather.queue_length = 3;
        weather.busy_in_flight = 10;
    });
    let out = cloud.until_in_service(2, Duration::from_secs(20)).await;
    assert!(out <= SOON, "{out:?}");
    let cause = cloud.group().activities[0].cause.clone();
    assert!(
        cause.contains("saturated, 3 requests wait beside 10 in flight"),
        "{cause}"
    );
    assert_eq!(alarm_state(&cloud, "AlarmHigh"), StateValue::Alarm);
    // One that warms up is waited for; then there is room for one more.
    cloud.until_in_service(3, Duration::from_secs(30)).await;
    cloud.weather(|weather| weather.queue_length = 0);
    cloud.until_in_service(1, Duration::from_secs(600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_metric_that_cannot_be_read_holds_and_recovers() {
    let policies = json!([{ "name": "jobs", "target_tracking": {
        "customized_metric": { "scrape": {
            "url": "http://127.0.0.1:9100/metrics", "metric_name": "jobs_per_worker",
        } },
        "target_value": 10,
    } }]);
    let cloud = Cloud::with_config(&config(&policies, 4)).await;
    cloud.until_in_service(1, SOON).await;
    tokio::time::sleep(MINUTE).await;
    let condition = cloud.condition(ConditionKind::MetricUnavailable).unwrap();
    assert!(condition.contains("connection refused"), "{condition}");
    assert!(
        reason(&cloud).contains("no fresh figures of jobs_per_worker"),
        "{}",
        reason(&cloud)
    );
    assert_eq!(
        alarm_state(&cloud, "AlarmHigh"),
        StateValue::InsufficientData
    );

    let answers = |jobs: u32| {
        move |weather: &mut super::cloud::Weather| {
            weather.exposition = Some(format!("jobs_per_worker {jobs}\n"));
        }
    };
    cloud.weather(answers(18));
    cloud.until_in_service(2, Duration::from_secs(90)).await;
    assert_eq!(cloud.condition(ConditionKind::MetricUnavailable), None);
    cloud.weather(answers(9));
    tokio::time::sleep(MINUTE).await;

    cloud.weather(|weather| weather.exposition = None);
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(cloud.in_service().len(), 2, "{}", reason(&cloud));
    cloud.weather(|weather| weather.exposition = Some("<html>".to_owned()));
    tokio::time::sleep(MINUTE).await;
    assert!(cloud.condition(ConditionKind::MetricUnavailable).is_some());

    cloud.weather(answers(1));
    cloud.until_in_service(1, Duration::from_secs(300)).await;
}

#[tokio::test(start_paused = true)]
async fn in_only_if_every_policy_agrees() {
    let policies = json!([
        { "name": "cpu80", "target_tracking": { "metric": "ASGAverageCPUUtilization", "target_value": 80 } },
        { "name": "requests", "target_tracking": { "metric": "ALBRequestCountPerTarget", "target_value": 600 } },
    ]);
    let cloud = Cloud::with_config(&config(&policies, 4)).await;
    cloud.until_in_service(1, SOON).await;
    cloud.weather(|weather| weather.requests_per_second = 15.0);
    cloud.until_in_service(2, MINUTE).await;
    cloud.weather(|weather| weather.requests_per_second = 8.0);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cloud.in_service().len(), 2, "{}", reason(&cloud));
    let decision = cloud.group().decision.unwrap();
    assert!(
        decision
            .reason
            .contains("policy cpu80 would scale in 2 -> 1, but all must agree"),
        "{}",
        decision.reason
    );
    let wanted: Vec<_> = decision
        .policies
        .iter()
        .map(|policy| (policy.policy_name.as_str(), policy.wanted))
        .collect();
    assert_eq!(wanted, [("cpu80", 1), ("requests", 2)]);
    // One that is disabled has no vote.
    let disabled = policy(
        json!({ "name": "requests", "enabled": false, "target_tracking": {
        "metric": "ALBRequestCountPerTarget", "target_value": 600,
    } }),
    );
    cloud.policy("requests", put(&disabled)).await.unwrap();
    cloud.until_in_service(1, Duration::from_secs(300)).await;
}

#[tokio::test(start_paused = true)]
async fn policies_and_alarms_outlive_a_crash() {
    let mut cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let queue = policy(json!({ "name": "queue", "step_scaling": {
        "adjustment_type": "ChangeInCapacity",
        "step_adjustments": [{ "metric_interval_lower_bound": 0, "scaling_adjustment": 1 }],
        "alarm": {
            "metric": "QueueLength", "comparison_operator": "GreaterThanThreshold",
            "threshold": 100, "period": 10, "evaluation_periods": 1,
        },
    } }));
    let gentler = policy(json!({ "name": "cpu80", "target_tracking": {
        "metric": "ASGAverageCPUUtilization", "target_value": 60,
    } }));
    cloud.policy("queue", put(&queue)).await.unwrap();
    cloud.policy("cpu80", put(&gentler)).await.unwrap();
    cloud
        .until("the alarm has been looked at", MINUTE, |cloud| {
            alarm_state(cloud, "web/queue") == StateValue::Ok
        })
        .await;
    let before = cloud.group();
    cloud.kill().await;
    cloud.boot().await;
    cloud
        .until("the provider is seen", SOON, |cloud| cloud.view().ready)
        .await;
    let after = cloud.group();
    assert_eq!(after.scaling_policies, [gentler, queue]);
    let names = |group: &minicloud_autoscaler::describe::AutoScalingGroup| -> Vec<String> {
        group
            .alarms
            .iter()
            .map(|alarm| alarm.alarm_name.clone())
            .collect()
    };
    assert_eq!(names(&after), names(&before));
    assert!(
        names(&after)[0].starts_with("TargetTracking-web-AlarmHigh-"),
        "{:?}",
        names(&after)
    );
    let history = &after.alarm_history["web/queue"];
    assert_eq!(
        history[0].history_summary,
        "Alarm updated from INSUFFICIENT_DATA to OK"
    );
    assert_eq!(alarm_state(&cloud, "web/queue"), StateValue::Ok);

    // The file changes one of them: that one is the file's again, the other stays.
    let file = std::fs::read_to_string(cloud.config()).unwrap();
    let changed = file.replace("target_value: 80", "target_value: 70");
    std::fs::write(cloud.config(), changed).unwrap();
    cloud
        .until("the file is read again", MINUTE, |cloud| {
            let policies = cloud.group().scaling_policies;
            policies.len() == 2 && policies[0].threshold() == 70.0
        })
        .await;
    cloud.policy("cpu80", PolicyRequest::Delete).await.unwrap();
    cloud.kill().await;
    cloud.boot().await;
    cloud
        .until("the provider is seen", SOON, |cloud| cloud.view().ready)
        .await;
    let policies = cloud.group().scaling_policies;
    assert_eq!(policies.len(), 1, "{policies:#?}");
    let missing = cloud
        .policy("cpu80", PolicyRequest::Delete)
        .await
        .unwrap_err();
    assert!(
        matches!(missing, CommandError::PolicyNotFound { .. }),
        "{missing}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_cannot_measure_is_refused() {
    let cloud = Cloud::start().await;
    let network = policy(json!({ "name": "net", "target_tracking": {
        "metric": "ASGAverageNetworkIn", "target_value": 1_000_000,
    } }));
    let refused = cloud.policy("net", put(&network)).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("no network namespace"), "{message}");
}
