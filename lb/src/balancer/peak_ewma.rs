//! How long a target takes to its first byte, as told by its answers: one that is slower than
//! expected counts whole, quicker ones bring the estimate down over seconds.

use std::time::Duration;

use tokio::time::Instant;

use super::stamped::Stamped;

/// In this time an estimate loses all but 1/e of what is not confirmed. Short, so that a
/// target that was slow once - its first request - is tried again within seconds: at half a
/// second instead of 10 ms, after 8 s.
const DECAY: Duration = Duration::from_secs(2);
/// What a failure counts as: one that refuses in a millisecond must not look quick.
const FAILURE: Duration = Duration::from_secs(1);

/// Peak-sensitive exponentially weighted moving average of latencies, for all threads.
#[derive(Debug)]
pub(crate) struct PeakEwma(Stamped);

impl PeakEwma {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self(Stamped::new(epoch))
    }

    /// Takes in the time to an answer's first byte.
    pub(crate) fn observe(&self, latency: Duration, now: Instant) {
        let latency = latency.as_secs_f64();
        self.0.update(now, |before| updated(before, latency));
    }

    /// Takes in a request that had no answer after `waited`.
    pub(crate) fn observe_failure(&self, waited: Duration, now: Instant) {
        self.observe(waited.max(FAILURE), now);
    }

    /// Seconds to expect; falls with time, so that a target is tried again.
    pub(crate) fn expected(&self, now: Instant) -> Option<f64> {
        self.0.load(now).map(|(value, age)| value * kept(age))
    }

    /// The estimate as the last answer left it.
    pub(crate) fn usual(&self, now: Instant) -> Option<Duration> {
        let (value, _) = self.0.load(now)?;
        Some(Duration::from_secs_f64(value))
    }
}

/// The estimate after `latency`, from the one before and its age.
fn updated(before: Option<(f64, Duration)>, latency: f64) -> f64 {
    match before {
        Some((value, age)) if latency < value => {
            let kept = kept(age);
            value * kept + latency * (1.0 - kept)
        }
        _ => latency,
    }
}

fn kept(age: Duration) -> f64 {
    (-age.as_secs_f64() / DECAY.as_secs_f64()).exp()
}
