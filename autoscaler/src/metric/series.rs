//! Figures over time, bounded: by age, and by a point each second at most.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::STALE_AFTER;

/// The longest window that anything looks back over, and some.
const KEPT: Duration = Duration::from_secs(75);
/// Sources that say more often than this say nothing new.
const RESOLUTION: Duration = Duration::from_millis(900);

#[derive(Clone, Debug, Default)]
struct Points(VecDeque<(Instant, f64)>);

impl Points {
    /// False: too soon after the last one, and left out.
    fn push(&mut self, at: Instant, value: f64) -> bool {
        if let Some((last, _)) = self.0.back() {
            let since = at.saturating_duration_since(*last);
            if since < RESOLUTION {
                return false;
            }
            // After a gap the past says nothing of the present.
            if since > STALE_AFTER {
                self.0.clear();
            }
        }
        self.0.push_back((at, value));
        while self.0.front().is_some_and(|(first, _)| at - *first > KEPT) {
            self.0.pop_front();
        }
        true
    }

    fn fresh(&self, now: Instant) -> Option<(Instant, f64)> {
        let last = self.0.back().copied();
        last.filter(|(at, _)| now.saturating_duration_since(*at) <= STALE_AFTER)
    }

    /// Where points that are younger than `window` and not before `since` begin.
    fn begin(&self, now: Instant, window: Duration, since: Option<Instant>) -> usize {
        let start = now.checked_sub(window).max(since);
        start.map_or(0, |start| self.0.partition_point(|(at, _)| *at < start))
    }
}

/// A counter: what counts is how fast it rises.
#[derive(Clone, Debug, Default)]
pub struct CounterSeries {
    points: Points,
    last: Option<f64>,
    /// The counter as if it had never begun anew.
    total: f64,
}

impl CounterSeries {
    /// Takes in a reading. One below the last is of a counter that began anew.
    pub fn record(&mut self, at: Instant, reading: f64) {
        if !reading.is_finite() || reading < 0.0 {
            return;
        }
        let risen = match self.last {
            Some(last) if reading >= last => reading - last,
            Some(_) => reading,
            None => 0.0,
        };
        let before = self.total;
        self.total += risen;
        match self.points.push(at, self.total) {
            true => self.last = Some(reading),
            false => self.total = before,
        }
    }

    /// Rise a second over the last `window`, leaving out what was before `since`, and the time
    /// that it stands for. `None` without fresh data or with less than two points.
    pub fn rate(
        &self,
        now: Instant,
        window: Duration,
        since: Option<Instant>,
    ) -> Option<(f64, Duration)> {
        let (end, last) = self.points.fresh(now)?;
        let begin = self.points.begin(now, window, since);
        let (start, first) = *self.points.0.get(begin)?;
        let span = end - start;
        (!span.is_zero()).then(|| ((last - first) / span.as_secs_f64(), span))
    }

    /// When data last arrived.
    pub fn last_seen(&self) -> Option<Instant> {
        self.points.0.back().map(|(at, _)| *at)
    }
}

/// A figure that is what it is at each moment.
#[derive(Clone, Debug, Default)]
pub struct GaugeSeries {
    points: Points,
}

/// What samples come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub sum: f64,
    pub count: u32,
    pub lowest: f64,
    pub highest: f64,
    /// From the first sample to now.
    pub span: Duration,
}

impl Spread {
    pub fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

impl GaugeSeries {
    /// A series of samples, in order: for whoever drives a policy on a clock of their own.
    pub fn from_points(points: impl IntoIterator<Item = (Instant, f64)>) -> Self {
        let mut series = Self::default();
        for (at, value) in points {
            series.record(at, value);
        }
        series
    }

    pub fn record(&mut self, at: Instant, value: f64) {
        if value.is_finite() {
            self.points.push(at, value);
        }
    }

    /// Samples of the last `window`; `None` without fresh data.
    pub fn spread(&self, now: Instant, window: Duration) -> Option<Spread> {
        self.points.fresh(now)?;
        let begin = self.points.begin(now, window, None);
        let samples = self.points.0.range(begin..);
        let (first, _) = *self.points.0.get(begin)?;
        let nothing = Spread {
            sum: 0.0,
            count: 0,
            lowest: f64::INFINITY,
            highest: f64::NEG_INFINITY,
            span: now.saturating_duration_since(first),
        };
        Some(samples.fold(nothing, |spread, (_, value)| Spread {
            sum: spread.sum + value,
            count: spread.count + 1,
            lowest: spread.lowest.min(*value),
            highest: spread.highest.max(*value),
            ..spread
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, second: u64) -> Instant {
        start + Duration::from_secs(second)
    }

    #[test]
    fn a_counter_that_begins_anew_goes_on_rising() {
        let (mut counter, start) = (CounterSeries::default(), Instant::now());
        // Ten a second, begun anew after twenty seconds.
        for second in 0..=40 {
            let reading = if second < 20 { second } else { second - 20 };
            counter.record(at(start, second), 10.0 * reading as f64);
        }
        let (rate, _) = counter
            .rate(at(start, 40), Duration::from_secs(10), None)
            .unwrap();
        assert!((rate - 10.0).abs() < 1e-9);
        let (rate, span) = counter
            .rate(at(start, 40), Duration::from_secs(40), None)
            .unwrap();
        // What it counted in the second in which it began anew is lost.
        assert!((rate - 9.75).abs() < 1e-9, "{rate}");
        assert_eq!(span, Duration::from_secs(40));
    }

    #[test]
    fn silence_is_no_figure() {
        let (mut counter, mut gauge) = (CounterSeries::default(), GaugeSeries::default());
        let start = Instant::now();
        for second in 0..10 {
            counter.record(at(start, second), 0.0);
            gauge.record(at(start, second), 3.0);
        }
        let window = Duration::from_secs(30);
        assert_eq!(
            counter.rate(at(start, 12), window, None).map(|rate| rate.0),
            Some(0.0)
        );
        assert_eq!(
            gauge.spread(at(start, 12), window).map(|s| s.mean()),
            Some(3.0)
        );
        assert_eq!(counter.rate(at(start, 30), window, None), None);
        assert_eq!(gauge.spread(at(start, 30), window), None);
    }

    #[test]
    fn memory_is_bounded_however_often_it_is_fed() {
        let (mut gauge, start) = (GaugeSeries::default(), Instant::now());
        for step in 0..100_000_u64 {
            gauge.record(start + Duration::from_millis(20 * step), step as f64);
        }
        assert!(
            gauge.points.0.len() <= 85,
            "{} points",
            gauge.points.0.len()
        );
    }
}
