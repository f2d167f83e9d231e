use minicloud_autoscaler::{
    api::Activities,
    describe::{Activity, ActivityStatus},
};

use super::connect;
use crate::{
    cli::{ActivitiesArgs, Output},
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{say, show, table},
};

pub(crate) async fn run(args: ActivitiesArgs) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let mut path = match &args.group {
        Some(group) => format!("/v1/groups/{}/activities", segment(group)),
        None => "/v1/activities".to_owned(),
    };
    path += &format!("?max_records={}", args.max_records);
    if args.include_deleted_groups {
        path += "&include_deleted_groups=true";
    }
    if let Some(token) = &args.next_token {
        path += &format!("&next_token={}", segment(token));
    }
    let activities: Activities = api.read(&path).await?;
    show(args.reading.output, &activities, |activities| {
        rows(&activities.activities)
    })?;
    if let (Output::Table, Some(token)) = (args.reading.output, &activities.next_token) {
        say(format_args!("there is more: --next-token {token}"));
    }
    Ok(())
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

pub(super) fn rows(activities: &[Activity]) -> String {
    let header = ["STARTED", "GROUP", "STATUS", "DONE", "ACTIVITY", "CAUSE"];
    table(header, activities.iter().map(row))
}

fn row(activity: &Activity) -> [String; 6] {
    [
        format!("{:.0}", activity.start_time),
        activity.auto_scaling_group_name.clone(),
        status(activity.status_code).to_owned(),
        format!("{} %", activity.progress),
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
