use std::cmp::Ordering;

use rand::{Rng, RngExt};
use tokio::time::Instant;

use super::{Candidate, random};

/// Below, latencies tell more of the machine's mood than of the target: requests in flight
/// decide.
const FINEST_LATENCY: f64 = 0.001;
/// Keeps a target of weight 0 comparable.
const LEAST_CAPACITY: f64 = 0.001;

/// What speaks against a target.
struct Load {
    in_flight: u64,
    latency: Option<f64>,
    capacity: f64,
}

/// Of two random ones, the one that would answer sooner: requests in flight, the new one
/// included, times latency, over capacity. Two choices spread load almost as evenly as a look
/// at all, and do not send every worker to the same best target at once.
pub(super) fn lighter<C: Candidate>(
    candidates: &[C],
    may: impl Fn(&C) -> bool,
    capacity: impl Fn(&C) -> f64,
    now: Instant,
    rng: &mut impl Rng,
) -> Option<usize> {
    let (first, second) = match random::two(candidates, may, rng) {
        (Some(first), Some(second)) => (first, second),
        (only, _) => return only,
    };
    let load = |index: usize| {
        let candidate = &candidates[index];
        Load {
            in_flight: candidate.in_flight(),
            latency: candidate.latency(now),
            capacity: capacity(candidate),
        }
    };
    let (one, other) = (load(first), load(second));
    let is_first = match one.cost(&other).total_cmp(&other.cost(&one)) {
        Ordering::Less => true,
        Ordering::Equal => rng.random(),
        Ordering::Greater => false,
    };
    Some(if is_first { first } else { second })
}

impl Load {
    /// Comparable with that of `other` only. A target that has never answered is tried at
    /// once, by one request; further ones take it for as quick as the other.
    fn cost(&self, other: &Self) -> f64 {
        let latency = match self.latency {
            Some(latency) => latency,
            None if self.in_flight == 0 => return 0.0,
            None => other.latency.unwrap_or(FINEST_LATENCY),
        };
        (self.in_flight + 1) as f64 * latency.max(FINEST_LATENCY)
            / self.capacity.max(LEAST_CAPACITY)
    }
}
