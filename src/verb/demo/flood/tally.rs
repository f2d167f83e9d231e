use std::{collections::BTreeMap, time::Duration};

/// Buckets grow by this factor: a quantile is at most so much off.
const GROWTH: f64 = 1.02;
/// The last bucket begins beyond an hour.
const BUCKETS: usize = 1112;

/// What has come of the requests so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Since the last [`Tally::turn`].
    lately: Latencies,
    whole: Latencies,
    answered: u64,
    failed: BTreeMap<String, u64>,
}

/// Counts by length of time: so many that no request need be kept.
#[derive(Clone, Debug)]
struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Tally {
    pub(super) fn answered(&mut self, after: Duration) {
        self.answered += 1;
        self.lately.add(after);
        self.whole.add(after);
    }

    /// `why` is one of few: a status, or what became of the connection.
    pub(super) fn failed(&mut self, why: String) {
        *self.failed.entry(why).or_default() += 1;
    }

    pub(super) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// What was answered since the last turn.
    pub(super) fn turn(&mut self) -> String {
        let lately = std::mem::take(&mut self.lately);
        lately.told()
    }

    /// All of it.
    pub(super) fn summary(&self) -> String {
        format!(
            "{} answered, {}; {}",
            self.answered,
            self.errors(),
            self.whole.told()
        )
    }

    pub(super) fn errors(&self) -> String {
        let kinds = self.failed.iter();
        let kinds: Vec<_> = kinds
            .map(|(why, count)| format!("{count} x {why}"))
            .collect();
        match self.failures() {
            0 => "0 errors".to_owned(),
            1 => format!("1 error ({})", kinds.join(", ")),
            count => format!("{count} errors ({})", kinds.join(", ")),
        }
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }
}

impl Latencies {
    fn add(&mut self, time: Duration) {
        let micros = time.as_secs_f64() * 1e6;
        // Not below 0, and cut off at the last bucket.
        let bucket = micros.max(1.0).log(GROWTH) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    /// Milliseconds below which that share of the times is; none without any.
    fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        let exponent = i32::try_from(bucket + 1).unwrap_or(i32::MAX);
        Some(GROWTH.powi(exponent) / 1e3)
    }

    fn told(&self) -> String {
        match (self.quantile(0.5), self.quantile(0.99)) {
            (Some(median), Some(tail)) => format!("p50 {median:.1} ms, p99 {tail:.1} ms"),
            _ => "no answers".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_two_percent_off_at_the_most() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        for millis in 1..=100 {
            latencies.add(Duration::from_millis(millis));
        }
        for (share, millis) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let told = latencies.quantile(share).unwrap();
            assert!((told / millis - 1.0).abs() <= 0.021, "{share}: {told}");
        }
        latencies.add(Duration::from_secs(86_400));
        assert!(latencies.quantile(1.0).unwrap() > 3.6e6);
    }

    #[test]
    fn turns_forget_and_the_summary_does_not() {
        let mut tally = Tally::default();
        tally.answered(Duration::from_millis(10));
        assert_eq!(tally.turn(), "p50 10.2 ms, p99 10.2 ms");
        assert_eq!(tally.turn(), "no answers");
        tally.failed("503".to_owned());
        tally.failed("503".to_owned());
        tally.failed("no connection".to_owned());
        assert_eq!(tally.failures(), 3);
        assert_eq!(
            tally.summary(),
            "1 answered, 3 errors (2 x 503, 1 x no connection); p50 10.2 ms, p99 10.2 ms"
        );
    }
}
