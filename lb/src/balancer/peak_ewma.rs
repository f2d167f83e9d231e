//! How long a target takes to its first byte, as told by its answers: one that is slower than
//! expected counts whole, quicker ones bring the estimate down over seconds.

use std::time::Duration;

use tokio::time::Instant;

use super::stamped::Stamped;

/// In this time an estimate loses all but 1/e of what is not confirmed. Short, so that a
/// target that was slow once - its first request - is tried again within seconds: at half a
/// second instead of 10 ms, after 8 s.
const DECAY: Duration = Duration::from_secs(2);
/// What a failure counts as: one that refuses in a millisecond must not look quick.
const FAILURE: Duration = Duration::from_secs(1);

/// Peak-sensitive exponentially weighted moving average of latencies, for all threads.
#[derive(Debug)]
pub(crate) struct PeakEwma {
    answers: Stamped,
    /// Apart, as they say nothing of how long an answer takes.
    failures: Stamped,
}

impl PeakEwma {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            answers: Stamped::new(epoch),
            failures: Stamped::new(epoch),
        }
    }

    /// Takes in the time to an answer's first byte.
    pub(crate) fn observe(&self, latency: Duration, now: Instant) {
        let latency = latency.as_secs_f64();
        self.answers.update(now, |before| updated(before, latency));
    }

    /// Takes in a request that had no answer, or no good one, after `waited`.
    pub(crate) fn observe_failure(&self, waited: Duration, now: Instant) {
        let cost = waited.max(FAILURE).as_secs_f64();
        self.failures.update(now, |before| updated(before, cost));
    }

    /// Seconds to expect, the cost of failures included; falls with time, so that a target is
    /// tried again.
    pub(crate) fn expected(&self, now: Instant) -> Option<f64> {
        let faded = |stamped: &Stamped| stamped.load(now).map(|(value, age)| value * kept(age));
        match (faded(&self.answers), faded(&self.failures)) {
            (Some(answers), Some(failures)) => Some(answers.max(failures)),
            (only, None) | (None, only) => only,
        }
    }

    /// The time to an answer's first byte, as the last one left it.
    pub(crate) fn usual(&self, now: Instant) -> Option<Duration> {
        let (value, _) = self.answers.load(now)?;
        Some(Duration::from_secs_f64(value))
    }
}

/// The estimate after `latency`, from the one before and its age. It starts from what was
/// expected by then, so that a peak of long ago is over with the first good answer.
fn updated(before: Option<(f64, Duration)>, latency: f64) -> f64 {
    let Some((value, age)) = before else {
        return latency;
    };
    let kept = kept(age);
    let expected = value * kept;
    match latency < expected {
        true => expected * kept + latency * (1.0 - kept),
        false => latency,
    }
}

fn kept(age: Duration) -> f64 {
    (-age.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn first_answer_and_peaks_count_whole() {
        assert_eq!(updated(None, 0.2), 0.2);
        assert_eq!(updated(Some((0.2, MS)), 0.5), 0.5);
    }

    #[test]
    fn quicker_answer_counts_by_the_time_since() {
        assert_eq!(updated(Some((0.8, Duration::ZERO)), 0.1), 0.8);
        let after_a_while = updated(Some((0.8, DECAY / 2)), 0.1);
        assert!((after_a_while - 0.334).abs() < 0.001, "{after_a_while}");
        assert_eq!(updated(Some((0.8, DECAY * 5)), 0.1), 0.1);
    }

    #[test]
    fn expectation_falls_while_nothing_is_heard() {
        let now = Instant::now();
        let ewma = PeakEwma::new(now);
        assert_eq!(ewma.expected(now), None);
        ewma.observe(500 * MS, now);
        let expected = |after| ewma.expected(now + after).unwrap();
        assert!((expected(Duration::ZERO) - 0.5).abs() < 1e-6);
        assert!(expected(Duration::from_secs(8)) < 0.01);
        let usual = ewma.usual(now + Duration::from_secs(8)).unwrap();
        assert_eq!(usual.as_millis(), 500);
    }

    #[test]
    fn quick_refusal_is_not_quick() {
        let now = Instant::now();
        let ewma = PeakEwma::new(now);
        ewma.observe(5 * MS, now);
        ewma.observe_failure(MS, now);
        assert!(ewma.expected(now).unwrap() >= 1.0);
        assert_eq!(
            ewma.usual(now).unwrap().as_millis(),
            5,
            "no answer is usual"
        );
        let later = now + Duration::from_secs(20);
        ewma.observe(5 * MS, later);
        assert!(ewma.expected(later).unwrap() < 0.006);
    }

    #[test]
    fn threads_lose_no_peak() {
        let now = Instant::now();
        let ewma = PeakEwma::new(now);
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let ewma = &ewma;
                scope.spawn(move || (1..=100).for_each(|nth| ewma.observe(MS * thread * nth, now)));
            }
        });
        assert!((ewma.expected(now).unwrap() - 0.4).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn estimate_is_between_answer_and_expectation(
            value in 0.0_f64..10.0,
            sample in 0.0_f64..10.0,
            age in 0_u64..100_000,
        ) {
            let after = updated(Some((value, MS * age as u32)), sample);
            let expected = value * kept(MS * age as u32);
            prop_assert!(after >= sample);
            prop_assert!(after <= expected.max(sample) * (1.0 + 1e-9));
        }
    }
}
