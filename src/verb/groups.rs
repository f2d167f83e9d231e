use std::sync::Arc;

use minicloud_autoscaler::{
    api::AutoScalingGroups,
    describe::AutoScalingGroup,
    instance::LifecycleState,
    scaling_policy::{PolicyKind, PredefinedMetric},
};

use super::watch;
use crate::{
    cli::Watching,
    control_api::ControlApi,
    failure::Failure,
    output::{Cell, Listing, Tone, or_dash, percent, word},
};

pub(crate) async fn run(args: Watching) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| api.read::<AutoScalingGroups>("/v1/groups").await;
    watch::read(&args, fetch, |groups, output| {
        listing().render(groups.auto_scaling_groups.iter().map(Arc::as_ref), output)
    })
    .await
}

pub(super) fn listing() -> Listing<AutoScalingGroup> {
    Listing::new(|group: &AutoScalingGroup| group.auto_scaling_group_name.clone())
        .column("GROUP", |group| {
            group.auto_scaling_group_name.clone().into()
        })
        .column("MIN", |group| group.min_size.to_string().into())
        .column("MAX", |group| group.max_size.to_string().into())
        .column("DESIRED", |group| group.desired_capacity.to_string().into())
        .column("IN SERVICE", in_service_cell)
        .column("CPU", |group| percent(group.cpu_utilization).into())
        .column("TARGET", |group| percent(target_value(group)).into())
        .wide("ZONES", |group| group.availability_zones.join(",").into())
        .wide("TEMPLATE", |group| {
            group.launch_template.launch_template_name.clone().into()
        })
        .wide("VERSION", |group| {
            group.launch_template.version.clone().into()
        })
        .wide("TARGET GROUPS", |group| {
            let names = group.target_group_names.join(",");
            or_dash(Some(&*names).filter(|names| !names.is_empty())).into()
        })
        .wide("HEALTH CHECK", |group| {
            word(&group.health_check_type).into()
        })
        .wide("WARMUP", |group| {
            format!("{} s", group.default_instance_warmup).into()
        })
        .wide("COOLDOWN", |group| {
            format!("{} s", group.default_cooldown).into()
        })
}

fn in_service_cell(group: &AutoScalingGroup) -> Cell {
    let count = in_service(group);
    let tone = match usize::try_from(group.desired_capacity) == Ok(count) {
        true => Tone::Good,
        false => Tone::Busy,
    };
    tone.cell(count.to_string())
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
