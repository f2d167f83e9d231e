use std::sync::Arc;

use minicloud_autoscaler::{
    api::{AutoScalingGroups, Instances},
    describe::{HealthStatus, Instance},
    instance::LifecycleState,
};

use super::watch;
use crate::{
    cli::InstancesArgs,
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{Cell, Listing, Tone, or_dash, percent},
};

pub(crate) async fn run(args: InstancesArgs) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| match &args.group {
        Some(group) => {
            let path = format!("/v1/groups/{}/instances", segment(group));
            api.read(&path).await
        }
        None => of_all_groups(api).await,
    };
    watch::read(&args.watching, fetch, |instances: &Instances, output| {
        listing().render(&instances.instances, output)
    })
    .await
}

async fn of_all_groups(api: &ControlApi) -> Result<Instances, Failure> {
    let groups: AutoScalingGroups = api.read("/v1/groups").await?;
    let groups = groups.auto_scaling_groups.into_iter();
    Ok(Instances {
        instances: groups
            .flat_map(|group| Arc::unwrap_or_clone(group).instances)
            .collect(),
    })
}

pub(super) fn listing() -> Listing<Instance> {
    Listing::new(|instance: &Instance| instance.instance_id.to_string())
        .column("INSTANCE", |instance| {
            instance.instance_id.to_string().into()
        })
        .column("GROUP", |instance| {
            instance.auto_scaling_group_name.clone().into()
        })
        .column("ZONE", |instance| instance.availability_zone.clone().into())
        .column("STATE", state)
        .column("HEALTH", |instance| match instance.health_status {
            HealthStatus::Healthy => Tone::Good.cell("Healthy"),
            HealthStatus::Unhealthy => Tone::Bad.cell("Unhealthy"),
        })
        .column("CPU", |instance| percent(instance.cpu_utilization).into())
        .column("IN FLIGHT", |instance| {
            instance.in_flight.to_string().into()
        })
        .column("ADDRESS", |instance| {
            or_dash(instance.address.as_deref()).into()
        })
        .column("LAUNCHED", |instance| {
            format!("{:.0}", instance.launch_time).into()
        })
        .wide("TEMPLATE", |instance| {
            instance.launch_template.launch_template_name.clone().into()
        })
        .wide("VERSION", |instance| {
            instance.launch_template.version.clone().into()
        })
        .wide("KEY", |instance| {
            or_dash(instance.key_name.as_deref()).into()
        })
}

fn state(instance: &Instance) -> Cell {
    let warming = if instance.warming { " (warming)" } else { "" };
    let protected = match instance.protected_from_scale_in {
        true => " (protected)",
        false => "",
    };
    let compose = match instance.managed_by.is_compose() {
        true => " (managed by Compose)",
        false => "",
    };
    let tone = match instance.lifecycle_state {
        LifecycleState::InService => Tone::Good,
        LifecycleState::Terminated => Tone::Faint,
        _ => Tone::Busy,
    };
    let state = instance.lifecycle_state;
    tone.cell(format!("{state}{warming}{protected}{compose}"))
}
