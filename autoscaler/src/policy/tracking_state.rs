use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// A recommendation speaks for at most this much time after it: a gap in the passes is a
/// gap in the evidence.
const SPEAKS_FOR: Duration = Duration::from_secs(5);

/// What a target-tracking policy remembers between passes.
#[derive(Clone, Debug, Default)]
pub struct TrackingState {
    /// `pace: fast`: instances needed, by pass; `None` where data was missing.
    recommendations: VecDeque<(Instant, Option<u32>)>,
    /// `pace: aws`: the group's mean by period; `None` where data was missing.
    pub(super) datapoints: VecDeque<Option<f64>>,
    pub(super) period_start: Option<Instant>,
    last_scale_in: Option<Instant>,
    last_scale_out: Option<Instant>,
}

impl TrackingState {
    /// Notes that the group was resized, by this policy or by hand.
    pub fn record_scaling(&mut self, before: u32, after: u32, now: Instant) {
        if after < before {
            self.last_scale_in = Some(now);
        } else if after > before {
            self.last_scale_out = Some(now);
        }
    }

    pub(super) fn since_scale_in(&self, now: Instant) -> Option<Duration> {
        self.last_scale_in.map(|at| now - at)
    }

    pub(super) fn since_scaling(&self, now: Instant) -> Option<Duration> {
        self.last_scale_in
            .max(self.last_scale_out)
            .map(|at| now - at)
    }

    pub(super) fn recommend(&mut self, now: Instant, instances: Option<u32>, window: Duration) {
        self.recommendations.push_back((now, instances));
        // One entry older than the window stays: it shows that the window is covered.
        while self
            .recommendations
            .get(1)
            .is_some_and(|(at, _)| now - *at >= window)
        {
            self.recommendations.pop_front();
        }
    }

    /// The highest recommendation of the last `window`, and the part of it that
    /// recommendations speak for (0 to 1).
    pub(super) fn highest(&self, now: Instant, window: Duration) -> (Option<u32>, f64) {
        let ends = self
            .recommendations
            .iter()
            .skip(1)
            .map(|(at, _)| *at)
            .chain([now]);
        let mut highest = None;
        let mut covered = Duration::ZERO;
        for ((start, instances), end) in self.recommendations.iter().zip(ends) {
            let in_window = (*start).max(now.checked_sub(window).unwrap_or(*start));
            if instances.is_some() {
                covered += end.saturating_duration_since(in_window).min(SPEAKS_FOR);
            }
            highest = highest.max(*instances);
        }
        (highest, covered.as_secs_f64() / window.as_secs_f64())
    }
}
