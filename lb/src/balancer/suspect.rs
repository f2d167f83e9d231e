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
/// For so long after the last request was given up a silence goes on with the next one: a
/// frozen target whose requests are hedged away is found out all the same, and one that
/// has been let alone is tried again.
const MEMORY: Duration = Duration::from_secs(2);

/// How long a target has kept all its requests waiting; for all threads.
#[derive(Debug)]
pub(crate) struct Silence {
    /// Requests sent without a byte of an answer.
    waiting: AtomicU64,
    /// When the silence began: at the last byte that came, or with the first of those
    /// waiting; later by the time in which nothing waited.
    began: Stamped,
    /// How long it was when the last request was given up, and when that was.
    given_up: Stamped,
}

impl Silence {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            waiting: AtomicU64::new(0),
            began: Stamped::new(epoch),
            given_up: Stamped::new(epoch),
        }
    }

    /// A request goes out. It is either [`settled`](Self::settled) or
    /// [`given_up`](Self::given_up), once.
    pub(crate) fn sent(&self, now: Instant) {
        // Before it counts, so that it never counts as waiting since some earlier sign.
        if self.waiting.load(Ordering::Relaxed) == 0 {
            let earlier = self.remembered(now);
            self.began
                .store(1.0, now.checked_sub(earlier).unwrap_or(now));
        }
        self.waiting.fetch_add(1, Ordering::Release);
    }

    /// A byte came, of any answer: no silence goes on.
    pub(crate) fn heard(&self, now: Instant) {
        self.began.store(1.0, now);
        self.given_up.clear();
    }

    /// A request waits no more, as its answer began.
    pub(crate) fn settled(&self, now: Instant) {
        self.heard(now);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request waits no more, without a byte of an answer.
    pub(crate) fn given_up(&self, now: Instant) {
        self.given_up.store(self.length(now).as_secs_f64(), now);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// For how long requests have waited without a sign.
    pub(crate) fn length(&self, now: Instant) -> Duration {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return self.remembered(now);
        }
        self.began.load(now).map_or(Duration::ZERO, |(_, age)| age)
    }

    /// The silence of those that were given up lately.
    fn remembered(&self, now: Instant) -> Duration {
        let given_up = self.given_up.load(now);
        let recent = given_up.filter(|(_, age)| *age < MEMORY);
        recent.map_or(Duration::ZERO, |(length, _)| {
            Duration::from_secs_f64(length)
        })
    }
}

/// Whether new requests should rather go elsewhere. `usual` is the target's time to a first
/// byte, which is not asked for while all is well. One slow request among others that are
/// answered is no silence.
pub(crate) fn is_suspect(silence: Duration, usual: impl FnOnce() -> Option<Duration>) -> bool {
    silence > GRACE && silence > GRACE + usual().unwrap_or_default() * PATIENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Whether a target with requests of usually `usual` is suspect at `at` milliseconds.
    fn at(silence: &Silence, start: Instant, usual: u32, at: u32) -> bool {
        is_suspect(silence.length(start + MS * at), || Some(MS * usual))
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
            silence.settled(now + MS * 10);
            assert!(!at(&silence, start, 10, 50 * nth + 40), "{nth}");
        }
        assert!(
            at(&silence, start, 10, 50 * 100 + 150),
            "until the others stop, too"
        );
    }

    #[test]
    fn frozen_target_is_found_out_though_hedged() {
        let start = Instant::now();
        let silence = Silence::new(start);
        // One after the other, with pauses: each is given up after 30 ms.
        for nth in 0..4 {
            silence.sent(start + MS * 100 * nth);
            assert!(!at(&silence, start, 5, 100 * nth + 10), "{nth}");
            silence.given_up(start + MS * (100 * nth + 30));
        }
        assert!(at(&silence, start, 5, 400), "four times 30 ms");
        assert!(!at(&silence, start, 5, 2400), "tried again after a while");
        silence.sent(start + MS * 2400);
        assert!(!at(&silence, start, 5, 2500));
    }

    #[test]
    fn client_that_leaves_makes_nobody_suspect() {
        let start = Instant::now();
        let silence = Silence::new(start);
        silence.sent(start);
        silence.given_up(start + MS * 5);
        assert!(!at(&silence, start, 5, 500), "nothing waits");
        silence.sent(start + MS * 500);
        assert!(!at(&silence, start, 5, 600));
        silence.settled(start + MS * 601);
        assert!(!at(&silence, start, 5, 1000));
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
        silence.settled(start + MS);
        assert!(!at(&silence, start, 0, 60_000));
        silence.sent(start + MS * 60_000);
        assert!(
            !at(&silence, start, 0, 60_050),
            "the wait counts from the request"
        );
    }
}
