use std::sync::Arc;

use minicloud_autoscaler::{alarms::Alarm, api::Alarms, policy::alarm::StateValue};

use super::{groups_of, watch};
use crate::{
    cli::GroupReading,
    control_api::ControlApi,
    failure::Failure,
    output::{Listing, Tone, or_dash, word},
};

pub(crate) async fn run(args: GroupReading) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| {
        let groups = groups_of(api, args.group.as_deref()).await?;
        let alarms = groups
            .auto_scaling_groups
            .into_iter()
            .flat_map(|group| Arc::unwrap_or_clone(group).alarms);
        Ok(Alarms {
            metric_alarms: alarms.collect(),
        })
    };
    watch::read(&args.watching, fetch, |alarms, output| {
        listing().render(&alarms.metric_alarms, output)
    })
    .await
}

pub(super) fn listing() -> Listing<Alarm> {
    Listing::new(|alarm: &Alarm| alarm.alarm_name.clone())
        .column("GROUP", |alarm| alarm.auto_scaling_group_name.clone().into())
        .column("ALARM", |alarm| alarm.alarm_name.clone().into())
        .column("STATE", |alarm| tone(alarm.state_value).cell(alarm.state_value.to_string()))
        .column("SINCE", |alarm| {
            let since = alarm.state_updated_timestamp;
            or_dash(since.map(|since| format!("{since:.0}")).as_deref()).into()
        })
        .column("WHEN", |alarm| {
            let Alarm { metric_name, comparison_operator, threshold, period, .. } = alarm;
            format!(
                "{metric_name} {comparison_operator} {threshold} for {} of {} periods of {period} s",
                alarm.datapoints_to_alarm, alarm.evaluation_periods,
            )
            .into()
        })
        .column("REASON", |alarm| alarm.state_reason.clone().into())
        .wide("POLICY", |alarm| alarm.policy_name.clone().into())
        .wide("STATISTIC", |alarm| word(&alarm.statistic).into())
        .wide("MISSING DATA", |alarm| word(&alarm.treat_missing_data).into())
}

fn tone(state: StateValue) -> Tone {
    match state {
        StateValue::Ok => Tone::Good,
        StateValue::Alarm => Tone::Bad,
        StateValue::InsufficientData => Tone::Busy,
    }
}
