//! Nomad Autoscaler's `target-value` strategy.
//!
//! "Target Value Strategy Plugin" and "Scaling Policies"
//! (<https://developer.hashicorp.com/nomad/tools/autoscaling/plugins/strategy/target-value>):
//! each 10 s `ceil(count x metric / target)` of the newest datapoint, nothing within a
//! threshold of 1 %, and a cooldown of 300 s after whatever it does.

use super::{Algorithm, Second, TARGET, ceil};

const EVALUATION_INTERVAL: u64 = 10;
const THRESHOLD: f64 = 0.01;
const COOLDOWN: u64 = 300;

#[derive(Debug, Default)]
pub(crate) struct Nomad {
    scaled_at: Option<u64>,
}

impl Algorithm for Nomad {
    fn name(&self) -> &'static str {
        "nomad"
    }

    fn decide(&mut self, now: &Second<'_>) -> u32 {
        let desired = now.desired();
        let cools_down = |at| now.second - at < COOLDOWN;
        if !now.ends(EVALUATION_INTERVAL) || self.scaled_at.is_some_and(cools_down) {
            return desired;
        }
        let factor = now.utilization / TARGET;
        if (factor - 1.0).abs() <= THRESHOLD {
            return desired;
        }
        let wanted = now.bounded(ceil(f64::from(desired) * factor));
        if wanted != desired {
            self.scaled_at = Some(now.second);
        }
        wanted
    }
}
