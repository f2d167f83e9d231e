//! Target tracking at `pace: aws`: two alarms over 60 s periods, as EC2 Auto Scaling manages
//! them (amazon-ec2-auto-scaling user guide, "Target tracking scaling policies"; the counts
//! 3 and 15 and the low alarm at 70 % of the target are as observed, AWS does not state them).

use std::time::Duration;

use super::{Finding, Observation, PolicyState, instances_needed, managed_alarms};
use crate::{
    config::Pace,
    metric::Spread,
    policy::{
        alarm::StateValue,
        measure::{Tally, is_stale, tally},
    },
    scaling_policy::TargetTracking,
};

pub(super) const PERIOD: Duration = Duration::from_secs(60);
pub(super) const HIGH_DATAPOINTS: u32 = 3;
pub(super) const LOW_DATAPOINTS: u32 = 15;
pub(super) const LOW_FACTOR: f64 = 0.7;

pub(super) fn evaluate(
    policy: &TargetTracking,
    observation: &Observation<'_>,
    warmup: Duration,
    state: &mut PolicyState,
) -> Finding {
    let mut instances = Vec::new();
    let last = tally(&policy.metric, observation, warmup, PERIOD, |instance| {
        instances.push(instance);
    });
    let datapoint = last.mean().map(|mean| Spread {
        sum: mean,
        count: 1,
        lowest: mean,
        highest: mean,
        span: PERIOD,
    });
    let specifications = managed_alarms(policy, Pace::Aws);
    for (alarm, specification) in state.alarms.iter_mut().zip(&specifications) {
        if alarm.advance(specification, observation.now, |_| datapoint) {
            state.waits_for_datapoint = false;
        }
    }
    let (high, low) = (&state.alarms[0], &state.alarms[1]);
    let desired = observation.capacity.desired_capacity;
    let seen = |last: &Tally| {
        format!(
            "{}, {}/{HIGH_DATAPOINTS} datapoints high, {}/{LOW_DATAPOINTS} low",
            last.arithmetic(policy.target_value),
            high.breaching(&specifications[0]).len(),
            low.breaching(&specifications[1]).len()
        )
    };
    let (wanted, reason) = match (high.value(), low.value()) {
        _ if last.measured == 0 => (desired, "no datapoint of this period: hold".to_owned()),
        _ if state.waits_for_datapoint => (desired, "between periods: hold".to_owned()),
        (StateValue::Alarm, _) => scale_out(policy, observation, &last),
        (_, StateValue::Alarm) => scale_in(policy, observation, &last, state),
        _ => (desired, format!("{}: hold", seen(&last))),
    };
    Finding {
        wanted,
        reason,
        metric_value: last.mean(),
        instances,
        stale: is_stale(&policy.metric, observation, warmup, &last),
    }
}

fn scale_out(
    policy: &TargetTracking,
    observation: &Observation<'_>,
    last: &Tally,
) -> (u32, String) {
    let capacity = observation.capacity;
    let desired = capacity.desired_capacity;
    let target = policy.target_value;
    let all = instances_needed(last.sum, target);
    let needed = all.min(capacity.max_size).max(desired);
    let limit = match needed < all {
        true => format!(", limited to max_size {}", capacity.max_size),
        false => String::new(),
    };
    let verdict = match needed > desired {
        true => format!("scale out {desired} -> {needed}"),
        false => "hold".to_owned(),
    };
    let unit = policy.metric.unit();
    let reason = format!(
        "{}, {HIGH_DATAPOINTS}/{HIGH_DATAPOINTS} datapoints > {target}{unit}{limit}: {verdict}",
        last.arithmetic(target)
    );
    (needed, reason)
}

fn scale_in(
    policy: &TargetTracking,
    observation: &Observation<'_>,
    last: &Tally,
    state: &PolicyState,
) -> (u32, String) {
    let capacity = observation.capacity;
    let desired = capacity.desired_capacity;
    let target = policy.target_value;
    let arithmetic = last.arithmetic(target);
    let hold = |why: &str| (desired, format!("{arithmetic}: hold{why}"));
    if policy.disable_scale_in {
        return hold(", scale-in is disabled");
    }
    if observation.settling || last.warming > 0 || last.missing > 0 {
        return hold(", instances are warming, launching, terminating or unseen");
    }
    let cooldown = policy
        .scale_in_cooldown
        .unwrap_or(observation.default_cooldown);
    if state
        .tracking
        .since_scaling(observation.now.mono)
        .is_some_and(|since| since < cooldown)
    {
        return hold(&format!(", {} s cooldown", cooldown.as_secs()));
    }
    // AWS adds 1.5 instances as two and removes 1.5 as one.
    let needed = instances_needed(last.sum, target);
    let after = needed.max(capacity.min_size).max(1).min(desired);
    if after == desired {
        return hold(", less than one whole instance to spare");
    }
    let (low, unit) = (target * LOW_FACTOR, policy.metric.unit());
    let reason = format!(
        "{arithmetic}, {LOW_DATAPOINTS}/{LOW_DATAPOINTS} datapoints < {low}{unit}: scale in {desired} -> {after}"
    );
    (after, reason)
}
