use serde::{Deserialize, Serialize};

/// Upper bounds of the buckets that durations of requests are counted in, seconds: from what a
/// local target needs to what a user gives up at. What takes longer has a bucket of its own.
pub const DURATION_BOUNDS_SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What became of a target group's requests since the balancer started. All of it only grows:
/// where it does not, the balancer has started anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStatistics {
    /// Responses by the class of their code, from 1xx to 5xx, those of the balancer itself
    /// included.
    pub responses: [u64; 5],
    /// Requests by how long they took, from the head to the end of the response: one for each
    /// of [`DURATION_BOUNDS_SECONDS`], and one for what took longer.
    pub durations: [u64; DURATION_BOUNDS_SECONDS.len() + 1],
}

impl RequestStatistics {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.pairwise(other, |one, other| Some(one.saturating_add(other)))
            .unwrap_or_default()
    }

    /// What was added since it was `before`; `None` where that is more.
    pub fn since(&self, before: &Self) -> Option<Self> {
        self.pairwise(before, u64::checked_sub)
    }

    fn pairwise(&self, other: &Self, f: impl Fn(u64, u64) -> Option<u64>) -> Option<Self> {
        let mut result = *self;
        let ours = result.responses.iter_mut().chain(&mut result.durations);
        let theirs = other.responses.iter().chain(&other.durations);
        for (ours, theirs) in ours.zip(theirs) {
            *ours = f(*ours, *theirs)?;
        }
        Some(result)
    }

    /// The duration that a share of `quantile` (0 to 1) of the requests did not exceed, in
    /// seconds, told from the buckets as Prometheus's `histogram_quantile` does: within one it is
    /// taken to grow evenly. `None` without requests; the last bound where it is above all.
    pub fn duration_quantile(&self, quantile: f64) -> Option<f64> {
        let total: f64 = self.durations.iter().map(|count| *count as f64).sum();
        if total == 0.0 {
            return None;
        }
        let rank = quantile * total;
        let (mut below, mut lower) = (0.0, 0.0);
        for (count, upper) in self.durations.iter().zip(DURATION_BOUNDS_SECONDS) {
            let count = *count as f64;
            if count > 0.0 && below + count >= rank {
                return Some(lower + (upper - lower) * ((rank - below) / count).clamp(0.0, 1.0));
            }
            below += count;
            lower = upper;
        }
        Some(lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durations(counts: &[(usize, u64)]) -> RequestStatistics {
        let mut statistics = RequestStatistics::default();
        for (bucket, count) in counts {
            statistics.durations[*bucket] = *count;
        }
        statistics
    }

    #[test]
    fn quantiles_grow_evenly_within_a_bucket() {
        let even = durations(&[(4, 100)]);
        assert_eq!(even.duration_quantile(0.5), Some(0.0075));
        assert_eq!(even.duration_quantile(1.0), Some(0.01));
        let two = durations(&[(0, 98), (10, 2)]);
        assert_eq!(two.duration_quantile(0.99), Some(0.75));
        assert_eq!(durations(&[(14, 1)]).duration_quantile(0.5), Some(10.0));
        assert_eq!(durations(&[]).duration_quantile(0.5), None);
        let vast = durations(&[(4, u64::MAX), (5, u64::MAX)]);
        assert_eq!(vast.duration_quantile(0.5), Some(0.01));
    }

    #[test]
    fn balancer_that_started_anew_has_added_nothing_known() {
        let (few, many) = (durations(&[(3, 5)]), durations(&[(3, 7), (4, 1)]));
        assert_eq!(many.since(&few), Some(durations(&[(3, 2), (4, 1)])));
        assert_eq!(few.since(&many), None);
        assert_eq!(few.plus(&few), durations(&[(3, 10)]));
    }
}
