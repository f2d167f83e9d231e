//! Step scaling: how far a threshold is passed says how much.

use super::{
    Finding, Observation, adjustment::adjusted, alarm::StateValue, measure::aggregate,
    state::PolicyState,
};
use crate::scaling_policy::{MetricAggregationType, StepAdjustment, StepScaling};

pub(super) fn evaluate(
    policy: &StepScaling,
    observation: &Observation<'_>,
    state: &mut PolicyState,
) -> Finding {
    let warmup = observation.warmup(policy.estimated_instance_warmup);
    let look = |window| aggregate(&policy.alarm.metric, observation, warmup, window);
    if state.alarms[0].advance(&policy.alarm, observation.now, look) {
        state.waits_for_datapoint = false;
    }
    let alarm = &state.alarms[0];
    let desired = observation.capacity.desired_capacity;
    let latest = alarm.latest();
    let finding = |wanted, reason, metric_value| Finding {
        wanted,
        reason,
        metric_value,
        instances: Vec::new(),
        stale: alarm.is_blind()
            && policy.alarm.metric.customized().is_none()
            && !observation.instances.is_empty(),
    };
    let hold = |reason: String| finding(desired, format!("{reason}: hold"), latest);
    if alarm.value() != StateValue::Alarm {
        return hold(format!(
            "alarm is {}, {}",
            alarm.value(),
            alarm.seen(&policy.alarm)
        ));
    }
    let breaching = alarm.breaching(&policy.alarm);
    let Some(value) = aggregated(policy.metric_aggregation_type, &breaching) else {
        return hold(
            "in ALARM by treat_missing_data alone, no value to choose a step by".to_owned(),
        );
    };
    let threshold = policy.alarm.threshold;
    let upward = policy.alarm.comparison_operator.is_upward();
    let Some(step) = step_for(&policy.step_adjustments, value - threshold, upward) else {
        return hold(format!(
            "no step for {value:.1} at a threshold of {threshold}"
        ));
    };
    if state.waits_for_datapoint {
        return hold(format!(
            "acted on {value:.1} already, the next datapoint is not there yet"
        ));
    }
    let warming = observation.warming(warmup);
    let (wanted, reason) = wanted(policy, step, observation, warming);
    finding(
        wanted,
        format!("{value:.1} against {threshold}: {reason}"),
        Some(value),
    )
}

/// The step's capacity within the bounds, and how it came about. What warms counts to the
/// capacity that an earlier step of the same breach has asked for, and what ends to the one
/// that an earlier step takes away: one breach is one activity.
pub(super) fn wanted(
    policy: &StepScaling,
    step: &StepAdjustment,
    observation: &Observation<'_>,
    warming: u32,
) -> (u32, String) {
    let capacity = observation.capacity;
    let desired = capacity.desired_capacity;
    let apply = |base| {
        adjusted(
            policy.adjustment_type,
            step.scaling_adjustment,
            policy.min_adjustment_magnitude,
            base,
        )
    };
    let step = format!("{:?} {:+}", policy.adjustment_type, step.scaling_adjustment);
    let base = desired.saturating_sub(warming);
    let out = apply(base);
    if out > base {
        let within = out.min(capacity.max_size).max(desired);
        let limit = match within < out {
            true => format!(", limited to max_size {}", capacity.max_size),
            false => String::new(),
        };
        let sum = format!("{step} of {base} -> {out}{limit}");
        return match within > desired {
            true => (within, format!("{sum}: scale out {desired} -> {within}")),
            false => (desired, format!("{sum}, {warming} warming: hold")),
        };
    }
    if warming > 0 {
        return (desired, format!("{step}, {warming} warming: hold"));
    }
    let base = desired.saturating_add(observation.terminating);
    let after = apply(base);
    let within = after.max(capacity.min_size).min(desired);
    let limit = match within > after {
        true => format!(", limited to min_size {}", capacity.min_size),
        false => String::new(),
    };
    let sum = format!("{step} of {base} -> {after}{limit}");
    match within < desired {
        true => (within, format!("{sum}: scale in {desired} -> {within}")),
        false => (desired, format!("{sum}: hold")),
    }
}

fn aggregated(kind: MetricAggregationType, values: &[f64]) -> Option<f64> {
    let fold = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick);
    match kind {
        MetricAggregationType::Minimum => fold(f64::min),
        MetricAggregationType::Maximum => fold(f64::max),
        MetricAggregationType::Average =>
        {
            #[expect(clippy::cast_precision_loss, reason = "at most 1440 datapoints")]
            fold(|sum, value| sum + value).map(|sum| sum / values.len() as f64)
        }
    }
}

/// The step for a breach of this size (metric less threshold). Above the threshold an interval
/// has its lower bound and not its upper one; below it is the other way round.
pub(super) fn step_for(
    steps: &[StepAdjustment],
    breach: f64,
    upward: bool,
) -> Option<&StepAdjustment> {
    let above = breach > 0.0 || (breach == 0.0 && upward);
    steps.iter().find(|step| {
        let low = step
            .metric_interval_lower_bound
            .unwrap_or(f64::NEG_INFINITY);
        let high = step.metric_interval_upper_bound.unwrap_or(f64::INFINITY);
        match above {
            true => breach >= low && breach < high,
            false => breach > low && breach <= high,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_closed_at_the_threshold_s_side() {
        let step = |low, high, scaling_adjustment| StepAdjustment {
            metric_interval_lower_bound: low,
            metric_interval_upper_bound: high,
            scaling_adjustment,
        };
        // The user guide's example, threshold 50.
        let steps = [
            step(Some(0.0), Some(10.0), 0),
            step(Some(10.0), Some(20.0), 10),
            step(Some(20.0), None, 30),
            step(Some(-10.0), Some(0.0), 1),
            step(Some(-20.0), Some(-10.0), -10),
            step(None, Some(-20.0), -30),
        ];
        for (value, upward, adjustment) in [
            (50.0, true, 0),
            (59.9, true, 0),
            (60.0, true, 10),
            (70.0, true, 30),
            (1000.0, true, 30),
            (50.0, false, 1),
            (40.0, false, -10),
            (40.1, false, 1),
            (30.0, false, -30),
            (0.0, false, -30),
        ] {
            let found = step_for(&steps, value - 50.0, upward).unwrap();
            assert_eq!(found.scaling_adjustment, adjustment, "{value} {upward}");
        }
        assert_eq!(step_for(&steps[..1], 10.0, true), None);
    }
}
