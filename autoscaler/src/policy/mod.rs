//! Scaling policies: functions of (policy, capacity, metrics, now) to an [`Evaluation`].
//! No clock, no I/O; what a policy remembers between passes is a value of its own
//! ([`TrackingState`]), lost at a restart on purpose: after one, nothing scales in until a
//! whole scale-in window has been seen again.

mod aws;
mod fast;
mod tracking_state;

use tokio::time::Instant;

pub use self::tracking_state::TrackingState;
use crate::{
    capacity::Capacity,
    config::{Pace, TargetTracking},
    describe::InstanceMetric,
    instance::InstanceId,
    metric::{CpuHistory, STALE_AFTER},
};

/// An instance in service, as a policy sees it.
#[derive(Clone, Debug)]
pub struct TrackedInstance<'a> {
    pub id: &'a InstanceId,
    pub cpu: &'a CpuHistory,
    /// When its warm-up ended; `None` while it lasts.
    pub warm_since: Option<Instant>,
}

/// What the policy looks at in one pass.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    pub capacity: Capacity,
    pub instances: &'a [TrackedInstance<'a>],
    /// An instance is being launched or ended: the group is on its way to an earlier decision.
    pub settling: bool,
    pub now: Instant,
}

/// What a policy concludes. Holding is a conclusion with a reason too.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    pub desired_capacity: u32,
    pub reason: String,
    /// Mean over the instances measured, percent.
    pub metric_value: Option<f64>,
    pub instances: Vec<InstanceMetric>,
    /// Warmed instances exist, and some have no fresh data.
    pub stale: bool,
}

/// Applies `policy` at the given pace.
pub fn evaluate(
    policy: &TargetTracking,
    pace: Pace,
    observation: Observation<'_>,
    state: &mut TrackingState,
) -> Evaluation {
    match pace {
        Pace::Fast => fast::evaluate(policy, observation, state),
        Pace::Aws => aws::evaluate(policy, observation, state),
    }
}

/// Sum and count over the warmed instances that have fresh data.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    sum: f64,
    measured: u32,
    missing: u32,
    warming: u32,
}

impl Tally {
    fn mean(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.sum / f64::from(self.measured))
    }

    /// "2 x 50.4 / 80 = 1.26 -> 2".
    fn arithmetic(&self, target: f64) -> String {
        let mean = self.mean().unwrap_or_default();
        let ratio = self.sum / target;
        format!(
            "{} x {mean:.1} / {target} = {ratio:.2} -> {}",
            self.measured,
            ratio.ceil()
        )
    }
}

fn tally(
    observation: &Observation<'_>,
    mean: impl Fn(&TrackedInstance<'_>) -> Option<f64>,
) -> (Tally, Vec<InstanceMetric>) {
    let mut tally = Tally::default();
    let metrics = observation.instances.iter().map(|instance| {
        let warming = instance.warm_since.is_none();
        let value = mean(instance);
        match (warming, value) {
            (true, _) => tally.warming += 1,
            (false, None) => tally.missing += 1,
            (false, Some(percent)) => {
                tally.measured += 1;
                tally.sum += percent;
            }
        }
        InstanceMetric {
            instance_id: instance.id.clone(),
            value,
            warming,
        }
    });
    let metrics = metrics.collect();
    (tally, metrics)
}

/// A warmed instance has no fresh figures: its agent is silent, or cannot see it.
fn is_stale(observation: &Observation<'_>) -> bool {
    let warmed = observation
        .instances
        .iter()
        .filter(|instance| instance.warm_since.is_some());
    let mut last_seen = warmed.map(|instance| instance.cpu.last_seen());
    last_seen.any(|seen| seen.is_none_or(|at| observation.now - at > STALE_AFTER))
}

/// Whole instances that carry `sum` percent at `target` percent each. Sums of equal figures
/// come out a hair above the exact value, which must not cost an instance.
fn instances_needed(sum: f64, target: f64) -> u32 {
    let needed = (sum / target - 1e-9).ceil().max(0.0);
    // A float-to-int cast saturates, and the capacity bounds are far below u32::MAX.
    needed as u32
}

#[cfg(test)]
mod tests;
