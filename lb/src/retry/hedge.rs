//! A second request to another target when the first is late.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Below, a hedge would cost more than it gains; above, a client has noticed anyway.
const EARLIEST: Duration = Duration::from_millis(20);
const LATEST: Duration = Duration::from_secs(1);
/// Answers without which there is no telling what is late.
const ENOUGH: u64 = 100;
/// Of those in time, in hundredths: one request in twenty is late.
const IN_TIME: u64 = 95;
/// A target that is less idle than this gets no second requests.
const LEAST_HEADROOM: f64 = 0.25;

/// Buckets to a doubling, so that a bucket is an eighth wide at most.
const STEPS_BITS: u32 = 3;
const STEPS: u64 = 1 << STEPS_BITS;
/// The first bucket ends at 2^9 us, half a millisecond; the last but one at 2^20 us.
const FIRST_BITS: u32 = 9;
const LAST_BITS: u32 = 20;
const BUCKETS: usize = ((LAST_BITS - FIRST_BITS) as usize) * STEPS as usize + 2;

/// Times to the first byte of a group's answers, and what follows from them. Threads
/// [`observe`](Self::observe), one task calls [`refresh`](Self::refresh) every second or so.
#[derive(Debug)]
pub(crate) struct Lateness {
    counts: [AtomicU64; BUCKETS],
    /// Microseconds; 0 for no hedge.
    late_after: AtomicU64,
}

impl Lateness {
    pub(crate) fn new() -> Self {
        Self {
            counts: array::from_fn(|_| AtomicU64::new(0)),
            late_after: AtomicU64::new(0),
        }
    }

    pub(crate) fn observe(&self, latency: Duration) {
        self.counts[bucket(latency)].fetch_add(1, Ordering::Relaxed);
    }

    /// Judges anew what is late, and lets old answers count half.
    pub(crate) fn refresh(&self) {
        let counts = array::from_fn(|index| self.counts[index].load(Ordering::Relaxed));
        let late_after = hedge_after(&counts).map_or(0, |after| after.as_micros() as u64);
        self.late_after.store(late_after, Ordering::Relaxed);
        if counts.iter().sum::<u64>() > 20 * ENOUGH {
            for (count, seen) in self.counts.iter().zip(counts) {
                count.fetch_sub(seen / 2, Ordering::Relaxed);
            }
        }
    }

    /// How long to wait for an answer's first byte before another target is asked too.
    pub(crate) fn late_after(&self) -> Option<Duration> {
        let micros = self.late_after.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }
}

/// About what 95 of 100 answers came within, 20 ms to 1 s; none if there are too few.
fn hedge_after(counts: &[u64; BUCKETS]) -> Option<Duration> {
    let total: u64 = counts.iter().sum();
    if total < ENOUGH {
        return None;
    }
    let mut in_time = 0;
    let last = counts.iter().position(|count| {
        in_time += count;
        in_time * 100 >= total * IN_TIME
    });
    Some(last.map_or(LATEST, end_of).clamp(EARLIEST, LATEST))
}

/// Whether a target may get a second request beside its own: it has no more to do than the
/// one that is late, half of its places are free, and CPU is left.
pub(crate) fn is_idle_enough(
    in_flight: u64,
    limit: Option<u32>,
    in_flight_of_late: u64,
    headroom: f64,
) -> bool {
    let has_places = limit.is_none_or(|limit| in_flight < u64::from(limit).div_ceil(2));
    in_flight <= in_flight_of_late && has_places && headroom >= LEAST_HEADROOM
}

fn bucket(latency: Duration) -> usize {
    let micros = latency.as_micros() as u64;
    let bits = micros.checked_ilog2().unwrap_or(0);
    if bits < FIRST_BITS {
        return 0;
    }
    let step = (micros >> (bits - STEPS_BITS)) & (STEPS - 1);
    let index = u64::from(bits - FIRST_BITS) * STEPS + step + 1;
    (index as usize).min(BUCKETS - 1)
}

/// The end of a bucket, which for the last is no end but what it starts with.
fn end_of(bucket: usize) -> Duration {
    let (doublings, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    let start = 1 << (u64::from(FIRST_BITS) + doublings);
    Duration::from_micros(start + start / STEPS * step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn late_after(latencies: impl IntoIterator<Item = Duration>) -> Option<Duration> {
        let lateness = Lateness::new();
        latencies
            .into_iter()
            .for_each(|latency| lateness.observe(latency));
        lateness.refresh();
        lateness.late_after()
    }

    #[test]
    fn few_answers_tell_nothing() {
        assert_eq!(late_after([]), None);
        assert_eq!(late_after([MS * 50; 99]), None);
        assert!(late_after([MS * 50; 100]).is_some());
    }

    #[test]
    fn late_is_beyond_95_of_100() {
        let mostly = |quick: usize| {
            let slow = 100 - quick;
            late_after([vec![MS * 50; quick], vec![MS * 400; slow]].concat()).unwrap()
        };
        assert!((MS * 50..MS * 57).contains(&mostly(96)), "{:?}", mostly(96));
        assert!(
            (MS * 400..MS * 450).contains(&mostly(94)),
            "{:?}",
            mostly(94)
        );
    }

    #[test]
    fn late_is_between_20_ms_and_a_second() {
        assert_eq!(late_after([MS / 10; 100]), Some(MS * 20));
        assert_eq!(late_after([MS * 60_000; 100]), Some(MS * 1000));
    }

    #[test]
    fn old_answers_are_forgotten() {
        let lateness = Lateness::new();
        (0..10_000).for_each(|_| lateness.observe(MS * 500));
        lateness.refresh();
        assert!(lateness.late_after() > Some(MS * 400));
        for _ in 0..10 {
            (0..1000).for_each(|_| lateness.observe(MS * 30));
            lateness.refresh();
        }
        assert!(
            lateness.late_after() < Some(MS * 40),
            "{:?}",
            lateness.late_after()
        );
    }

    #[test]
    fn second_target_must_be_idle_enough() {
        assert!(is_idle_enough(3, None, 3, 1.0));
        assert!(!is_idle_enough(4, None, 3, 1.0), "has more to do");
        assert!(
            !is_idle_enough(2, Some(4), 3, 1.0),
            "half of its places are taken"
        );
        assert!(is_idle_enough(1, Some(4), 3, 1.0));
        assert!(is_idle_enough(0, Some(1), 1, 1.0));
        assert!(!is_idle_enough(0, None, 3, 0.2), "has no CPU left");
    }

    proptest! {
        #[test]
        fn bucket_holds_its_latency(micros in 512_u64..1 << LAST_BITS) {
            let index = bucket(Duration::from_micros(micros));
            let end = end_of(index).as_micros() as u64;
            prop_assert!(micros < end);
            prop_assert!(end - micros <= micros / STEPS + 1, "{} {}", micros, end);
        }

        #[test]
        fn every_latency_has_a_bucket(nanos in any::<u64>()) {
            prop_assert!(bucket(Duration::from_nanos(nanos)) < BUCKETS);
        }
    }
}
