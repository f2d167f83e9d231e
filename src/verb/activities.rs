use minicloud_autoscaler::{
    api::Activities,
    describe::{Activity, ActivityStatus},
};

use super::watch;
use crate::{
    cli::{ActivitiesArgs, Output},
    control_api::ControlApi,
    failure::Failure,
    http_client::segment,
    output::{Listing, Tone, or_dash, say},
};

pub(crate) async fn run(args: ActivitiesArgs) -> Result<(), Failure> {
    let path = path(&args);
    let fetch = async |api: &ControlApi| {
        let activities: Activities = api.read(&path).await?;
        let output = args.watching.reading.output;
        if let (false, Output::Table | Output::Wide, Some(token)) =
            (args.watching.watch, output, &activities.next_token)
        {
            say(format_args!("there is more: --next-token {token}"));
        }
        Ok(activities)
    };
    watch::read(&args.watching, fetch, |activities, output| {
        listing().render(&activities.activities, output)
    })
    .await
}

fn path(args: &ActivitiesArgs) -> String {
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
    path
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

pub(super) fn listing() -> Listing<Activity> {
    Listing::new(|activity: &Activity| activity.activity_id.clone())
        .column("STARTED", |activity| {
            format!("{:.0}", activity.start_time).into()
        })
        .column("GROUP", |activity| {
            activity.auto_scaling_group_name.clone().into()
        })
        .column("STATUS", |activity| {
            tone(activity.status_code).cell(status(activity.status_code))
        })
        .column("DONE", |activity| format!("{} %", activity.progress).into())
        .column("ACTIVITY", |activity| activity.description.clone().into())
        .column("CAUSE", |activity| match &activity.status_message {
            Some(message) => format!("{} [{message}]", activity.cause).into(),
            None => activity.cause.clone().into(),
        })
        .wide("ENDED", |activity| {
            let ended = activity.end_time.map(|end| format!("{end:.0}"));
            or_dash(ended.as_deref()).into()
        })
        .wide("INSTANCE", |activity| {
            or_dash(activity.instance_id.as_ref().map(|id| id.as_str())).into()
        })
        .wide("ID", |activity| activity.activity_id.clone().into())
}

pub(super) fn tone(status: ActivityStatus) -> Tone {
    match status {
        ActivityStatus::Successful => Tone::Good,
        ActivityStatus::Failed => Tone::Bad,
        ActivityStatus::Cancelled => Tone::Faint,
        ActivityStatus::PreInService
        | ActivityStatus::InProgress
        | ActivityStatus::WaitingForELBConnectionDraining => Tone::Busy,
    }
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
