//! Which targets may serve, and which one serves next. Pure: time and randomness are told.
//!
//! - `eligible`: from states to the targets that may take requests, with the rule's name.
//! - [`choose`]: one of them, by the group's algorithm. Allocates nothing.
//! - `slow_start`, `peak_ewma`, `headroom`: what algorithms weigh targets by.
//! - `anomaly`, `suspect`: what the requests themselves say of a target.

pub(crate) mod anomaly;
mod eligible;
pub(crate) mod headroom;
pub(crate) mod peak_ewma;
mod random;
mod rendezvous;
pub(crate) mod slow_start;
mod stamped;
pub(crate) mod suspect;
mod turns;
mod two_choices;

use minicloud_lb_api::LoadBalancingAlgorithm;
use rand::Rng;
use tokio::time::Instant;

pub(crate) use eligible::{Member, Preference, Rule, eligible};

/// What an algorithm asks of a target; read once or twice per pick.
pub(crate) trait Candidate {
    /// Requests that it has now.
    fn in_flight(&self) -> u64;

    /// Its part of a full share, 0 to 1: less than 1 in slow start.
    fn weight(&self, now: Instant) -> f64;

    /// Seconds to the first byte of its answers; none as long as it has not answered.
    fn latency(&self, now: Instant) -> Option<f64>;

    /// The part of its CPU that is idle, 0.05 to 1; 1 where nothing is known.
    fn headroom(&self, now: Instant) -> f64;

    /// Of its id: the same in every process.
    fn hash(&self) -> u64;
}

/// The index of the candidate that should take a request, of those that `may`.
///
/// `turn` grows by one with each pick of a group; `key` is what a consistent hash goes by.
/// Whoever `may` not now, gets nothing, however small the rest is.
pub(crate) fn choose<C: Candidate>(
    algorithm: &LoadBalancingAlgorithm,
    candidates: &[C],
    may: impl Fn(&C) -> bool,
    turn: usize,
    key: Option<u64>,
    now: Instant,
    rng: &mut impl Rng,
) -> Option<usize> {
    use LoadBalancingAlgorithm as By;
    let weight = |candidate: &C| candidate.weight(now);
    match (algorithm, key) {
        (By::RoundRobin, _) => turns::round_robin(candidates, may, weight, turn, rng),
        // ELB does not combine slow start with it: a new target has the fewest requests, and
        // its latency keeps it from getting more than it can take.
        (By::LeastOutstandingRequests, _) => turns::least_outstanding(candidates, may, turn),
        (By::PeakEwma, _) => two_choices::lighter(candidates, may, weight, now, rng),
        (By::CpuHeadroom, _) => {
            let capacity = |candidate: &C| candidate.weight(now) * candidate.headroom(now);
            two_choices::lighter(candidates, may, capacity, now, rng)
        }
        (By::ConsistentHash(_), Some(key)) => rendezvous::owner(candidates, may, weight, key),
        (By::WeightedRandom | By::ConsistentHash(_), _) => {
            random::weighted(candidates, may, weight, rng)
        }
    }
}

#[cfg(test)]
mod tests;
