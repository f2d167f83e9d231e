use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// A recommendation speaks for at most this much time after it: a gap in the passes is a
/// gap in the evidence.
const SPEAKS_FOR: Duration = Duration::from_secs(5);

/// Within this the higher of two recommendations holds for both.
const RESOLUTION: Duration = Duration::from_millis(900);

/// A time over which the need was the same.
#[derive(Clone, Copy, Debug)]
struct Recommendation {
    from: Instant,
    until: Instant,
    /// `None` where data was missing.
    instances: Option<u32>,
}

/// What a target-tracking policy remembers between passes.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct TrackingState {
    /// `pace: fast`: instances needed, the oldest first.
    recommendations: VecDeque<Recommendation>,
    last_scale_in: Option<Instant>,
    last_scale_out: Option<Instant>,
}

impl TrackingState {
    /// Notes that the group was resized, by this policy or by hand.
    pub(in crate::policy) fn record_scaling(&mut self, before: u32, after: u32, now: Instant) {
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

    /// Notes how many instances are needed now, `None` where data is missing.
    pub(super) fn recommend(&mut self, now: Instant, instances: Option<u32>, window: Duration) {
        if let Some(last) = self.recommendations.back_mut() {
            let until = now.min(last.until + SPEAKS_FOR);
            last.until = until;
            let young = now - last.from < RESOLUTION;
            if young && last.instances.is_some() && instances.is_some() {
                last.instances = last.instances.max(instances);
                return;
            }
            if last.instances == instances && until == now {
                return;
            }
        }
        self.recommendations.push_back(Recommendation {
            from: now,
            until: now,
            instances,
        });
        while self
            .recommendations
            .front()
            .is_some_and(|first| now - first.until >= window)
        {
            self.recommendations.pop_front();
        }
    }

    /// The highest recommendation of the last `window`, and the part of it that
    /// recommendations speak for (0 to 1).
    pub(super) fn highest(&self, now: Instant, window: Duration) -> (Option<u32>, f64) {
        let start = now.checked_sub(window);
        let mut highest = None;
        let mut covered = Duration::ZERO;
        for each in &self.recommendations {
            if start.is_some_and(|start| each.until < start) {
                continue;
            }
            if each.instances.is_some() {
                let from = start.map_or(each.from, |start| start.max(each.from));
                covered += each.until.saturating_duration_since(from);
            }
            highest = highest.max(each.instances);
        }
        (highest, covered.as_secs_f64() / window.as_secs_f64())
    }
}
