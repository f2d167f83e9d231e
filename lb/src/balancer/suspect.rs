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
        self.sign.update(now, |_| 1.0);
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
