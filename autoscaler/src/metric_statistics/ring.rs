use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;
use minicloud_lb_api::RequestStatistics;
use tokio::time::Instant;

use super::datapoint::{Datapoint, RequestDatapoint};

/// A group's datapoints of one period, as far back as they are kept.
#[derive(Debug)]
pub(super) struct Ring {
    period: Duration,
    kept: usize,
    datapoints: VecDeque<Arc<Datapoint>>,
    /// When the newest was added.
    added_at: Option<Instant>,
    /// As they were last known.
    counted: Option<Counted>,
}

/// What requests had counted when the balancer reported it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) at: Instant,
    pub(super) requests: RequestStatistics,
}

impl Ring {
    pub(super) fn new(period: Duration, reach: Duration) -> Self {
        let kept = reach.as_secs() / period.as_secs();
        Self {
            period,
            kept: usize::try_from(kept).unwrap_or(usize::MAX),
            datapoints: VecDeque::new(),
            added_at: None,
            counted: None,
        }
    }

    pub(super) fn period(&self) -> Duration {
        self.period
    }

    /// A datapoint is to be added. Looks come a little early or late, never by half a period.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let since = self.added_at.map(|at| now - at);
        since.is_none_or(|since| since * 2 > self.period * 2 - super::TICK)
    }

    /// Adds `datapoint`, with what became of requests between the last two reports. Looks and
    /// reports keep no step: a look that finds no newer report repeats what the last one said.
    pub(super) fn add(&mut self, mut datapoint: Datapoint, counted: Option<Counted>, now: Instant) {
        datapoint.requests = match (self.counted, counted) {
            (Some(before), Some(counted)) if counted.at == before.at => {
                self.datapoints.back().and_then(|last| last.requests)
            }
            (Some(before), Some(counted)) => {
                let added = counted.requests.since(&before.requests);
                added.map(|added| RequestDatapoint::new(&added, counted.at - before.at))
            }
            _ => None,
        };
        self.counted = counted;
        self.added_at = Some(now);
        if self.datapoints.len() >= self.kept {
            self.datapoints.pop_front();
        }
        self.datapoints.push_back(Arc::new(datapoint));
    }

    pub(super) fn latest(&self) -> Option<Arc<Datapoint>> {
        self.datapoints.back().cloned()
    }

    /// Those of after `start`, oldest first.
    pub(super) fn after(&self, start: Option<Timestamp>) -> Vec<Arc<Datapoint>> {
        let is_before =
            |point: &Arc<Datapoint>| start.is_some_and(|start| point.timestamp <= start);
        let first = self.datapoints.partition_point(is_before);
        self.datapoints.range(first..).cloned().collect()
    }
}
