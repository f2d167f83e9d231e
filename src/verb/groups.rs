use std::borrow::Borrow;

use minicloud_autoscaler::{
    api::AutoScalingGroups,
    describe::AutoScalingGroup,
    instance::LifecycleState,
    scaling_policy::{PolicyKind, PredefinedMetric},
};

use super::connect;
use crate::{
    cli::Reading,
    failure::Failure,
    output::{percent, show, table},
};

pub(crate) async fn run(args: Reading) -> Result<(), Failure> {
    let groups: AutoScalingGroups = connect(&args.connection)?.read("/v1/groups").await?;
    show(args.output, &groups, |groups| {
        rows(&groups.auto_scaling_groups)
    })
}

pub(super) fn rows<G: Borrow<AutoScalingGroup>>(groups: &[G]) -> String {
    let header = [
        "GROUP",
        "MIN",
        "MAX",
        "DESIRED",
        "IN SERVICE",
        "CPU",
        "TARGET",
    ];
    table(header, groups.iter().map(|group| row(group.borrow())))
}

fn row(group: &AutoScalingGroup) -> [String; 7] {
    [
        group.auto_scaling_group_name.clone(),
        group.min_size.to_string(),
        group.max_size.to_string(),
        group.desired_capacity.to_string(),
        in_service(group).to_string(),
        percent(group.cpu_utilization),
        percent(target_value(group)),
    ]
}

pub(super) fn in_service(group: &AutoScalingGroup) -> usize {
    group
        .instances
        .iter()
        .filter(|instance| instance.lifecycle_state == LifecycleState::InService)
        .count()
}

/// Percent that the first policy on the CPU keeps it near.
pub(super) fn target_value(group: &AutoScalingGroup) -> Option<f64> {
    let mut policies = group.scaling_policies.iter();
    policies.find_map(|policy| match &policy.kind {
        PolicyKind::TargetTracking(tracking)
            if tracking
                .metric
                .is(PredefinedMetric::AsgAverageCpuUtilization) =>
        {
            Some(tracking.target_value)
        }
        _ => None,
    })
}
