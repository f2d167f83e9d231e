use std::sync::Arc;

use minicloud_autoscaler::{
    api::{AutoScalingGroups, ScheduledActions},
    describe::ScheduledUpdateGroupAction,
    schedule::ScheduledActionSpec,
};

use super::connect;
use crate::{
    cli::{DeleteScheduledActionArgs, PutScheduledActionArgs, ScheduledActionsArgs},
    failure::Failure,
    http_client::segment,
    output::{say, show, table},
};

pub(crate) async fn list(args: ScheduledActionsArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let actions: ScheduledActions = match &args.group {
        Some(group) => {
            let path = format!("/v1/groups/{}/scheduled-actions", segment(group));
            api.read(&path).await?
        }
        None => {
            let groups: AutoScalingGroups = api.read("/v1/groups").await?;
            let groups = groups.auto_scaling_groups.into_iter();
            ScheduledActions {
                scheduled_update_group_actions: groups
                    .flat_map(|group| Arc::unwrap_or_clone(group).scheduled_actions)
                    .collect(),
            }
        }
    };
    show(args.reading.output, &actions, |actions| {
        rows(&actions.scheduled_update_group_actions)
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
    show(args.reading.output, &action, |action| {
        rows(std::slice::from_ref(action))
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

pub(super) fn rows(actions: &[ScheduledUpdateGroupAction]) -> String {
    let header = [
        "GROUP",
        "ACTION",
        "MIN",
        "MAX",
        "DESIRED",
        "RECURRENCE",
        "NEXT",
        "THEN",
        "LAST",
    ];
    table(header, actions.iter().map(row))
}

fn row(action: &ScheduledUpdateGroupAction) -> [String; 9] {
    let size = |size: Option<u32>| size.map_or_else(|| "-".to_owned(), |size| size.to_string());
    let time = |time: Option<&jiff::Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| format!("{time:.0}"))
    };
    let recurrence = match (&action.recurrence, &action.time_zone) {
        (Some(cron), Some(zone)) => format!("{cron} ({zone})"),
        (Some(cron), None) => cron.clone(),
        (None, _) => "once".to_owned(),
    };
    [
        action.auto_scaling_group_name.clone(),
        action.scheduled_action_name.clone(),
        size(action.min_size),
        size(action.max_size),
        size(action.desired_capacity),
        recurrence,
        time(action.next_times.first()),
        time(action.next_times.get(1)),
        time(action.last_time.as_ref()),
    ]
}
