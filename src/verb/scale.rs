use std::time::Duration;

use minicloud_autoscaler::{
    command::CapacityUpdate, describe::AutoScalingGroup, instance::LifecycleState,
};
use tokio::time::{Instant, sleep};

use super::{connect, groups};
use crate::{
    cli::ScaleArgs,
    control_api::ControlApi,
    failure::Failure,
    output::{Screen, plain, show},
};

/// A launch and a drain of AWS's 300 s, at the most.
const WAIT_TIMEOUT: Duration = Duration::from_secs(400);
const POLL: Duration = Duration::from_millis(250);

pub(crate) async fn run(args: ScaleArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let update = CapacityUpdate {
        min_size: args.capacity.min,
        max_size: args.capacity.max,
        desired_capacity: args.capacity.desired,
    };
    let mut group = api.update(&args.group, update).await?;
    if args.wait {
        let within = args.reading.connection.timeout.unwrap_or(WAIT_TIMEOUT);
        group = settled(&api, &args.group, within).await?;
    }
    show(args.reading.output, &group, |group, output| {
        groups::listing().render([group], output)
    })
}

/// Waits until the group has as many instances as it wants, all in service.
async fn settled(
    api: &ControlApi,
    name: &str,
    within: Duration,
) -> Result<AutoScalingGroup, Failure> {
    let deadline = Instant::now() + within;
    let mut screen = Screen::new();
    loop {
        let group = api.group(name).await?;
        if is_settled(&group) {
            return Ok(group);
        }
        let progress = progress(&group);
        screen.draw(|| vec![progress.clone()], progress.clone(), str::to_owned);
        if Instant::now() >= deadline {
            return Err(Failure::not_settled(name, &progress, within));
        }
        sleep(POLL).await;
    }
}

fn is_settled(group: &AutoScalingGroup) -> bool {
    let desired = usize::try_from(group.desired_capacity).ok();
    let live: Vec<_> = group
        .instances
        .iter()
        .map(|instance| instance.lifecycle_state)
        .filter(|state| *state != LifecycleState::Terminated && !state.is_standby())
        .collect();
    desired == Some(live.len()) && groups::in_service(group) == live.len()
}

fn progress(group: &AutoScalingGroup) -> String {
    let count = |state| {
        let instances = group.instances.iter();
        instances
            .filter(|instance| instance.lifecycle_state == state)
            .count()
    };
    let mut progress = format!(
        "{}: {} of {} in service, {} pending, {} terminating",
        group.auto_scaling_group_name,
        count(LifecycleState::InService),
        group.desired_capacity,
        count(LifecycleState::Pending),
        count(LifecycleState::Terminating),
    );
    // Who waits wants to know what is in the way.
    for condition in &group.conditions {
        progress.push_str("; ");
        progress.push_str(&plain(&condition.message));
    }
    progress
}
