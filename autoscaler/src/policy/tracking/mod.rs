//! Target tracking: keeps a metric near a value.

mod aws;
mod fast;
mod managed_alarms;
mod state;

use std::time::Duration;

pub use self::managed_alarms::managed_alarms;
pub(super) use self::state::TrackingState;
use super::{Finding, Observation, state::PolicyState};
use crate::{config::Pace, scaling_policy::TargetTracking};

pub(super) fn evaluate(
    policy: &TargetTracking,
    observation: &Observation<'_>,
    state: &mut PolicyState,
) -> Finding {
    let warmup: Duration = observation.warmup(policy.estimated_instance_warmup);
    match observation.pace {
        Pace::Fast => fast::evaluate(policy, observation, warmup, state),
        Pace::Aws => aws::evaluate(policy, observation, warmup, state),
    }
}

/// Whole instances that carry `sum` at `target` each. Sums of equal figures come out a hair
/// above the exact value, which must not cost an instance.
fn instances_needed(sum: f64, target: f64) -> u32 {
    let needed = (sum / target - 1e-9).ceil().max(0.0);
    // A float-to-int cast saturates, and the capacity bounds are far below u32::MAX.
    needed as u32
}
