//! CPU of instances over time, from counters: a missed scrape costs nothing but resolution.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use minicloud_agent_api::{Sample, container_id, names};
use tokio::time::Instant;

/// Data older than this is missing data: five pushes of an agent that samples each second
/// and is read each second may be lost before anyone concludes anything.
pub const STALE_AFTER: Duration = Duration::from_secs(10);

/// How long points are kept: `pace: aws` looks back one 60 s period.
const KEPT: Duration = Duration::from_secs(150);

/// Upper bound of points per instance, should an agent sample faster than it is told to.
const MAX_POINTS: usize = 1024;

/// One agent's answer, keyed by what the provider calls the instances.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    readings: BTreeMap<String, Reading>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Reading {
    /// cgroup path, to tell a nested cgroup (already counted in its parent) from a neighbour.
    path: String,
    cpu_seconds: Option<f64>,
    read_at_ms: i64,
    quota: Option<f64>,
    period: Option<f64>,
}

impl Scrape {
    pub fn from_samples(samples: Vec<Sample>) -> Self {
        let mut readings = BTreeMap::<String, Reading>::new();
        for sample in samples {
            let Some(path) = sample.labels.get(names::ID) else {
                continue;
            };
            let key = match container_id(path) {
                Some(id) => id,
                None => match path.strip_prefix("/process/") {
                    Some(id) => id,
                    None => continue,
                },
            };
            let reading = readings.entry(key.to_owned()).or_default();
            match sample.name.as_str() {
                names::CONTAINER_CPU_USAGE_SECONDS_TOTAL => {
                    reading.path.clone_from(path);
                    reading.cpu_seconds = Some(sample.value).filter(|value| value.is_finite());
                    reading.read_at_ms = sample.timestamp.unwrap_or_default();
                }
                names::CONTAINER_SPEC_CPU_QUOTA => reading.quota = Some(sample.value),
                names::CONTAINER_SPEC_CPU_PERIOD => reading.period = Some(sample.value),
                _ => {}
            }
        }
        Self { readings }
    }

    /// CPU quota in cores, where the kernel enforces one.
    fn quota_cores(&self, metric_id: &str) -> Option<f64> {
        let reading = self.readings.get(metric_id)?;
        let cores = reading.quota? / reading.period?;
        (cores.is_finite() && cores > 0.0).then_some(cores)
    }
}

/// CPU time that one instance has used, and when: the sum over its own cgroup or process
/// tree and over what counts to it.
#[derive(Clone, Debug, Default)]
pub struct CpuHistory {
    sources: BTreeMap<String, f64>,
    total_seconds: f64,
    points: VecDeque<Point>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    /// When the autoscaler learned of it.
    at: Instant,
    /// When the agent read it, on the agent's own clock: rates divide by this one.
    read_at_ms: i64,
    total_seconds: f64,
    cores: f64,
}

/// A mean and how much time it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Percent of the quota, 0 to 100.
    pub percent: f64,
    pub span: Duration,
}

impl CpuHistory {
    /// Takes in what `scrape` says of the instance called `metric_ids` (its own first).
    /// `quota_cores` serves where the agent sees none. A scrape that repeats the reading
    /// before it adds nothing, so a hung agent goes stale.
    pub fn record(
        &mut self,
        scrape: &Scrape,
        metric_ids: &[String],
        quota_cores: f64,
        now: Instant,
    ) {
        let Some(own) = metric_ids.first().and_then(|id| scrape.readings.get(id)) else {
            return;
        };
        if own.cpu_seconds.is_none()
            || self
                .points
                .back()
                .is_some_and(|last| last.read_at_ms >= own.read_at_ms)
        {
            return;
        }
        for id in metric_ids {
            let Some(reading) = scrape.readings.get(id) else {
                continue;
            };
            let nested =
                reading.path != own.path && reading.path.starts_with(&format!("{}/", own.path));
            if let (Some(seconds), false) = (reading.cpu_seconds, nested) {
                let before = self.sources.insert(id.clone(), seconds).unwrap_or(seconds);
                self.total_seconds += (seconds - before).max(0.0);
            }
        }
        self.sources.retain(|id, _| metric_ids.contains(id));
        let cores = scrape.quota_cores(&metric_ids[0]).unwrap_or(quota_cores);
        self.push(Point {
            at: now,
            read_at_ms: own.read_at_ms,
            total_seconds: self.total_seconds,
            cores,
        });
    }

    fn push(&mut self, point: Point) {
        // After a gap (a silent agent, a sleeping machine) the past says nothing of the present.
        if self
            .points
            .back()
            .is_some_and(|last| point.at - last.at > STALE_AFTER)
        {
            self.points.clear();
        }
        self.points.push_back(point);
        while self.points.len() > MAX_POINTS
            || self
                .points
                .front()
                .is_some_and(|first| point.at - first.at > KEPT)
        {
            self.points.pop_front();
        }
    }

    /// Mean use over the last `window`, leaving out what was before `since`. `None` without
    /// fresh data or with less than two points.
    pub fn mean(&self, now: Instant, window: Duration, since: Option<Instant>) -> Option<Mean> {
        let last = self
            .points
            .back()
            .filter(|last| now - last.at <= STALE_AFTER)?;
        let window_start = now.checked_sub(window);
        let usable = |point: &&Point| since.is_none_or(|since| point.at >= since);
        // The newest point that still covers the window, else the oldest there is.
        let mut first = None;
        for point in self.points.iter().filter(usable) {
            if first.is_some() && window_start.is_some_and(|start| point.at > start) {
                break;
            }
            first = Some(point);
        }
        let first = first?;
        let elapsed_ms = u64::try_from(last.read_at_ms - first.read_at_ms)
            .ok()
            .filter(|ms| *ms > 0)?;
        let span = Duration::from_millis(elapsed_ms);
        let cores_used = (last.total_seconds - first.total_seconds) / span.as_secs_f64();
        Some(Mean {
            percent: (100.0 * cores_used / last.cores).clamp(0.0, 100.0),
            span,
        })
    }

    /// When data last arrived.
    pub fn last_seen(&self) -> Option<Instant> {
        self.points.back().map(|point| point.at)
    }
}
