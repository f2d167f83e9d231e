use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use minicloud_lb_api::Retry;
use tokio::time::Instant;

/// Seconds that count.
const WINDOW: u64 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// Bits of a slot's word: which second, requests in it, retries in it. Requests stop counting
/// at 16 million a second, retries are refused at 65 thousand.
const SECOND_BITS: u32 = 24;
const REQUEST_BITS: u32 = 24;
const RETRY_BITS: u32 = 16;

/// The retries and hedges of one target group, over all its targets and for all workers: at
/// most [`Retry::budget_percent`] of the requests of the last 10 s, and in any second
/// [`Retry::min_per_second`] whatever the requests.
///
/// One word a second, so that a request costs one atomic addition and a retry, which is rare,
/// a look at ten. Exact as long as the callers' clocks agree on the second; where they do
/// not, off by what is asked for at once.
#[derive(Debug)]
pub(crate) struct Budget {
    epoch: Instant,
    slots: [AtomicU64; WINDOW as usize],
}

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    second: u64,
    requests: u64,
    retries: u64,
}

impl Budget {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            slots: Default::default(),
        }
    }

    /// A request came: the budget grows.
    pub(crate) fn deposit(&self, now: Instant) {
        self.change(now, |slot| {
            slot.requests = (slot.requests + 1).min(max(REQUEST_BITS));
            true
        });
    }

    /// Takes one retry or hedge out of the budget, if that leaves enough.
    pub(crate) fn withdraw(&self, limits: &Retry, now: Instant) -> bool {
        let minimum = u64::from(limits.min_per_second);
        let percent = u64::from(limits.budget_percent);
        self.change(now, |slot| {
            let (requests, retries) = self.others(slot.second);
            let earned = (requests + slot.requests) * percent / 100;
            let may = slot.retries < minimum || retries + slot.retries < earned;
            let fits = slot.retries < max(RETRY_BITS);
            slot.retries += u64::from(may && fits);
            may && fits
        })
    }

    /// Changes the slot of `now`; what `change` answers, unless it leaves the slot as it is.
    fn change(&self, now: Instant, change: impl Fn(&mut Slot) -> bool) -> bool {
        let second = self.second(now);
        let word = &self.slots[(second % WINDOW) as usize];
        let changed = |word| {
            let mut slot = Slot::unpack(word).at(second);
            change(&mut slot).then(|| slot.pack())
        };
        word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed)
            .is_ok()
    }

    /// Requests and retries of the window's other seconds.
    fn others(&self, second: u64) -> (u64, u64) {
        let slots = self.slots.iter();
        let slots = slots.map(|word| Slot::unpack(word.load(Ordering::Relaxed)));
        let recent = slots.filter(|slot| slot.second != second && slot.is_within(second));
        recent.fold((0, 0), |(requests, retries), slot| {
            (requests + slot.requests, retries + slot.retries)
        })
    }

    /// Never 0, which is the second of a slot without one.
    fn second(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch);
        1 + (since.as_secs() / SECOND.as_secs()) % max(SECOND_BITS)
    }
}

impl Slot {
    /// This slot if it is of `second`, else an empty one.
    fn at(self, second: u64) -> Self {
        match self.second == second {
            true => self,
            false => Self {
                second,
                ..Self::default()
            },
        }
    }

    fn is_within(self, second: u64) -> bool {
        self.second != 0 && self.second + WINDOW > second && self.second < second + WINDOW
    }

    fn pack(self) -> u64 {
        self.second << (REQUEST_BITS + RETRY_BITS) | self.requests << RETRY_BITS | self.retries
    }

    fn unpack(word: u64) -> Self {
        Self {
            second: word >> (REQUEST_BITS + RETRY_BITS),
            requests: word >> RETRY_BITS & max(REQUEST_BITS),
            retries: word & max(RETRY_BITS),
        }
    }
}

fn max(bits: u32) -> u64 {
    (1 << bits) - 1
}
