use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How one request to a target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Any answer but a 5xx.
    Success,
    ServerError,
    ConnectFailure,
    Timeout,
}

/// A target's outcomes since it was registered; counted on the data path.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    requests: AtomicU64,
    failures: AtomicU64,
    /// Failures since the last success.
    streak: AtomicU32,
}

/// What was counted by some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) streak: u32,
}

impl Outcomes {
    pub(crate) fn note(&self, outcome: Outcome) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        match outcome {
            // Written only if it changes: successes are most.
            Outcome::Success if self.streak.load(Ordering::Relaxed) == 0 => {}
            Outcome::Success => self.streak.store(0, Ordering::Relaxed),
            Outcome::ServerError | Outcome::ConnectFailure | Outcome::Timeout => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.streak.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            streak: self.streak.load(Ordering::Relaxed),
        }
    }
}
