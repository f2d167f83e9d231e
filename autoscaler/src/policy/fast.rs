//! Target tracking at `pace: fast`. Numbers and their reasons: one-second samples, a quick
//! path for saturation, and a scale-in that believes only a whole calm window. The margins
//! around the target are what keeps a group that hovers at it from flapping.

use std::time::Duration;

use super::{Evaluation, Observation, TrackingState, instances_needed, is_stale, tally};
use crate::config::TargetTracking;

/// Scale out on the mean of this window.
const SCALE_OUT_WINDOW: Duration = Duration::from_secs(30);
/// The mean must pass the target by this factor: noise at the target is not load.
const SCALE_OUT_TOLERANCE: f64 = 1.05;
/// CPU cannot show how far above 100 % demand is, so a pegged group does not wait.
const SATURATION_WINDOW: Duration = Duration::from_secs(5);
const SATURATION_PERCENT: f64 = 97.0;
/// A mean over less than this says nothing yet.
const LEAST_SPAN: Duration = Duration::from_millis(3500);
/// At most half as many again per decision, and at least one.
const SCALE_OUT_STEP: f64 = 0.5;
/// Scale in to the highest need of this window.
const SCALE_IN_WINDOW: Duration = Duration::from_secs(120);
const SCALE_IN_COVERAGE: f64 = 0.9;
/// What is left must stay this far below the target, or the next pass would undo it.
const SCALE_IN_MARGIN: f64 = 0.9;
/// One at a time: drain, look, decide again.
const SCALE_IN_COOLDOWN: Duration = Duration::from_secs(60);

pub(super) fn evaluate(
    policy: &TargetTracking,
    observation: Observation<'_>,
    state: &mut TrackingState,
) -> Evaluation {
    let Observation { capacity, now, .. } = observation;
    let target = policy.target_value;
    let mean_over = |window| {
        move |instance: &super::TrackedInstance<'_>| {
            instance
                .cpu
                .mean(now, window, instance.warm_since)
                .filter(|m| m.span >= LEAST_SPAN)
                .map(|m| m.percent)
        }
    };
    let (recent, _) = tally(&observation, mean_over(SATURATION_WINDOW));
    let (usual, instances) = tally(&observation, mean_over(SCALE_OUT_WINDOW));
    // Scaling in assumes the worst of what it cannot see; all unseen is no evidence at all.
    let in_need = (usual.measured > 0)
        .then(|| instances_needed(usual.sum + 100.0 * f64::from(usual.missing), target));
    state.recommend(now, in_need, SCALE_IN_WINDOW);

    let desired = capacity.desired_capacity;
    let (desired_capacity, reason) = if usual.measured == 0 {
        (desired, no_data(usual.missing, usual.warming))
    } else if let Some(out) = scale_out(target, desired, capacity.max_size, &recent, &usual) {
        out
    } else {
        scale_in(policy, &observation, &usual, state)
    };
    Evaluation {
        desired_capacity,
        reason,
        metric_value: usual.mean(),
        instances,
        stale: is_stale(&observation),
    }
}

fn no_data(missing: u32, warming: u32) -> String {
    match (missing, warming) {
        (0, 0) => "no instance is in service: hold".to_owned(),
        (0, _) => format!("{warming} warming, none measured yet: hold"),
        _ => format!("no fresh CPU figures of {missing} instance(s): hold"),
    }
}

/// `None` where nothing asks for more.
fn scale_out(
    target: f64,
    desired: u32,
    max_size: u32,
    recent: &super::Tally,
    usual: &super::Tally,
) -> Option<(u32, String)> {
    // Scaling out assumes that what it cannot see is idle.
    let mean_of_all =
        |tally: &super::Tally| tally.sum / f64::from(tally.measured + tally.missing).max(1.0);
    let saturated = recent.measured > 0 && mean_of_all(recent) >= SATURATION_PERCENT;
    let hot = mean_of_all(usual) > target * SCALE_OUT_TOLERANCE;
    let (tally, rule) = match (saturated, hot) {
        (true, _) => (
            recent,
            format!(
                "saturated, {} s mean >= {SATURATION_PERCENT} %",
                SATURATION_WINDOW.as_secs()
            ),
        ),
        (_, true) => (
            usual,
            format!(
                "{} s mean > {target} % x {SCALE_OUT_TOLERANCE}",
                SCALE_OUT_WINDOW.as_secs()
            ),
        ),
        _ => return None,
    };
    let needed = instances_needed(tally.sum, target);
    if needed <= desired {
        return None;
    }
    let step = ((f64::from(desired) * SCALE_OUT_STEP) as u32).max(1);
    let allowed = needed.min(desired + step);
    let capped = allowed.min(max_size).max(desired);
    let arithmetic = tally.arithmetic(target);
    let limits = match (allowed < needed, capped < allowed) {
        (_, true) => format!(", limited to max_size {max_size}"),
        (true, _) => format!(", limited to +{step} per decision"),
        _ => String::new(),
    };
    let verdict = if capped > desired {
        format!("scale out {desired} -> {capped}")
    } else {
        "hold".to_owned()
    };
    Some((capped, format!("{arithmetic} ({rule}){limits}: {verdict}")))
}

fn scale_in(
    policy: &TargetTracking,
    observation: &Observation<'_>,
    usual: &super::Tally,
    state: &TrackingState,
) -> (u32, String) {
    let Observation {
        capacity,
        now,
        settling,
        ..
    } = *observation;
    let target = policy.target_value;
    let desired = capacity.desired_capacity;
    let arithmetic = usual.arithmetic(target);
    let hold = |why: &str| (desired, format!("{arithmetic}: hold{why}"));
    // Zero instances have no CPU to wake up from.
    let floor = capacity.min_size.max(1);
    let (highest, coverage) = state.highest(now, SCALE_IN_WINDOW);
    let needed = highest.unwrap_or(desired).max(floor);
    if needed >= desired {
        return hold("");
    }
    let window = SCALE_IN_WINDOW.as_secs();
    let all_seen = usual.sum + 100.0 * f64::from(usual.missing);
    let predicted = all_seen / f64::from(desired - 1);
    if policy.disable_scale_in {
        hold(", scale-in is disabled")
    } else if coverage < SCALE_IN_COVERAGE {
        hold(&format!(
            ", {:.0} % of the {window} s scale-in window seen",
            coverage * 100.0
        ))
    } else if usual.warming > 0 || settling {
        hold(", instances are warming, launching or terminating")
    } else if predicted > SCALE_IN_MARGIN * target {
        hold(&format!(
            ", {} would run at {predicted:.1} % > {SCALE_IN_MARGIN} x {target} %",
            desired - 1
        ))
    } else if state
        .since_scale_in(now)
        .is_some_and(|since| since < SCALE_IN_COOLDOWN)
    {
        hold(&format!(
            ", {} s cooldown after scaling in",
            SCALE_IN_COOLDOWN.as_secs()
        ))
    } else {
        let after = desired - 1;
        (
            after,
            format!(
                "{arithmetic} (highest need of {window} s: {needed}; {after} would run at {predicted:.1} %): scale in {desired} -> {after}"
            ),
        )
    }
}
