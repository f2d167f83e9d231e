//! The alarms of scaling policies as the API shows them: CloudWatch's `MetricAlarm` and
//! `AlarmHistoryItem` in snake_case.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    config::Pace,
    group::Group,
    policy::{
        alarm::{StateValue, Transition},
        managed_alarms,
    },
    scaling_policy::{
        ComparisonOperator, MetricAlarm, PolicyKind, ScalingPolicy, Statistic, TreatMissingData,
    },
};

/// Transitions that are kept of an alarm.
pub(crate) const HISTORY_KEPT: usize = 100;

/// By alarm name, newest first.
pub type AlarmHistory = BTreeMap<String, VecDeque<AlarmHistoryItem>>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    pub alarm_name: String,
    pub auto_scaling_group_name: String,
    /// The policy that it invokes.
    pub policy_name: String,
    /// Whether target tracking keeps it for itself.
    pub managed: bool,
    pub metric_name: String,
    pub statistic: Statistic,
    pub comparison_operator: ComparisonOperator,
    pub threshold: f64,
    /// Seconds.
    pub period: u64,
    pub evaluation_periods: u32,
    pub datapoints_to_alarm: u32,
    pub treat_missing_data: TreatMissingData,
    pub state_value: StateValue,
    pub state_reason: String,
    /// When the state was last another; absent before it was first looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_updated_timestamp: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlarmHistoryItem {
    pub alarm_name: String,
    pub timestamp: Timestamp,
    pub history_item_type: HistoryItemType,
    /// "Alarm updated from OK to ALARM".
    pub history_summary: String,
    pub history_data: Transition,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum HistoryItemType {
    StateUpdate,
}

impl AlarmHistoryItem {
    pub(crate) fn state_update(alarm_name: &str, transition: Transition) -> Self {
        Self {
            alarm_name: alarm_name.to_owned(),
            timestamp: transition.timestamp,
            history_item_type: HistoryItemType::StateUpdate,
            history_summary: format!(
                "Alarm updated from {} to {}",
                transition.from, transition.to
            ),
            history_data: transition,
        }
    }
}

/// Names of a policy's alarms: those of target tracking as AWS forms them, `policy_id` being
/// a UUID; else of group and policy, which a `/` keeps apart.
pub(crate) fn names(group: &str, policy: &ScalingPolicy, policy_id: &str) -> Vec<String> {
    match policy.kind {
        PolicyKind::TargetTracking(_) => ["High", "Low"]
            .map(|side| format!("TargetTracking-{group}-Alarm{side}-{policy_id}"))
            .into(),
        PolicyKind::StepScaling(_) | PolicyKind::SimpleScaling(_) => {
            vec![format!("{group}/{}", policy.name)]
        }
    }
}

/// Every alarm of the group's policies.
pub(crate) fn describe(name: &str, group: &Group, pace: Pace) -> Vec<Alarm> {
    let policies = group.spec.scaling_policies.iter();
    policies
        .flat_map(|policy| of_policy(name, group, policy, pace))
        .collect()
}

fn of_policy(name: &str, group: &Group, policy: &ScalingPolicy, pace: Pace) -> Vec<Alarm> {
    let specifications: Vec<MetricAlarm> = match &policy.kind {
        PolicyKind::TargetTracking(tracking) => managed_alarms(tracking, pace).into(),
        PolicyKind::StepScaling(step) => vec![step.alarm.clone()],
        PolicyKind::SimpleScaling(simple) => vec![simple.alarm.clone()],
    };
    let id = group
        .policy_ids
        .get(&policy.name)
        .map_or("", String::as_str);
    let states = group.policies.alarms(policy);
    let names = names(name, policy, id);
    let described = names.into_iter().zip(specifications).enumerate();
    described
        .map(|(index, (alarm_name, alarm))| {
            let state = states.get(index);
            Alarm {
                alarm_name,
                auto_scaling_group_name: name.to_owned(),
                policy_name: policy.name.clone(),
                managed: matches!(policy.kind, PolicyKind::TargetTracking(_)),
                metric_name: alarm.metric.to_string(),
                statistic: alarm.statistic,
                comparison_operator: alarm.comparison_operator,
                threshold: alarm.threshold,
                period: alarm.period.as_secs(),
                evaluation_periods: alarm.evaluation_periods,
                datapoints_to_alarm: alarm.datapoints_to_alarm(),
                treat_missing_data: alarm.treat_missing_data,
                state_value: state.map_or(StateValue::InsufficientData, |state| state.value()),
                state_reason: state.map_or("", |state| state.reason()).to_owned(),
                state_updated_timestamp: state.and_then(|state| state.updated()),
            }
        })
        .collect()
}
