//! Target tracking at `pace: aws`: two alarms over 60 s periods, as EC2 Auto Scaling manages
//! them (amazon-ec2-auto-scaling user guide, "Target tracking scaling policies"; the counts
//! 3 and 15 and the low alarm at 70 % of the target are as observed, AWS does not state them).

use std::time::Duration;

use super::{Evaluation, Observation, Tally, TrackingState, instances_needed, is_stale, tally};
use crate::config::TargetTracking;

const PERIOD: Duration = Duration::from_secs(60);
const HIGH_DATAPOINTS: usize = 3;
const LOW_DATAPOINTS: usize = 15;
const LOW_FACTOR: f64 = 0.7;
/// Blocks scale-in after any scaling (`DefaultCooldown`).
const COOLDOWN: Duration = Duration::from_secs(300);
/// A period of which less than this was seen has no datapoint.
const LEAST_SPAN: Duration = Duration::from_secs(20);

pub(super) fn evaluate(
    policy: &TargetTracking,
    observation: Observation<'_>,
    state: &mut TrackingState,
) -> Evaluation {
    let now = observation.now;
    let (last_period, instances) = tally(&observation, |instance| {
        instance
            .cpu
            .mean(now, PERIOD, instance.warm_since)
            .filter(|m| m.span >= LEAST_SPAN)
            .map(|m| m.percent)
    });
    let start = *state.period_start.get_or_insert(now);
    let desired = observation.capacity.desired_capacity;
    let mut conclusion = (desired, "between periods: hold".to_owned());
    if now - start >= PERIOD {
        // After a gap of several periods the missed ones are missing, not idle.
        let missed = ((now - start).as_secs() / PERIOD.as_secs()).min(LOW_DATAPOINTS as u64) - 1;
        state.period_start = Some(now);
        for datapoint in (0..missed).map(|_| None).chain([last_period.mean()]) {
            state.datapoints.push_back(datapoint);
        }
        while state.datapoints.len() > LOW_DATAPOINTS {
            state.datapoints.pop_front();
        }
        conclusion = at_period_end(policy, &observation, &last_period, state);
    }
    Evaluation {
        desired_capacity: conclusion.0,
        reason: conclusion.1,
        metric_value: last_period.mean(),
        instances,
        stale: is_stale(&observation),
    }
}

fn at_period_end(
    policy: &TargetTracking,
    observation: &Observation<'_>,
    last: &Tally,
    state: &TrackingState,
) -> (u32, String) {
    let target = policy.target_value;
    let capacity = observation.capacity;
    let desired = capacity.desired_capacity;
    let arithmetic = last.arithmetic(target);
    let breaching = |count: usize, test: &dyn Fn(f64) -> bool| {
        state
            .datapoints
            .iter()
            .rev()
            .take_while(|point| point.is_some_and(test))
            .take(count)
            .count()
    };
    let high = breaching(HIGH_DATAPOINTS, &|value| value > target);
    let low = breaching(LOW_DATAPOINTS, &|value| value < target * LOW_FACTOR);
    if high == HIGH_DATAPOINTS {
        let needed = instances_needed(last.sum, target)
            .min(capacity.max_size)
            .max(desired);
        let verdict = if needed > desired {
            format!("scale out {desired} -> {needed}")
        } else {
            "hold".to_owned()
        };
        return (
            needed,
            format!("{arithmetic}, {high}/{HIGH_DATAPOINTS} datapoints > {target} %: {verdict}"),
        );
    }
    if low == LOW_DATAPOINTS {
        return scale_in(policy, observation, last, state);
    }
    let seen = format!("{high}/{HIGH_DATAPOINTS} datapoints high, {low}/{LOW_DATAPOINTS} low");
    (desired, format!("{arithmetic}, {seen}: hold"))
}

fn scale_in(
    policy: &TargetTracking,
    observation: &Observation<'_>,
    last: &Tally,
    state: &TrackingState,
) -> (u32, String) {
    let Observation {
        capacity,
        now,
        settling,
        ..
    } = *observation;
    let desired = capacity.desired_capacity;
    let hold = |why: &str| {
        (
            desired,
            format!("{}: hold{why}", last.arithmetic(policy.target_value)),
        )
    };
    if policy.disable_scale_in {
        return hold(", scale-in is disabled");
    }
    if settling || last.warming > 0 || last.missing > 0 {
        return hold(", instances are warming, launching, terminating or unseen");
    }
    if state
        .since_scaling(now)
        .is_some_and(|since| since < COOLDOWN)
    {
        return hold(&format!(", {} s cooldown", COOLDOWN.as_secs()));
    }
    // AWS adds 1.5 instances as two and removes 1.5 as one.
    let needed = instances_needed(last.sum, policy.target_value);
    let after = needed.max(capacity.min_size).max(1).min(desired);
    if after == desired {
        return hold(", less than one whole instance to spare");
    }
    let low = policy.target_value * LOW_FACTOR;
    (
        after,
        format!(
            "{}, {LOW_DATAPOINTS}/{LOW_DATAPOINTS} datapoints < {low} %: scale in {desired} -> {after}",
            last.arithmetic(policy.target_value)
        ),
    )
}
