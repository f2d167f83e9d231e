//! A frozen target - stopped, swapping, its machine gone - keeps its connections and says
//! nothing. Its requests tell sooner than any health check: they all wait, and no byte comes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::stamped::Stamped;

/// Silence that means nothing: a garbage collection, a busy machine.
const GRACE: Duration = Duration::from_millis(100);
/// And so many times the usual time to a first byte.
const PATIENCE: u32 = 2;

/// How long a target has kept all its requests waiting; for all threads.
#[derive(Debug)]
pub(crate) struct Silence {
    /// Requests sent without a byte of an answer.
    waiting: AtomicU64,
    /// The last byte that came, or when the first of those waiting was sent.
    sign: Stamped,
}

impl Silence {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            waiting: AtomicU64::new(0),
            sign: Stamped::new(epoch),
        }
    }

    /// A request goes out. Each is [`settled`](Self::settled) once.
    pub(crate) fn sent(&self, now: Instant) {
        // Before it counts, so that it never counts as waiting since some earlier sign.
        if self.waiting.load(Ordering::Relaxed) == 0 {
            self.heard(now);
        }
        self.waiting.fetch_add(1, Ordering::Release);
    }

    /// A byte came, of any answer.
    pub(crate) fn heard(&self, now: Instant) {
        self.sign.store(1.0, now);
    }

    /// A request waits no more: its answer began, or it was given up.
    pub(crate) fn settled(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// For how long requests have waited without a sign; zero if none waits.
    pub(crate) fn length(&self, now: Instant) -> Duration {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return Duration::ZERO;
        }
        self.sign.load(now).map_or(Duration::ZERO, |(_, age)| age)
    }
}

/// Whether new requests should rather go elsewhere. `usual` is the target's time to a first
/// byte. One slow request among others that are answered is no silence.
pub(crate) fn is_suspect(silence: Duration, usual: Option<Duration>) -> bool {
    silence > GRACE + usual.unwrap_or_default() * PATIENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Whether a target with requests of usually `usual` is suspect at `at` milliseconds.
    fn at(silence: &Silence, start: Instant, usual: u32, at: u32) -> bool {
        is_suspect(silence.length(start + MS * at), Some(MS * usual))
    }

    #[test]
    fn frozen_target_is_suspect_within_150_ms() {
        let start = Instant::now();
        let silence = Silence::new(start);
        silence.sent(start);
        assert!(!at(&silence, start, 10, 100));
        assert!(at(&silence, start, 10, 130));
        silence.sent(start + MS * 140);
        assert!(
            at(&silence, start, 10, 150),
            "a new request is no sign of life"
        );
        silence.heard(start + MS * 160);
        assert!(!at(&silence, start, 10, 161));
    }

    #[test]
    fn slow_request_among_answered_ones_is_no_silence() {
        let start = Instant::now();
        let silence = Silence::new(start);
        silence.sent(start);
        for nth in 1..100 {
            let now = start + MS * 50 * nth;
            silence.sent(now);
            silence.heard(now + MS * 10);
            silence.settled();
            assert!(!at(&silence, start, 10, 50 * nth + 40), "{nth}");
        }
        assert!(
            at(&silence, start, 10, 50 * 100 + 150),
            "until the others stop, too"
        );
    }

    #[test]
    fn slow_target_is_given_its_usual_time() {
        let start = Instant::now();
        let silence = Silence::new(start);
        silence.sent(start);
        assert!(!at(&silence, start, 400, 800));
        assert!(at(&silence, start, 400, 1000));
    }

    #[test]
    fn idle_target_is_not_suspect() {
        let start = Instant::now();
        let silence = Silence::new(start);
        assert!(!at(&silence, start, 0, 60_000));
        silence.sent(start);
        silence.heard(start + MS);
        silence.settled();
        assert!(!at(&silence, start, 0, 60_000));
        silence.sent(start + MS * 60_000);
        assert!(
            !at(&silence, start, 0, 60_050),
            "the wait counts from the request"
        );
    }
}
