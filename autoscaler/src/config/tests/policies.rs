//! Scaling policies: what the file can say of them, and what it is told when it is wrong.

use super::*;
use crate::scaling_policy::{
    AdjustmentType, ComparisonOperator, CustomizedMetric, MetricAggregationType, TreatMissingData,
};

/// A group with one policy, which stands in line 8 from column 9 on.
fn with(policy: &str) -> String {
    format!(
        "version: 1
launch_templates: {{ t: {{ image: nginx, process: {{ command: [app] }}, port: 80 }} }}
auto_scaling_groups:
  g:
    launch_template: t
    min_size: 1
    max_size: 3
    scaling_policies:
      - {policy}
"
    )
}

fn faults(policy: &str) -> Vec<String> {
    let faults = parse(&with(policy)).err();
    faults.iter().flatten().map(Fault::to_string).collect()
}

#[test]
fn every_key_of_a_policy_is_read() {
    let config = parse(balancer::EVERY_KEY).unwrap();
    let group = &config.auto_scaling_groups["workers"];
    assert_eq!(group.default_cooldown, Duration::from_secs(60));
    let [cpu, requests, jobs, queue, nights] = group.scaling_policies.as_slice() else {
        panic!("{:#?}", group.scaling_policies);
    };
    assert!(!cpu.enabled && requests.enabled);
    assert_eq!(jobs.name, "jobs per worker");
    let Some(CustomizedMetric::Scrape(scrape)) = jobs.metric().customized() else {
        panic!("{jobs:#?}");
    };
    assert_eq!(scrape.labels["queue"], "mail");
    let PolicyKind::StepScaling(step) = &queue.kind else {
        panic!("{queue:#?}");
    };
    assert_eq!(
        step.adjustment_type,
        AdjustmentType::PercentChangeInCapacity
    );
    assert_eq!(step.metric_aggregation_type, MetricAggregationType::Maximum);
    assert_eq!(step.step_adjustments[1].scaling_adjustment, 50);
    assert_eq!(step.alarm.datapoints_to_alarm(), 2);
    assert_eq!(step.alarm.treat_missing_data, TreatMissingData::Ignore);
    let PolicyKind::SimpleScaling(simple) = &nights.kind else {
        panic!("{nights:#?}");
    };
    assert_eq!(simple.cooldown, Some(Duration::from_secs(120)));
    assert_eq!(
        simple.alarm.comparison_operator,
        ComparisonOperator::LessThanOrEqualToThreshold
    );
    // What is read comes back from the store and the API as it is.
    for policy in &group.scaling_policies {
        let json = serde_json::to_value(policy).unwrap();
        assert_eq!(
            serde_json::from_value::<ScalingPolicy>(json).unwrap(),
            *policy
        );
    }
}

#[test]
fn each_mistake_says_where_what_and_what_to_do() {
    const ALARM: &str = "alarm: { metric: ASGAverageCPUUtilization, comparison_operator: GreaterThanThreshold, threshold: 1, period: 10s, evaluation_periods: 1 }";
    let step = |steps: &str| {
        format!(
            "{{ name: p, step_scaling: {{ adjustment_type: ChangeInCapacity, step_adjustments: [{steps}], {ALARM} }} }}"
        )
    };
    let mut wrong = Vec::new();
    for (policy, expected) in [
        (
            "{ name: p }".to_owned(),
            "9:9: auto_scaling_groups.g.scaling_policies[0]: target_tracking is missing; add target_tracking: { metric: ASGAverageCPUUtilization, target_value: 80 }, or step_scaling, or simple_scaling",
        ),
        (
            "{ name: p, policy_type: StepScaling }".to_owned(),
            "9:20: auto_scaling_groups.g.scaling_policies[0].policy_type: unknown key; write target_tracking, step_scaling or simple_scaling instead",
        ),
        (
            "{ name: p, target_tracking: { metric: QueueLength, target_value: 1 } }".to_owned(),
            "9:47: auto_scaling_groups.g.scaling_policies[0].target_tracking.metric: unknown value `QueueLength`; write ASGAverageCPUUtilization or ASGAverageNetworkIn or ASGAverageNetworkOut or ALBRequestCountPerTarget",
        ),
        (
            "{ name: p, target_tracking: { metric: ALBRequestCountPerTarget, target_value: 1 } }"
                .to_owned(),
            "9:47: auto_scaling_groups.g.scaling_policies[0].target_tracking.metric: ALBRequestCountPerTarget is measured at a target group, and the group has none; add target_groups",
        ),
        (
            "{ name: p, target_tracking: { target_value: 1 } }".to_owned(),
            "9:20: auto_scaling_groups.g.scaling_policies[0].target_tracking: metric is missing; add metric: ASGAverageCPUUtilization",
        ),
        (
            step("{ scaling_adjustment: 1 }"),
            "9:89: auto_scaling_groups.g.scaling_policies[0].step_scaling.step_adjustments: the upper and lower bound can't be null in the same step adjustment",
        ),
        (
            step("{ lower: 0, scaling_adjustment: 1.5 }"),
            "9:92: auto_scaling_groups.g.scaling_policies[0].step_scaling.step_adjustments[0].lower: unknown key; write metric_interval_lower_bound",
        ),
        (
            step("{ metric_interval_lower_bound: 0, scaling_adjustment: 1.5 }"),
            "9:144: auto_scaling_groups.g.scaling_policies[0].step_scaling.step_adjustments[0].scaling_adjustment: expected a whole number; write 1",
        ),
        (
            "{ name: p, simple_scaling: { adjustment_type: ChangeInCapacity, scaling_adjustment: 1, alarm: { metric: ASGAverageCPUUtilization, comparison_operator: GreaterThanThreshold, threshold: 1, period: 15s, evaluation_periods: 1 } } }".to_owned(),
            "9:204: auto_scaling_groups.g.scaling_policies[0].simple_scaling.alarm.period: a period is 10, 20 or 30 seconds, or a multiple of 60 up to a day",
        ),
        (
            "{ name: p, target_tracking: { customized_metric: { scrape: { url: \"https://a/\", metric_name: x } }, target_value: 1 } }".to_owned(),
            "9:75: auto_scaling_groups.g.scaling_policies[0].target_tracking.customized_metric.scrape.url: only plain http is read; put what speaks https behind a proxy of yours",
        ),
    ] {
        let found = faults(&policy);
        if !found.iter().any(|fault| fault == expected) {
            wrong.push((policy, found, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_child_processes_do_not_have_is_refused_for_them_alone() {
    let file =
        with("{ name: p, target_tracking: { metric: ASGAverageNetworkOut, target_value: 1 } }");
    assert!(Config::parse_for(file.as_bytes(), ProviderKind::Docker).is_ok());
    let faults = Config::parse_for(file.as_bytes(), ProviderKind::Process).unwrap_err();
    let message = faults.to_string();
    assert!(message.contains("no network namespace"), "{message}");
}
