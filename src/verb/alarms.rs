use std::sync::Arc;

use minicloud_autoscaler::{alarms::Alarm, api::Alarms};

use super::{connect, groups_of};
use crate::{
    cli::GroupReading,
    failure::Failure,
    output::{show, table},
};

pub(crate) async fn run(args: GroupReading) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let groups = groups_of(&api, args.group.as_deref()).await?;
    let alarms = groups
        .auto_scaling_groups
        .into_iter()
        .flat_map(|group| Arc::unwrap_or_clone(group).alarms);
    let alarms = Alarms {
        metric_alarms: alarms.collect(),
    };
    show(args.reading.output, &alarms, |alarms| {
        let header = ["GROUP", "ALARM", "STATE", "SINCE", "WHEN", "REASON"];
        table(header, alarms.metric_alarms.iter().map(row))
    })
}

fn row(alarm: &Alarm) -> [String; 6] {
    let since = alarm.state_updated_timestamp;
    [
        alarm.auto_scaling_group_name.clone(),
        alarm.alarm_name.clone(),
        alarm.state_value.to_string(),
        since.map_or("-".to_owned(), |since| format!("{since:.0}")),
        format!(
            "{} {} {} for {} of {} periods of {} s",
            alarm.metric_name,
            alarm.comparison_operator,
            alarm.threshold,
            alarm.datapoints_to_alarm,
            alarm.evaluation_periods,
            alarm.period
        ),
        alarm.state_reason.clone(),
    ]
}
