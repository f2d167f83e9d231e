//! CloudWatch's metric alarm: periods into datapoints, datapoints into a state. Pure.

use std::{collections::VecDeque, fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::{
    metric::Spread,
    now::Now,
    scaling_policy::{MetricAlarm, Statistic, TreatMissingData},
};

/// Long periods are looked at in parts: no history reaches back further than this.
const PART: Duration = Duration::from_secs(60);
/// Datapoints that a reason repeats.
const SHOWN: usize = 5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum StateValue {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[default]
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl fmt::Display for StateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        })
    }
}

/// From one state to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    pub timestamp: Timestamp,
    pub from: StateValue,
    pub to: StateValue,
    pub state_reason: String,
}

/// An alarm's state and what it follows from.
#[derive(Clone, Debug)]
pub struct AlarmState {
    value: StateValue,
    reason: String,
    updated: Option<Timestamp>,
    /// Of whole periods, the newest last; `None` where there was no data.
    datapoints: VecDeque<Option<f64>>,
    part_start: Option<Instant>,
    parts: Parts,
    /// Not yet taken by [`take_transitions`](Self::take_transitions).
    transitions: Vec<Transition>,
}

/// The part of a period that is over.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    seen: u64,
    spread: Option<Spread>,
}

impl Default for AlarmState {
    fn default() -> Self {
        Self {
            value: StateValue::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            updated: None,
            datapoints: VecDeque::new(),
            part_start: None,
            parts: Parts::default(),
            transitions: Vec::new(),
        }
    }
}

impl AlarmState {
    pub fn value(&self) -> StateValue {
        self.value
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When the state was last another.
    pub fn updated(&self) -> Option<Timestamp> {
        self.updated
    }

    /// State changes since this was last asked; the caller records them.
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// Goes on from what an earlier process recorded last. Datapoints are not restored: the
    /// state stays until there are enough new ones.
    pub fn resume(&mut self, last: &Transition) {
        self.value = last.to;
        self.reason.clone_from(&last.state_reason);
        self.updated = Some(last.timestamp);
    }

    /// The newest datapoint.
    pub fn latest(&self) -> Option<f64> {
        self.datapoints.back().copied().flatten()
    }

    /// The period that ended last had no data.
    pub(super) fn is_blind(&self) -> bool {
        self.datapoints.back().is_some_and(Option::is_none)
    }

    /// Datapoints under evaluation that breach, the oldest first.
    pub fn breaching(&self, alarm: &MetricAlarm) -> Vec<f64> {
        let points = self.datapoints.iter().copied().flatten();
        points.filter(|value| alarm.is_breaching(*value)).collect()
    }

    /// "2 of the last 3 datapoints greater than 80".
    pub fn seen(&self, alarm: &MetricAlarm) -> String {
        let latest = match self.latest() {
            Some(value) => format!("{value:.1} now, "),
            None => "no data now, ".to_owned(),
        };
        format!(
            "{latest}{} of {} datapoints {} {}",
            self.breaching(alarm).len(),
            alarm.evaluation_periods,
            alarm.comparison_operator,
            alarm.threshold,
        )
    }

    /// Takes in the time that has passed. `look` is asked for the metric over the window that
    /// ends now, and no more often than once in a period of up to a minute. True where a
    /// period has ended and the state was looked at anew.
    pub fn advance(
        &mut self,
        alarm: &MetricAlarm,
        now: Now,
        look: impl FnOnce(Duration) -> Option<Spread>,
    ) -> bool {
        let part = alarm.period.min(PART);
        let start = *self.part_start.get_or_insert(now.mono);
        let ended = (now.mono - start).as_secs() / part.as_secs().max(1);
        if ended == 0 {
            return false;
        }
        self.part_start = Some(start + part * u32::try_from(ended).unwrap_or(u32::MAX));
        let in_period = (alarm.period.as_secs() / part.as_secs().max(1)).max(1);
        // After a gap of several parts the missed ones are missing, not idle; more of them
        // than are evaluated say nothing more.
        let evaluated = in_period * u64::from(alarm.evaluation_periods);
        let missed = (ended - 1).min(evaluated + in_period);
        let mut any = false;
        for _ in 0..missed {
            any |= self.end_part(alarm, None, in_period);
        }
        any |= self.end_part(alarm, look(part), in_period);
        if any {
            let (value, reason) = self.judge(alarm);
            self.set(value, reason, now.wall);
        }
        any
    }

    /// Sets what another rule has found.
    pub fn set(&mut self, value: StateValue, reason: String, now: Timestamp) {
        if value != self.value || self.updated.is_none() {
            if value != self.value {
                self.transitions.push(Transition {
                    timestamp: now,
                    from: self.value,
                    to: value,
                    state_reason: reason.clone(),
                });
            }
            self.updated = Some(now);
        }
        self.value = value;
        self.reason = reason;
    }

    fn end_part(&mut self, alarm: &MetricAlarm, spread: Option<Spread>, in_period: u64) -> bool {
        self.parts.seen += 1;
        self.parts.spread = match (self.parts.spread, spread) {
            (Some(one), Some(other)) => Some(Spread {
                sum: one.sum + other.sum,
                count: one.count + other.count,
                lowest: one.lowest.min(other.lowest),
                highest: one.highest.max(other.highest),
                span: one.span + other.span,
            }),
            (one, other) => one.or(other),
        };
        if self.parts.seen < in_period {
            return false;
        }
        let whole = std::mem::take(&mut self.parts).spread;
        let datapoint = whole.map(|spread| statistic(alarm.statistic, &spread));
        self.datapoints.push_back(datapoint);
        while self.datapoints.len() > alarm.evaluation_periods as usize {
            self.datapoints.pop_front();
        }
        true
    }

    fn judge(&self, alarm: &MetricAlarm) -> (StateValue, String) {
        let needed = alarm.datapoints_to_alarm() as usize;
        let seen = self.datapoints.len();
        let real: Vec<f64> = self.datapoints.iter().copied().flatten().collect();
        let breaching = self.breaching(alarm).len();
        let missing = seen - real.len();
        // Periods before the first look are not missing: they may yet be either.
        let unknown = alarm.evaluation_periods as usize - seen
            + match alarm.treat_missing_data {
                TreatMissingData::Breaching | TreatMissingData::NotBreaching => 0,
                TreatMissingData::Ignore | TreatMissingData::Missing => missing,
            };
        let counted = breaching
            + match alarm.treat_missing_data {
                TreatMissingData::Breaching => missing,
                _ => 0,
            };
        let decides = matches!(
            alarm.treat_missing_data,
            TreatMissingData::Breaching | TreatMissingData::NotBreaching
        );
        if real.is_empty() && alarm.treat_missing_data == TreatMissingData::Missing {
            return (
                StateValue::InsufficientData,
                format!("Insufficient Data: {missing} datapoints were unknown."),
            );
        }
        if real.is_empty() && !decides {
            return (self.value, self.reason.clone());
        }
        let threshold = alarm.threshold;
        let operator = alarm.comparison_operator;
        let shown = shown(&real);
        if counted >= needed {
            let missing_too = match counted > breaching {
                true => format!(", {missing} of them missing and treated as breaching,"),
                false => String::new(),
            };
            return (
                StateValue::Alarm,
                format!(
                    "Threshold Crossed: {counted} out of the last {} datapoints{missing_too} [{shown}] were {operator} the threshold ({threshold:?}) (minimum {needed} for OK -> ALARM transition).",
                    alarm.evaluation_periods
                ),
            );
        }
        if counted + unknown >= needed && real.iter().all(|value| alarm.is_breaching(*value)) {
            // What is there breaches, and there is not enough of it to tell.
            return (self.value, self.reason.clone());
        }
        (
            StateValue::Ok,
            format!(
                "Threshold Crossed: {} datapoints [{shown}] were not {operator} the threshold ({threshold:?}).",
                real.len() - breaching,
            ),
        )
    }
}

fn statistic(statistic: Statistic, spread: &Spread) -> f64 {
    match statistic {
        Statistic::SampleCount => f64::from(spread.count),
        Statistic::Average => spread.mean(),
        Statistic::Sum => spread.sum,
        Statistic::Minimum => spread.lowest,
        Statistic::Maximum => spread.highest,
    }
}

fn shown(values: &[f64]) -> String {
    let newest = values.iter().rev().take(SHOWN);
    let texts: Vec<String> = newest.map(|value| format!("{value:.1}")).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests;
