use std::{borrow::Borrow, cmp::Reverse};

use minicloud_autoscaler::{
    api::{Activities, AutoScalingGroups},
    describe::{Activity, ActivityStatus},
};

use super::connect;
use crate::{
    cli::ActivitiesArgs,
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{show, table},
};

pub(crate) async fn run(args: ActivitiesArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let activities = match &args.group {
        Some(group) => of_group(&api, group, args.max_records).await?,
        None => of_all_groups(&api, args.max_records).await?,
    };
    show(args.reading.output, &activities, |activities| {
        rows(&activities.activities)
    })
}

pub(super) async fn of_group(
    api: &ControlApi,
    group: &str,
    max_records: u8,
) -> Result<Activities, Failure> {
    let group = segment(group);
    let path = format!("/v1/groups/{group}/activities?max_records={max_records}");
    api.read(&path).await
}

async fn of_all_groups(api: &ControlApi, max_records: u8) -> Result<Activities, Failure> {
    let groups: AutoScalingGroups = api.read("/v1/groups").await?;
    let mut activities = Vec::new();
    for group in groups.auto_scaling_groups {
        let name = &group.auto_scaling_group_name;
        activities.extend(of_group(api, name, max_records).await?.activities);
    }
    activities.sort_by_key(|activity| Reverse(activity.start_time));
    Ok(Activities { activities })
}

pub(super) fn rows<A: Borrow<Activity>>(activities: &[A]) -> String {
    let header = ["STARTED", "GROUP", "STATUS", "ACTIVITY", "CAUSE"];
    table(
        header,
        activities.iter().map(|activity| row(activity.borrow())),
    )
}

fn row(activity: &Activity) -> [String; 5] {
    [
        format!("{:.0}", activity.start_time),
        activity.auto_scaling_group_name.clone(),
        status(activity.status_code).to_owned(),
        activity.description.clone(),
        match &activity.status_message {
            Some(message) => format!("{} [{message}]", activity.cause),
            None => activity.cause.clone(),
        },
    ]
}

pub(super) fn status(status: ActivityStatus) -> &'static str {
    match status {
        ActivityStatus::PreInService => "PreInService",
        ActivityStatus::InProgress => "InProgress",
        ActivityStatus::WaitingForELBConnectionDraining => "Draining",
        ActivityStatus::Successful => "Successful",
        ActivityStatus::Failed => "Failed",
        ActivityStatus::Cancelled => "Cancelled",
    }
}
