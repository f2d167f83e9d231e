use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use minicloud_autoscaler::metric_statistics::{
    Datapoint, GroupMetricStatistics, RequestDatapoint, Resolution,
};

/// A day of minutes; more is not asked for, and not kept of an answer that has more.
const MOST_POINTS: usize = 24 * 60;

/// How far back charts reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Window {
    #[default]
    QuarterHour,
    Day,
}

impl Window {
    pub(super) fn other(self) -> Self {
        match self {
            Self::QuarterHour => Self::Day,
            Self::Day => Self::QuarterHour,
        }
    }

    pub(super) fn resolution(self) -> Resolution {
        match self {
            Self::QuarterHour => Resolution::High,
            Self::Day => Resolution::Standard,
        }
    }

    pub(super) fn reach(self) -> Duration {
        self.resolution().reach()
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::QuarterHour => "15 min",
            Self::Day => "24 h",
        }
    }
}

/// What charts show of a [`Datapoint`]: its instances are left out, which may be many.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) timestamp: Timestamp,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) desired: u32,
    pub(super) in_service: u32,
    pub(super) cpu: Option<f64>,
    pub(super) in_flight: u64,
    pub(super) queue: u64,
    pub(super) requests: Option<RequestDatapoint>,
}

impl From<&Datapoint> for Point {
    fn from(point: &Datapoint) -> Self {
        Self {
            timestamp: point.timestamp,
            min: point.group_min_size,
            max: point.group_max_size,
            desired: point.group_desired_capacity,
            in_service: point.group_in_service_instances,
            cpu: point.cpu_utilization,
            in_flight: point.in_flight,
            queue: point.queue_length,
            requests: point.requests,
        }
    }
}

/// One group's points in one window, oldest first.
#[derive(Debug, Default)]
pub(super) struct Series {
    points: VecDeque<Point>,
    period: Duration,
}

impl Series {
    /// Adds what came after what is there.
    pub(super) fn add(&mut self, statistics: &GroupMetricStatistics, reach: Duration) {
        self.period = Duration::from_secs(statistics.period_seconds);
        for datapoint in &statistics.datapoints {
            if self.end().is_none_or(|end| datapoint.timestamp > end) {
                self.points.push_back(Point::from(datapoint.as_ref()));
            }
        }
        let Some(end) = self.end() else { return };
        let is_old = |point: &Point| end.duration_since(point.timestamp).unsigned_abs() > reach;
        let old = self.points.partition_point(is_old);
        let too_many = self.points.len().saturating_sub(MOST_POINTS);
        self.points.drain(..old.max(too_many));
    }

    /// The time of the newest point.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.points.back().map(|point| point.timestamp)
    }

    pub(super) fn latest(&self) -> Option<&Point> {
        self.points.back()
    }

    pub(super) fn points(&self) -> impl Iterator<Item = &Point> {
        self.points.iter()
    }

    /// Two points further apart than this have nothing between them.
    pub(super) fn longest_gap(&self) -> Duration {
        self.period * 5 / 2
    }
}
