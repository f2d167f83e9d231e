//! Simple scaling: one adjustment, then a cooldown.

use super::{
    Finding, Observation, adjustment::adjusted, alarm::StateValue, cooldown::Cooldown,
    measure::aggregate, state::PolicyState,
};
use crate::scaling_policy::SimpleScaling;

pub(super) fn evaluate(
    policy: &SimpleScaling,
    observation: &Observation<'_>,
    state: &mut PolicyState,
    cooldown: Cooldown,
) -> Finding {
    let warmup = observation.warmup(None);
    let look = |window| aggregate(&policy.alarm.metric, observation, warmup, window);
    if state.alarms[0].advance(&policy.alarm, observation.now, look) {
        state.waits_for_datapoint = false;
    }
    let alarm = &state.alarms[0];
    let desired = observation.capacity.desired_capacity;
    let seen = alarm.seen(&policy.alarm);
    let (wanted, reason) = if alarm.value() != StateValue::Alarm {
        (desired, format!("alarm is {}, {seen}: hold", alarm.value()))
    } else if state.waits_for_datapoint {
        let why = "acted on it already, the next datapoint is not there yet";
        (desired, format!("{seen}, {why}: hold"))
    } else if let Some(why) = blocked(observation, cooldown) {
        (desired, format!("{seen}, {why}: hold"))
    } else {
        let (wanted, sum) = wanted(policy, observation);
        (wanted, format!("{seen}, {sum}"))
    };
    Finding {
        wanted,
        reason,
        metric_value: alarm.latest(),
        instances: Vec::new(),
        stale: alarm.is_blind()
            && policy.alarm.metric.customized().is_none()
            && !observation.instances.is_empty(),
    }
}

/// Why no simple policy may act now.
pub(super) fn blocked(observation: &Observation<'_>, cooldown: Cooldown) -> Option<String> {
    match observation.settling {
        true => Some("a scaling activity is in progress".to_owned()),
        false => cooldown.blocks(observation.now.mono),
    }
}

/// The capacity after the adjustment, within the bounds, and how it came about.
pub(super) fn wanted(policy: &SimpleScaling, observation: &Observation<'_>) -> (u32, String) {
    let capacity = observation.capacity;
    let desired = capacity.desired_capacity;
    let after = adjusted(
        policy.adjustment_type,
        policy.scaling_adjustment,
        policy.min_adjustment_magnitude,
        desired,
    );
    let within = after.clamp(capacity.min_size, capacity.max_size);
    let limit = match within.cmp(&after) {
        std::cmp::Ordering::Less => format!(", limited to max_size {}", capacity.max_size),
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!(", limited to min_size {}", capacity.min_size),
    };
    let verdict = match within.cmp(&desired) {
        std::cmp::Ordering::Less => format!("scale in {desired} -> {within}"),
        std::cmp::Ordering::Equal => "hold".to_owned(),
        std::cmp::Ordering::Greater => format!("scale out {desired} -> {within}"),
    };
    let reason = format!(
        "{:?} {:+} of {desired} -> {after}{limit}: {verdict}",
        policy.adjustment_type, policy.scaling_adjustment
    );
    (within, reason)
}
