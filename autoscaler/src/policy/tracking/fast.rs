//! Target tracking at `pace: fast`. Numbers and their reasons: one-second samples, a quick
//! path for saturation, and a scale-in that believes only a whole calm window. The margins
//! around the target are what keeps a group that hovers at it from flapping.

use std::time::Duration;

use super::{Finding, Observation, PolicyState, TrackingState, instances_needed};
use crate::{
    policy::{
        alarm::StateValue,
        measure::{Tally, is_stale, tally},
        saturation::{self, Saturation},
    },
    scaling_policy::{PredefinedMetric, TargetTracking},
};

/// Scale out on the mean of this window.
pub(super) const SCALE_OUT_WINDOW: Duration = Duration::from_secs(30);
/// The mean must pass the target by this factor: noise at the target is not load.
pub(super) const SCALE_OUT_TOLERANCE: f64 = 1.05;
/// CPU cannot show how far above 100 % demand is, so a pegged group does not wait.
const SATURATION_WINDOW: Duration = Duration::from_secs(5);
const SATURATION_PERCENT: f64 = 97.0;
/// At most half as many again per decision, and at least one.
const SCALE_OUT_STEP: f64 = 0.5;
/// Scale in to the highest need of this window.
pub(super) const SCALE_IN_WINDOW: Duration = Duration::from_secs(120);
const SCALE_IN_COVERAGE: f64 = 0.9;
/// What is left must stay this far below the target, or the next pass would undo it.
pub(super) const SCALE_IN_MARGIN: f64 = 0.9;
/// One at a time: drain, look, decide again. Unless the policy says how long.
const SCALE_IN_COOLDOWN: Duration = Duration::from_secs(60);

pub(super) fn evaluate(
    policy: &TargetTracking,
    observation: &Observation<'_>,
    warmup: Duration,
    state: &mut PolicyState,
) -> Finding {
    let now = observation.now;
    let target = policy.target_value;
    let metric = &policy.metric;
    let mut instances = Vec::new();
    let usual = tally(metric, observation, warmup, SCALE_OUT_WINDOW, |instance| {
        instances.push(instance);
    });
    let on_cpu = metric.is(PredefinedMetric::AsgAverageCpuUtilization);
    let recent = match on_cpu {
        true => tally(metric, observation, warmup, SATURATION_WINDOW, |_| {}),
        false => Tally::default(),
    };
    let look = Look {
        target,
        unit: metric.unit(),
        recent,
        usual,
        saturation: saturation::observe(metric, observation, warmup, usual.mean(), target),
        // What an instance that nobody sees may carry.
        unseen: if on_cpu { 100.0 } else { target },
    };
    // Scaling in assumes the worst of what it cannot see; all unseen is no evidence at all.
    let in_need = (usual.measured > 0).then(|| instances_needed(look.worst(), target));
    state.tracking.recommend(now.mono, in_need, SCALE_IN_WINDOW);

    let desired = observation.capacity.desired_capacity;
    let out = look.wants_out();
    let (high, (wanted, reason)) = match &out {
        Some(rule) => {
            let breached = format!("Threshold Crossed: {}", rule.words);
            let grown = scale_out(&look, rule, observation);
            let settled =
                grown.unwrap_or_else(|| scale_in(policy, &look, observation, &state.tracking));
            ((StateValue::Alarm, breached), settled)
        }
        None if usual.measured == 0 => {
            let why = no_data(policy, usual.missing, usual.warming);
            let insufficient = (
                StateValue::InsufficientData,
                format!("Insufficient Data: {why}"),
            );
            (insufficient, (desired, why))
        }
        None => {
            let calm = format!(
                "{} s mean {:.1} is not > {target} x {SCALE_OUT_TOLERANCE}",
                SCALE_OUT_WINDOW.as_secs(),
                usual.mean().unwrap_or_default()
            );
            let held = scale_in(policy, &look, observation, &state.tracking);
            ((StateValue::Ok, calm), held)
        }
    };
    let low = low_alarm(&look, observation, &state.tracking);
    let set = [high, low];
    for (alarm, (value, reason)) in state.alarms.iter_mut().zip(set) {
        alarm.set(value, reason, now.wall);
    }
    Finding {
        wanted,
        reason,
        metric_value: usual.mean(),
        instances,
        stale: is_stale(metric, observation, warmup, &usual),
    }
}

/// What one pass has seen.
struct Look {
    target: f64,
    unit: &'static str,
    recent: Tally,
    usual: Tally,
    saturation: Option<Saturation>,
    unseen: f64,
}

/// Why more is wanted, and how much of it.
struct Rule {
    words: String,
    tally: Tally,
    needed: u32,
}

impl Look {
    /// The sum where the unseen are as busy as can be.
    fn worst(&self) -> f64 {
        self.usual.sum + self.unseen * f64::from(self.usual.missing)
    }

    fn wants_out(&self) -> Option<Rule> {
        // Scaling out assumes that what it cannot see is idle.
        let mean_of_all = |tally: &Tally| tally.sum / f64::from(tally.warmed()).max(1.0);
        let target = self.target;
        let rule = |tally: Tally, words| Rule {
            words,
            tally,
            needed: instances_needed(tally.sum, target),
        };
        if self.recent.measured > 0 && mean_of_all(&self.recent) >= SATURATION_PERCENT {
            let window = SATURATION_WINDOW.as_secs();
            let words = format!("saturated, {window} s mean >= {SATURATION_PERCENT} %");
            return Some(rule(self.recent, words));
        }
        if let Some(saturation) = self.saturation
            && self.usual.warmed() > 0
        {
            let by_metric = rule(self.usual, saturation.to_string());
            let needed = saturation.needed(self.usual.warmed()).max(by_metric.needed);
            return Some(Rule {
                needed,
                ..by_metric
            });
        }
        let hot =
            self.usual.measured > 0 && mean_of_all(&self.usual) > target * SCALE_OUT_TOLERANCE;
        hot.then(|| {
            let window = SCALE_OUT_WINDOW.as_secs();
            let unit = self.unit;
            let words = format!("{window} s mean > {target}{unit} x {SCALE_OUT_TOLERANCE}");
            rule(self.usual, words)
        })
    }
}

fn no_data(policy: &TargetTracking, missing: u32, warming: u32) -> String {
    let figures = match policy.metric.is(PredefinedMetric::AsgAverageCpuUtilization) {
        true => "CPU figures".to_owned(),
        false => format!("figures of {}", policy.metric),
    };
    match (missing, warming) {
        (0, 0) => "no instance is in service: hold".to_owned(),
        (0, _) => format!("{warming} warming, none measured yet: hold"),
        _ => format!("no fresh {figures} of {missing} instance(s): hold"),
    }
}

/// `None` where what there is, or comes, is enough.
fn scale_out(look: &Look, rule: &Rule, observation: &Observation<'_>) -> Option<(u32, String)> {
    let capacity = observation.capacity;
    let (desired, max_size) = (capacity.desired_capacity, capacity.max_size);
    let needed = rule.needed;
    if needed <= desired {
        return None;
    }
    let step = ((f64::from(desired) * SCALE_OUT_STEP) as u32).max(1);
    let allowed = needed.min(desired + step);
    let capped = allowed.min(max_size).max(desired);
    let arithmetic = rule.tally.arithmetic(look.target);
    let more = match look.saturation {
        Some(_) if needed > instances_needed(rule.tally.sum, look.target) => {
            format!(", {needed} to carry it")
        }
        _ => String::new(),
    };
    let limits = match (allowed < needed, capped < allowed) {
        (_, true) => format!(", limited to max_size {max_size}"),
        (true, _) => format!(", limited to +{step} per decision"),
        _ => String::new(),
    };
    let verdict = match capped > desired {
        true => format!("scale out {desired} -> {capped}"),
        false => "hold".to_owned(),
    };
    let words = &rule.words;
    Some((
        capped,
        format!("{arithmetic} ({words}){more}{limits}: {verdict}"),
    ))
}

fn scale_in(
    policy: &TargetTracking,
    look: &Look,
    observation: &Observation<'_>,
    state: &TrackingState,
) -> (u32, String) {
    let now = observation.now.mono;
    let target = policy.target_value;
    let unit = policy.metric.unit();
    let desired = observation.capacity.desired_capacity;
    let arithmetic = look.usual.arithmetic(target);
    let hold = |why: &str| (desired, format!("{arithmetic}: hold{why}"));
    // Zero instances have no CPU to wake up from.
    let floor = observation.capacity.min_size.max(1);
    let (highest, coverage) = state.highest(now, SCALE_IN_WINDOW);
    let needed = highest.unwrap_or(desired).max(floor);
    if needed >= desired {
        return hold("");
    }
    let window = SCALE_IN_WINDOW.as_secs();
    let predicted = look.worst() / f64::from(desired - 1);
    let cooldown = policy.scale_in_cooldown.unwrap_or(SCALE_IN_COOLDOWN);
    if policy.disable_scale_in {
        hold(", scale-in is disabled")
    } else if coverage < SCALE_IN_COVERAGE {
        hold(&format!(
            ", {:.0} % of the {window} s scale-in window seen",
            coverage * 100.0
        ))
    } else if let Some(saturation) = look.saturation {
        hold(&format!(", {saturation}"))
    } else if look.usual.warming > 0 || observation.settling {
        hold(", instances are warming, launching or terminating")
    } else if predicted > SCALE_IN_MARGIN * target {
        hold(&format!(
            ", {} would run at {predicted:.1}{unit} > {SCALE_IN_MARGIN} x {target}{unit}",
            desired - 1
        ))
    } else if state
        .since_scale_in(now)
        .is_some_and(|since| since < cooldown)
    {
        hold(&format!(
            ", {} s cooldown after scaling in",
            cooldown.as_secs()
        ))
    } else {
        let after = desired - 1;
        (
            after,
            format!(
                "{arithmetic} (highest need of {window} s: {needed}; {after} would run at {predicted:.1}{unit}): scale in {desired} -> {after}"
            ),
        )
    }
}

/// Whether the whole window asked for less than there is, whatever else holds the group back.
fn low_alarm(
    look: &Look,
    observation: &Observation<'_>,
    state: &TrackingState,
) -> (StateValue, String) {
    let window = SCALE_IN_WINDOW.as_secs();
    let desired = observation.capacity.desired_capacity;
    let (highest, coverage) = state.highest(observation.now.mono, SCALE_IN_WINDOW);
    let seen = 100.0 * coverage;
    let Some(highest) =
        highest.filter(|_| coverage >= SCALE_IN_COVERAGE && look.usual.measured > 0)
    else {
        let reason = format!("Insufficient Data: {seen:.0} % of the {window} s window seen");
        return (StateValue::InsufficientData, reason);
    };
    let predicted = look.worst() / f64::from(desired.saturating_sub(1).max(1));
    match highest < desired && predicted <= SCALE_IN_MARGIN * look.target {
        true => (
            StateValue::Alarm,
            format!(
                "Threshold Crossed: the highest need of {window} s is {highest} of {desired}, and one less would run at {predicted:.1}"
            ),
        ),
        false => (
            StateValue::Ok,
            format!("the highest need of {window} s is {highest} of {desired}"),
        ),
    }
}
