use std::sync::Arc;

use minicloud_autoscaler::{
    api::{AutoScalingGroups, Instances},
    describe::{HealthStatus, Instance},
};

use super::connect;
use crate::{
    cli::InstancesArgs,
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{percent, show, table},
};

pub(crate) async fn run(args: InstancesArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let instances = match &args.group {
        Some(group) => {
            let path = format!("/v1/groups/{}/instances", segment(group));
            api.read(&path).await?
        }
        None => of_all_groups(&api).await?,
    };
    show(args.reading.output, &instances, |instances| {
        rows(&instances.instances)
    })
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

pub(super) fn rows(instances: &[Instance]) -> String {
    let header = [
        "INSTANCE",
        "GROUP",
        "ZONE",
        "STATE",
        "HEALTH",
        "CPU",
        "IN FLIGHT",
        "ADDRESS",
        "LAUNCHED",
    ];
    table(header, instances.iter().map(row))
}

fn row(instance: &Instance) -> [String; 9] {
    let warming = if instance.warming { " (warming)" } else { "" };
    let protected = match instance.protected_from_scale_in {
        true => " (protected)",
        false => "",
    };
    let compose = match instance.managed_by.is_compose() {
        true => " (managed by Compose)",
        false => "",
    };
    let health = match instance.health_status {
        HealthStatus::Healthy => "Healthy",
        HealthStatus::Unhealthy => "Unhealthy",
    };
    [
        instance.instance_id.to_string(),
        instance.auto_scaling_group_name.clone(),
        instance.availability_zone.clone(),
        format!("{}{warming}{protected}{compose}", instance.lifecycle_state),
        health.to_owned(),
        percent(instance.cpu_utilization),
        instance.in_flight.to_string(),
        instance.address.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{:.0}", instance.launch_time),
    ]
}
