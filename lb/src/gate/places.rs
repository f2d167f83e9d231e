use super::atomic::{AtomicU64, Ordering, fence};

/// Set in the word once the gate drains; the rest is the count.
const DRAINING: u64 = 1 << 63;
/// As a limit: none.
const UNLIMITED: u64 = DRAINING - 1;

/// The places at one target.
///
/// Count and flag are one word, so that they change in one order for all threads: whoever
/// reads [`in_flight`](Self::in_flight) as 0 after [`drain`](Self::drain) knows that no place
/// is taken and none will be.
#[derive(Debug)]
pub(crate) struct Gate {
    word: AtomicU64,
    limit: AtomicU64,
}

/// How many requests of a group wait for a place at any of its targets, so that a place given
/// back costs a look at the queue only if someone is in it.
///
/// No wake-up is lost if who waits calls [`enter`](Self::enter), then puts itself into the
/// queue, then tries to claim once more; and if who gives a place back calls
/// [`Gate::release`], then [`is_any`](Self::is_any), then looks into the queue: at least one
/// of the two sees the other.
#[derive(Debug)]
pub(crate) struct Waiters(AtomicU64);

impl Gate {
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self {
            word: AtomicU64::new(0),
            limit: AtomicU64::new(word_of(limit)),
        }
    }

    /// Holds for new claims; places that are taken stay so.
    pub(crate) fn set_limit(&self, limit: Option<u32>) {
        self.limit.store(word_of(limit), Ordering::Relaxed);
    }

    /// Takes a place, unless the gate drains or is full. Each is to be released once.
    pub(crate) fn claim(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        // A draining word is above every limit.
        let claimed = |word| (word < limit).then_some(word + 1);
        let word = &self.word;
        word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, claimed)
            .is_ok()
    }

    /// Gives a place back; true if that was the last one of a draining gate.
    pub(crate) fn release(&self) -> bool {
        self.word.fetch_sub(1, Ordering::AcqRel) == DRAINING | 1
    }

    /// Whether a claim would find a place now.
    pub(crate) fn has_room(&self) -> bool {
        self.word.load(Ordering::Relaxed) < self.limit.load(Ordering::Relaxed)
    }

    /// From now on no claim succeeds. Does not end.
    pub(crate) fn drain(&self) {
        self.word.fetch_or(DRAINING, Ordering::AcqRel);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.word.load(Ordering::Acquire) & DRAINING != 0
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.word.load(Ordering::Acquire) & !DRAINING
    }
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Someone is going to wait. Comes before it is in the queue and claims once more.
    pub(crate) fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        // Pairs with that of `is_any`: of two threads that each write one word and then read
        // the other's, one sees the other's write.
        fence(Ordering::SeqCst);
    }

    /// It waits no more: it was served, or gave up.
    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether someone waits, for who has just given a place back.
    pub(crate) fn is_any(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) > 0
    }
}

fn word_of(limit: Option<u32>) -> u64 {
    limit.map_or(UNLIMITED, u64::from)
}
