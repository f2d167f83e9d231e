use std::sync::Arc;

use jiff::Timestamp;
use minicloud_autoscaler::{
    api::{AutoScalingGroups, ScheduledActions},
    describe::ScheduledUpdateGroupAction,
    schedule::ScheduledActionSpec,
};

use super::{connect, watch};
use crate::{
    cli::{DeleteScheduledActionArgs, PutScheduledActionArgs, ScheduledActionsArgs},
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{Cell, Listing, or_dash, say, show},
};

pub(crate) async fn list(args: ScheduledActionsArgs) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| match &args.group {
        Some(group) => {
            let path = format!("/v1/groups/{}/scheduled-actions", segment(group));
            api.read(&path).await
        }
        None => of_all_groups(api).await,
    };
    watch::read(
        &args.watching,
        fetch,
        |actions: &ScheduledActions, output| {
            listing().render(&actions.scheduled_update_group_actions, output)
        },
    )
    .await
}

async fn of_all_groups(api: &ControlApi) -> Result<ScheduledActions, Failure> {
    let groups: AutoScalingGroups = api.read("/v1/groups").await?;
    let groups = groups.auto_scaling_groups.into_iter();
    Ok(ScheduledActions {
        scheduled_update_group_actions: groups
            .flat_map(|group| Arc::unwrap_or_clone(group).scheduled_actions)
            .collect(),
    })
}

pub(crate) async fn put(args: PutScheduledActionArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let spec = ScheduledActionSpec {
        recurrence: args.times.recurrence,
        time_zone: args.time_zone,
        start_time: args.times.start_time,
        end_time: args.end_time,
        min_size: args.capacity.min,
        max_size: args.capacity.max,
        desired_capacity: args.capacity.desired,
    };
    let path = path(&args.group, &args.action);
    let action: ScheduledUpdateGroupAction = api.put(&path, &spec).await?;
    show(args.reading.output, &action, |action, output| {
        listing().render([action], output)
    })
}

pub(crate) async fn delete(args: DeleteScheduledActionArgs) -> Result<(), Failure> {
    let api = connect(&args.connection)?;
    api.remove(&path(&args.group, &args.action)).await?;
    say(format_args!("{}: {} is deleted", args.group, args.action));
    Ok(())
}

fn path(group: &str, action: &str) -> String {
    let (group, action) = (segment(group), segment(action));
    format!("/v1/groups/{group}/scheduled-actions/{action}")
}

pub(super) fn listing() -> Listing<ScheduledUpdateGroupAction> {
    Listing::new(|action: &ScheduledUpdateGroupAction| action.scheduled_action_name.clone())
        .column("GROUP", |action| {
            action.auto_scaling_group_name.clone().into()
        })
        .column("ACTION", |action| {
            action.scheduled_action_name.clone().into()
        })
        .column("MIN", |action| size(action.min_size))
        .column("MAX", |action| size(action.max_size))
        .column("DESIRED", |action| size(action.desired_capacity))
        .column("RECURRENCE", |action| {
            match (&action.recurrence, &action.time_zone) {
                (Some(cron), Some(zone)) => format!("{cron} ({zone})").into(),
                (Some(cron), None) => cron.clone().into(),
                (None, _) => "once".into(),
            }
        })
        .column("NEXT", |action| time(action.next_times.first()))
        .column("THEN", |action| time(action.next_times.get(1)))
        .column("LAST", |action| time(action.last_time.as_ref()))
        .wide("START", |action| time(action.start_time.as_ref()))
        .wide("END", |action| time(action.end_time.as_ref()))
        .wide("FROM", |action| match action.changed_through_api {
            true => "control API".into(),
            false => "configuration file".into(),
        })
}

fn size(size: Option<u32>) -> Cell {
    or_dash(size.map(|size| size.to_string()).as_deref()).into()
}

fn time(time: Option<&Timestamp>) -> Cell {
    or_dash(time.map(|time| format!("{time:.0}")).as_deref()).into()
}
