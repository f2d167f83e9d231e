use std::time::Duration;

use tokio::time::Instant;

use super::Counts;

const EJECTION: Duration = Duration::from_secs(10);
const LONGEST_EJECTION: Duration = Duration::from_secs(300);
/// Good conduct that takes one ejection off the record.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// Judgements, one a second, that a ratio is over.
const WINDOW: usize = 10;
/// Requests and failures in the window without which a ratio says nothing.
const LEAST_REQUESTS: u64 = 10;
const LEAST_FAILURES: u64 = 5;

/// A target's record between judgements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    last: Counts,
    /// Requests and failures of each judgement, the oldest at `next`.
    window: [(u64, u64); WINDOW],
    next: usize,
    /// Requests before its last readmission, which are forgotten.
    forgotten: u64,
    ejected_until: Option<Instant>,
    /// Ejections that are not forgiven.
    ejections: u32,
    /// When it was readmitted, or last forgiven one.
    good_since: Option<Instant>,
}

impl Standing {
    /// Moves the window on by what came since the last time.
    pub(super) fn roll(&mut self, counts: Counts) {
        let requests = counts.requests.saturating_sub(self.last.requests);
        let failures = counts.failures.saturating_sub(self.last.failures);
        // Read while they are counted, failures can be ahead.
        self.window[self.next] = (requests, failures.min(requests));
        self.next = (self.next + 1) % WINDOW;
        self.last = counts;
    }

    /// The part of requests that failed, if there were any.
    pub(super) fn ratio(&self) -> Option<f64> {
        let (requests, failures) = self.sums();
        (requests > 0).then(|| failures as f64 / requests as f64)
    }

    /// Whether the ratio is of enough to go by.
    pub(super) fn is_telling(&self) -> bool {
        let (requests, failures) = self.sums();
        requests >= LEAST_REQUESTS && failures >= LEAST_FAILURES
    }

    fn sums(&self) -> (u64, u64) {
        let add = |(requests, failures), &(more, failed)| (requests + more, failures + failed);
        self.window.iter().fold((0, 0), add)
    }

    /// Failures in a row since it was last readmitted.
    pub(super) fn streak(&self) -> u64 {
        let since = self.last.requests.saturating_sub(self.forgotten);
        u64::from(self.last.streak).min(since)
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.ejected_until.is_some()
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.ejected_until.is_some_and(|until| until <= now)
    }

    /// For longer each time, until it is [`forgiven`](Self::forgive).
    pub(super) fn eject(&mut self, now: Instant) -> Duration {
        self.ejections = self.ejections.saturating_add(1);
        let duration = (EJECTION.saturating_mul(self.ejections)).min(LONGEST_EJECTION);
        self.ejected_until = Some(now + duration);
        duration
    }

    /// Starts anew: what it was ejected for counts no more.
    pub(super) fn readmit(&mut self, now: Instant) {
        self.ejected_until = None;
        self.good_since = Some(now);
        self.window = Default::default();
        self.forgotten = self.last.requests;
    }

    /// Takes an ejection off the record if the last one is long ago.
    pub(super) fn forgive(&mut self, now: Instant) {
        let is_long = |since| now.saturating_duration_since(since) >= FORGIVEN_AFTER;
        if self.ejections > 0 && self.good_since.is_none_or(is_long) {
            self.ejections -= 1;
            self.good_since = Some(now);
        }
    }
}
