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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(budget_percent: u32, min_per_second: u32) -> Retry {
        Retry {
            budget_percent,
            min_per_second,
            ..Retry::default()
        }
    }

    fn withdrawn(budget: &Budget, limits: &Retry, now: Instant) -> usize {
        (0..10_000)
            .take_while(|_| budget.withdraw(limits, now))
            .count()
    }

    #[test]
    fn retries_are_a_part_of_requests() {
        let now = Instant::now();
        let budget = Budget::new(now);
        (0..1000).for_each(|_| budget.deposit(now));
        assert_eq!(withdrawn(&budget, &limits(20, 3), now), 200);
    }

    #[test]
    fn some_retries_a_second_are_always_there() {
        let start = Instant::now();
        let budget = Budget::new(start);
        for second in 0..30 {
            let now = start + SECOND * second;
            assert_eq!(withdrawn(&budget, &limits(20, 3), now), 3, "{second}");
        }
    }

    #[test]
    fn requests_count_for_ten_seconds() {
        let start = Instant::now();
        let budget = Budget::new(start);
        (0..100).for_each(|_| budget.deposit(start));
        assert_eq!(withdrawn(&budget, &limits(10, 0), start + SECOND * 9), 10);
        assert_eq!(withdrawn(&budget, &limits(10, 0), start + SECOND * 10), 0);
    }

    #[test]
    fn without_percent_and_minimum_there_is_none() {
        let now = Instant::now();
        let budget = Budget::new(now);
        (0..1000).for_each(|_| budget.deposit(now));
        assert_eq!(withdrawn(&budget, &limits(0, 0), now), 0);
    }

    #[test]
    fn threads_share_one_budget_exactly() {
        let now = Instant::now();
        let budget = Budget::new(now);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| budget.deposit(now)));
            }
        });
        let limits = limits(20, 0);
        let threads = || {
            std::thread::scope(|scope| {
                let each: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| withdrawn(&budget, &limits, now)))
                    .collect();
                each.into_iter()
                    .map(|thread| thread.join().unwrap())
                    .sum::<usize>()
            })
        };
        assert_eq!(threads(), 400);
    }

    proptest! {
        /// Against a list of all that happened.
        #[test]
        fn budget_is_never_exceeded(
            steps in prop::collection::vec((0_u64..1500, 0_usize..20, 0_usize..8), 1..80),
            percent in 0_u32..120,
            minimum in 0_u32..4,
        ) {
            let start = Instant::now();
            let budget = Budget::new(start);
            let limits = limits(percent, minimum);
            let mut millis = 0;
            let (mut requests, mut retries) = (Vec::new(), Vec::new());
            for (gap, deposits, wanted) in steps {
                millis += gap;
                let now = start + Duration::from_millis(millis);
                let second = millis / 1000;
                for _ in 0..deposits {
                    budget.deposit(now);
                    requests.push(second);
                }
                for _ in 0..wanted {
                    let recent = |seconds: &[u64]| seconds.iter().filter(|&&s| s + 10 > second).count();
                    let this_second = retries.iter().filter(|&&s| s == second).count();
                    let may = this_second < minimum as usize
                        || recent(&retries) < recent(&requests) * percent as usize / 100;
                    prop_assert_eq!(budget.withdraw(&limits, now), may);
                    retries.extend(may.then_some(second));
                }
            }
        }

        #[test]
        fn slot_comes_back(second in 1_u64..1 << SECOND_BITS, requests in 0_u64..1 << REQUEST_BITS, retries in 0_u64..1 << RETRY_BITS) {
            let slot = Slot { second, requests, retries };
            prop_assert_eq!(Slot::unpack(slot.pack()), slot);
        }
    }
}
