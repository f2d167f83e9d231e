use std::{collections::HashMap, time::Duration};

/// How many samples a source may be away and still go on where it was: a container that is
/// restarted has a new cgroup under its old path.
const MEMORY_SAMPLES: u64 = 60;

/// Keeps counters from falling when their source begins again at zero.
#[derive(Debug, Default)]
pub(crate) struct Monotonic {
    counters: HashMap<String, Counter>,
    sample: u64,
}

#[derive(Debug)]
struct Counter {
    /// What earlier lives of the source had counted.
    base: Duration,
    last: Duration,
    seen: u64,
}

impl Monotonic {
    /// Opens a sample and forgets the sources that have been away for too long.
    pub(crate) fn begin_sample(&mut self) {
        self.sample += 1;
        let sample = self.sample;
        self.counters
            .retain(|_, counter| sample - counter.seen <= MEMORY_SAMPLES);
    }

    /// The counter of the source `id`, whose file says `raw`.
    pub(crate) fn advance(&mut self, id: &str, raw: Duration) -> Duration {
        let counter = self
            .counters
            .entry(id.to_owned())
            .or_insert_with(|| Counter::new(raw));
        if raw < counter.last {
            counter.base = counter.base.saturating_add(counter.last);
        }
        counter.last = raw;
        counter.seen = self.sample;
        counter.base.saturating_add(raw)
    }
}

impl Counter {
    fn new(raw: Duration) -> Self {
        Self {
            base: Duration::ZERO,
            last: raw,
            seen: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_restart_does_not_make_the_counter_fall() {
        let mut counters = Monotonic::default();
        let mut totals = Vec::new();
        for raw in [5, 7, 7, 1, 3, 0] {
            counters.begin_sample();
            totals.push(counters.advance("a", seconds(raw)).as_secs());
        }
        assert_eq!(totals, [5, 7, 7, 8, 10, 10]);
    }

    #[test]
    fn a_source_long_gone_begins_anew() {
        let mut counters = Monotonic::default();
        counters.begin_sample();
        counters.advance("a", seconds(9));
        for _ in 0..MEMORY_SAMPLES {
            counters.begin_sample();
        }
        assert_eq!(counters.advance("a", seconds(1)), seconds(10));
        for _ in 0..=MEMORY_SAMPLES {
            counters.begin_sample();
        }
        assert_eq!(counters.advance("a", seconds(1)), seconds(1));
    }
}
