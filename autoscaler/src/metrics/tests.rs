use prometheus::TextEncoder;

use super::*;
use crate::{
    describe::ConditionKind,
    group::sample,
    scaling_policy::{MetricSpecification, TargetTracking},
};

fn text(metrics: &Metrics) -> String {
    let families = metrics.registry.gather();
    TextEncoder::new().encode_to_string(&families).unwrap()
}

fn condition(kind: ConditionKind) -> Condition {
    Condition {
        kind,
        since: Timestamp::UNIX_EPOCH,
        message: String::new(),
    }
}

#[test]
fn series_of_a_group_end_with_it() {
    let mut metrics = Metrics::new().unwrap();
    let group = sample::group(&[], 1);
    metrics.observe_group("web", &group, Some(50.0));
    metrics.observe_launch("web", Duration::from_secs(2));
    metrics.count_launch_failure("web");
    metrics.observe_conditions("web", &[condition(ConditionKind::MetricsStale)]);
    for cause in ScalingCause::ALL {
        metrics.count_scaling("web", 1, 2, cause);
        metrics.count_scaling("web", 2, 1, cause);
    }
    for result in NotificationResult::ALL {
        metrics.count_notification("web", result);
    }
    let before = text(&metrics);
    for line in [
        r#"minicloud_group_cpu_utilization_ratio{group="web"} 0.5"#,
        r#"minicloud_group_instances{group="web",lifecycle_state="Pending"} 0"#,
        r#"minicloud_scaling_activities_total{cause="queue",direction="out",group="web"} 1"#,
        r#"minicloud_instance_launch_duration_seconds_sum{group="web"} 2"#,
        r#"minicloud_condition{group="web",type="MetricsStale"} 1"#,
    ] {
        assert!(before.contains(line), "{line} in {before}");
    }
    metrics.forget_group("web");
    let after = text(&metrics);
    assert!(!after.contains("web"), "{after}");
}

#[test]
fn figure_that_is_not_known_is_not_exported() {
    let mut metrics = Metrics::new().unwrap();
    let mut group = sample::group(&[], 1);
    group.spec.scaling_policies = vec![ScalingPolicy {
        name: "cpu".to_owned(),
        enabled: true,
        kind: PolicyKind::TargetTracking(TargetTracking {
            metric: MetricSpecification::predefined(PredefinedMetric::AsgAverageCpuUtilization),
            target_value: 80.0,
            disable_scale_in: false,
            scale_in_cooldown: None,
            estimated_instance_warmup: None,
        }),
    }];
    metrics.observe_group("web", &group, Some(20.0));
    let known = text(&metrics);
    assert!(
        known.contains(r#"minicloud_group_cpu_target_ratio{group="web"} 0.8"#),
        "{known}"
    );
    group.spec.scaling_policies.clear();
    metrics.observe_group("web", &group, None);
    assert!(!text(&metrics).contains("minicloud_group_cpu"));
}

#[test]
fn condition_is_exported_while_it_lasts() {
    let metrics = Metrics::new().unwrap();
    let whole = [
        ConditionKind::ConfigInvalid,
        ConditionKind::ProviderUnavailable,
    ]
    .map(condition);
    metrics.observe_conditions("", &whole);
    metrics.observe_conditions("", &whole[1..]);
    let text = text(&metrics);
    assert!(
        text.contains(r#"minicloud_condition{group="",type="ProviderUnavailable"} 1"#),
        "{text}"
    );
    assert!(!text.contains("ConfigInvalid"), "{text}");
}

#[test]
fn same_capacity_is_no_activity() {
    let metrics = Metrics::new().unwrap();
    metrics.count_scaling("web", 2, 2, ScalingCause::User);
    assert!(!text(&metrics).contains("minicloud_scaling_activities_total"));
}

#[test]
fn refused_file_keeps_the_time_of_the_last_good_one() {
    let metrics = Metrics::new().unwrap();
    let at = |second| Timestamp::from_second(second).unwrap();
    metrics.observe_reload(true, at(1_700_000_000));
    metrics.observe_reload(false, at(1_800_000_000));
    let text = text(&metrics);
    assert!(
        text.contains("minicloud_config_last_reload_successful 0"),
        "{text}"
    );
    assert!(
        text.contains("minicloud_config_last_reload_success_timestamp_seconds 1700000000"),
        "{text}"
    );
}
