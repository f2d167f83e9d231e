use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// Of the clock that values are stamped with. 32 bits of them are five days.
const TICK: Duration = Duration::from_micros(100);
const TICKS_PER_SECOND: u64 = 10_000;
/// A stamp may be this far ahead of a reader's clock, as threads read theirs at different
/// times; further ahead it is a stamp of the last round.
const AHEAD: u32 = 10_000;

/// A positive number and when it was noted, in one word: no reader sees one without the
/// other, and threads need no lock.
#[derive(Debug)]
pub(super) struct Stamped {
    epoch: Instant,
    /// The number's bits, then ticks since the epoch; 0 for none.
    word: AtomicU64,
}

impl Stamped {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            word: AtomicU64::new(0),
        }
    }

    /// The number and its age.
    pub(super) fn load(&self, now: Instant) -> Option<(f64, Duration)> {
        unpack(self.word.load(Ordering::Relaxed), self.ticks(now))
    }

    /// Notes the number.
    pub(super) fn store(&self, value: f64, now: Instant) {
        let word = pack(value, self.ticks(now));
        self.word.store(word, Ordering::Relaxed);
    }

    /// Forgets the number.
    pub(super) fn clear(&self) {
        if self.word.load(Ordering::Relaxed) != 0 {
            self.word.store(0, Ordering::Relaxed);
        }
    }

    /// Notes what `change` makes of the number and its age.
    pub(super) fn update(&self, now: Instant, change: impl Fn(Option<(f64, Duration)>) -> f64) {
        let ticks = self.ticks(now);
        let changed = |word| Some(pack(change(unpack(word, ticks)), ticks));
        // Never fails, as there always is a new word.
        let _ = self
            .word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
    }

    fn ticks(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.epoch);
        let of_second = since.subsec_nanos() / TICK.subsec_nanos();
        (since.as_secs() * TICKS_PER_SECOND + u64::from(of_second)) as u32
    }
}

fn pack(value: f64, ticks: u32) -> u64 {
    let value = (value as f32).max(f32::MIN_POSITIVE);
    u64::from(value.to_bits()) << 32 | u64::from(ticks)
}

fn unpack(word: u64, now: u32) -> Option<(f64, Duration)> {
    let value = f32::from_bits((word >> 32) as u32);
    let age = now.wrapping_sub(word as u32);
    let age = if age > u32::MAX - AHEAD { 0 } else { age };
    (word != 0).then(|| (f64::from(value), TICK * age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_age_come_back() {
        let start = Instant::now();
        let stamped = Stamped::new(start);
        assert_eq!(stamped.load(start), None);
        stamped.update(start + Duration::from_secs(3), |before| {
            assert_eq!(before, None);
            0.25
        });
        let read = stamped.load(start + Duration::from_secs(5));
        assert_eq!(read, Some((0.25, Duration::from_secs(2))));
    }

    #[test]
    fn cleared_number_is_gone() {
        let start = Instant::now();
        let stamped = Stamped::new(start);
        stamped.store(1.0, start);
        stamped.clear();
        assert_eq!(stamped.load(start), None);
    }

    #[test]
    fn stamp_ahead_of_the_reader_is_of_now() {
        let start = Instant::now();
        let stamped = Stamped::new(start);
        stamped.store(1.0, start + Duration::from_millis(500));
        assert_eq!(stamped.load(start), Some((1.0, Duration::ZERO)));
    }

    #[test]
    fn days_do_not_make_a_number_fresh() {
        let start = Instant::now();
        let stamped = Stamped::new(start);
        stamped.store(1.0, start);
        for hours in [1, 24, 72, 110] {
            let age = Duration::from_secs(hours * 3600);
            assert_eq!(stamped.load(start + age), Some((1.0, age)));
        }
    }

    #[test]
    fn zero_is_a_number() {
        let start = Instant::now();
        let stamped = Stamped::new(start);
        stamped.store(0.0, start);
        assert!(stamped.load(start).is_some());
    }
}
