//! CPU of instances over time, from counters: a missed scrape costs nothing but resolution.

mod series;
mod signals;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use minicloud_agent_api::{Sample, container_id, names};
use tokio::time::Instant;

pub use self::{
    series::{CounterSeries, GaugeSeries, Spread},
    signals::{GroupSignals, InstanceSignals},
};

/// Data older than this is missing data: five pushes of an agent that samples each second
/// and is read each second may be lost before anyone concludes anything.
pub const STALE_AFTER: Duration = Duration::from_secs(10);

/// How long points are kept: `pace: aws` looks back one 60 s period.
const KEPT: Duration = Duration::from_secs(150);

/// A reading waits this long at most before we learn of it; beyond, a clock was set.
const CLOCKS_AGREE_WITHIN: Duration = Duration::from_secs(3);

/// Upper bound of points per instance, should an agent sample faster than it is told to.
const MAX_POINTS: usize = 1024;

/// One agent's answer, keyed by what the provider calls the instances.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    readings: HashMap<String, Reading>,
    /// Which agent it is of.
    pub source: String,
    pub host: Option<HostReading>,
}

/// The host's own counters, summed over its CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostReading {
    pub cores: f64,
    /// In all modes.
    pub total_cpu_seconds: f64,
    /// Idle, or waiting for disks.
    pub idle_cpu_seconds: f64,
    pub memory_available_bytes: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Reading {
    /// cgroup path, to tell a nested cgroup (already counted in its parent) from a neighbour.
    path: String,
    cpu_seconds: Option<f64>,
    read_at_ms: i64,
    quota: Option<f64>,
    period: Option<f64>,
    cfs_periods: Option<f64>,
    cfs_throttled_periods: Option<f64>,
    cpu_waiting_seconds: Option<f64>,
    network_receive_bytes: Option<f64>,
    network_transmit_bytes: Option<f64>,
}

/// A sum that may begin with nothing.
fn add(sum: &mut Option<f64>, value: f64) {
    *sum = Some(sum.unwrap_or_default() + value);
}

impl Scrape {
    pub fn from_samples(samples: Vec<Sample>) -> Self {
        let is_cpu = |sample: &&Sample| sample.name == names::CONTAINER_CPU_USAGE_SECONDS_TOTAL;
        let containers = samples.iter().filter(is_cpu).count();
        let mut readings = HashMap::<String, Reading>::with_capacity(containers);
        let host = HostReading::of(&samples);
        for sample in samples {
            let Some(path) = sample.label(names::ID) else {
                continue;
            };
            let key = match container_id(path) {
                Some(id) => id,
                None => match path.strip_prefix("/process/") {
                    Some(id) => id,
                    None => continue,
                },
            };
            let reading = match readings.get_mut(key) {
                Some(reading) => reading,
                None => readings.entry(key.to_owned()).or_default(),
            };
            match sample.name.as_str() {
                names::CONTAINER_CPU_USAGE_SECONDS_TOTAL => {
                    path.clone_into(&mut reading.path);
                    reading.cpu_seconds = Some(sample.value).filter(|value| value.is_finite());
                    reading.read_at_ms = sample.timestamp.unwrap_or_default();
                }
                names::CONTAINER_SPEC_CPU_QUOTA => reading.quota = Some(sample.value),
                names::CONTAINER_SPEC_CPU_PERIOD => reading.period = Some(sample.value),
                names::CONTAINER_CPU_CFS_PERIODS_TOTAL => {
                    reading.cfs_periods = Some(sample.value);
                }
                names::CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL => {
                    reading.cfs_throttled_periods = Some(sample.value);
                }
                names::CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL => {
                    reading.cpu_waiting_seconds = Some(sample.value);
                }
                // One line for each interface.
                names::CONTAINER_NETWORK_RECEIVE_BYTES_TOTAL => {
                    add(&mut reading.network_receive_bytes, sample.value);
                }
                names::CONTAINER_NETWORK_TRANSMIT_BYTES_TOTAL => {
                    add(&mut reading.network_transmit_bytes, sample.value);
                }
                _ => {}
            }
        }
        Self {
            readings,
            source: String::new(),
            host,
        }
    }
}

impl Reading {
    /// CPU quota in cores, where the kernel enforces one.
    fn quota_cores(&self) -> Option<f64> {
        let cores = self.quota? / self.period?;
        (cores.is_finite() && cores > 0.0).then_some(cores)
    }
}

impl HostReading {
    /// None where the agent does not tell of its host's CPUs.
    fn of(samples: &[Sample]) -> Option<Self> {
        let mut host = Self::default();
        let mut cpus = BTreeSet::new();
        for sample in samples.iter().filter(|sample| sample.value.is_finite()) {
            let label = |name| sample.label(name);
            match sample.name.as_str() {
                names::NODE_CPU_SECONDS_TOTAL => {
                    cpus.extend(label(names::CPU));
                    host.total_cpu_seconds += sample.value;
                    if matches!(label(names::MODE), Some("idle" | "iowait")) {
                        host.idle_cpu_seconds += sample.value;
                    }
                }
                names::NODE_MEMORY_MEMAVAILABLE_BYTES => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a cast from float saturates, and bytes are whole"
                    )]
                    let bytes = sample.value as u64;
                    host.memory_available_bytes = Some(bytes);
                }
                _ => {}
            }
        }
        host.cores = u32::try_from(cpus.len()).map_or(0.0, f64::from);
        (!cpus.is_empty()).then_some(host)
    }
}

/// CPU time that one instance has used, and when: the sum over its own cgroup or process
/// tree and over what counts to it.
#[derive(Clone, Debug, Default)]
pub struct CpuHistory {
    /// What each of them had used when it was last read: one, or few.
    sources: Vec<(String, f64)>,
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

/// Time between two readings: on the agent's clock, which knows when it read, unless that
/// clock was set in between.
fn span(first: &Point, last: &Point) -> Option<Duration> {
    let ours = last.at - first.at;
    let theirs = u64::try_from(last.read_at_ms - first.read_at_ms)
        .ok()
        .map(Duration::from_millis);
    let span = theirs
        .filter(|theirs| theirs.abs_diff(ours) <= CLOCKS_AGREE_WITHIN)
        .unwrap_or(ours);
    (!span.is_zero()).then_some(span)
}

/// A mean and how much time it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Percent of the quota, 0 to 100.
    pub percent: f64,
    pub span: Duration,
}

impl CpuHistory {
    /// A history of an instance that used so many percent of one core from the point before
    /// until each of `points`, which are in order: for whoever drives a policy on a clock of
    /// their own.
    pub fn from_points(points: impl IntoIterator<Item = (Instant, f64)>) -> Self {
        let mut history = Self::default();
        for (at, percent) in points {
            history.record_percent(at, percent);
        }
        history
    }

    /// Adds a point as [`from_points`](Self::from_points) does.
    pub fn record_percent(&mut self, at: Instant, percent: f64) {
        let last = self.points.back();
        let since = last.map_or(Duration::ZERO, |last| at - last.at);
        let read_at_ms = last.map_or(0, |last| last.read_at_ms)
            + i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        self.total_seconds += percent.clamp(0.0, 100.0) / 100.0 * since.as_secs_f64();
        self.push(Point {
            at,
            read_at_ms,
            total_seconds: self.total_seconds,
            cores: 1.0,
        });
    }

    /// Takes in what `scrape` says of the instance called `metric_ids` (its own first).
    /// `quota_cores` serves where the agent sees none. A scrape that repeats the reading
    /// before it adds nothing, so a hung agent goes stale. True where it added something.
    pub fn record(
        &mut self,
        scrape: &Scrape,
        metric_ids: &[String],
        quota_cores: f64,
        now: Instant,
    ) -> bool {
        let Some((own_id, others)) = metric_ids.split_first() else {
            return false;
        };
        let Some(own) = scrape.readings.get(own_id) else {
            return false;
        };
        if own.cpu_seconds.is_none()
            || self
                .points
                .back()
                .is_some_and(|last| last.read_at_ms == own.read_at_ms)
        {
            return false;
        }
        let others = others.iter().filter_map(|id| {
            let reading = scrape.readings.get(id)?;
            let below = reading.path.strip_prefix(&own.path);
            let nested = below.is_some_and(|rest| rest.starts_with('/'));
            (!nested).then_some((id, reading))
        });
        for (id, reading) in [(own_id, own)].into_iter().chain(others) {
            let Some(seconds) = reading.cpu_seconds else {
                continue;
            };
            match self.sources.iter_mut().find(|(source, _)| source == id) {
                Some((_, before)) => {
                    self.total_seconds += (seconds - *before).max(0.0);
                    *before = seconds;
                }
                None => self.sources.push((id.clone(), seconds)),
            }
        }
        self.sources.retain(|(id, _)| metric_ids.contains(id));
        let cores = own.quota_cores().unwrap_or(quota_cores);
        self.push(Point {
            at: now,
            read_at_ms: own.read_at_ms,
            total_seconds: self.total_seconds,
            cores,
        });
        true
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
        // The newest point that still covers the window, else the oldest there is.
        let usable = since.map_or(0, |since| self.count_until(|at| at < since));
        let covering = now
            .checked_sub(window)
            .map_or(0, |start| self.count_until(|at| at <= start));
        let first = self.points.get(covering.saturating_sub(1).max(usable))?;
        let span = span(first, last)?;
        let cores_used = (last.total_seconds - first.total_seconds) / span.as_secs_f64();
        Some(Mean {
            percent: (100.0 * cores_used / last.cores).clamp(0.0, 100.0),
            span,
        })
    }

    /// How many points are `early`, which those before an early one are too. Windows end now:
    /// from the newest point back, in steps that double, few are looked at.
    fn count_until(&self, early: impl Fn(Instant) -> bool) -> usize {
        let is_early = |index: usize| early(self.points[index].at);
        if self.points.is_empty() || !is_early(0) {
            return 0;
        }
        // The first is early; those from `end` on are not.
        let (mut end, mut step) = (self.points.len(), 1);
        while !is_early(end.saturating_sub(step)) {
            end -= step;
            step *= 2;
        }
        let mut begin = end.saturating_sub(step) + 1;
        while begin < end {
            let middle = begin.midpoint(end);
            match is_early(middle) {
                true => begin = middle + 1,
                false => end = middle,
            }
        }
        begin
    }

    /// Tells the newest reading from the one before it, by the agent's clock.
    pub fn last_reading(&self) -> Option<i64> {
        self.points.back().map(|point| point.read_at_ms)
    }

    /// When data last arrived.
    pub fn last_seen(&self) -> Option<Instant> {
        self.points.back().map(|point| point.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn scrape(lines: &str) -> Scrape {
        Scrape::from_samples(minicloud_agent_api::parse(lines).unwrap())
    }

    fn usage(path: &str, seconds: f64, millis: i64) -> String {
        format!("container_cpu_usage_seconds_total{{id=\"{path}\"}} {seconds} {millis}\n")
    }

    /// Records a second at a time, `cores` used in each, the agent's clock as `clock` has it.
    fn history(cores: f64, seconds: i64, clock: impl Fn(i64) -> i64) -> (CpuHistory, Instant) {
        let (mut history, start) = (CpuHistory::default(), Instant::now());
        let mut now = start;
        for second in 0..seconds {
            now = start + Duration::from_secs(second as u64);
            let text = usage("/process/i-0123abcd", cores * second as f64, clock(second));
            history.record(&scrape(&text), &["i-0123abcd".to_owned()], 0.5, now);
        }
        (history, now)
    }

    #[test]
    fn start_of_a_window_is_found_from_its_end() {
        let start = Instant::now();
        let at = |second: usize| start + Duration::from_secs(second as u64);
        for count in 0..70 {
            let history = CpuHistory::from_points((0..count).map(|second| (at(second), 50.0)));
            for early in 0..=count {
                assert_eq!(history.count_until(|point| point < at(early)), early);
            }
        }
    }

    #[test]
    fn host_is_the_sum_of_its_cpus() {
        let text = "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 10
node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 5
node_cpu_seconds_total{cpu=\"1\",mode=\"iowait\"} 2
node_cpu_seconds_total{cpu=\"1\",mode=\"steal\"} 3
node_memory_MemAvailable_bytes 1073741824
";
        let host = HostReading {
            cores: 2.0,
            total_cpu_seconds: 20.0,
            idle_cpu_seconds: 12.0,
            memory_available_bytes: Some(1 << 30),
        };
        assert_eq!(scrape(text).host, Some(host));
        assert_eq!(scrape("node_memory_MemAvailable_bytes 5\n").host, None);
    }

    #[test]
    fn use_is_a_share_of_the_quota_up_to_all_of_it() {
        let at = |cores| {
            let (history, now) = history(cores, 30, |second| 1000 * second);
            history.mean(now, MINUTE, None).unwrap().percent
        };
        assert!((at(0.1) - 20.0).abs() < 0.01);
        assert!((at(0.9) - 100.0).abs() < 0.01);
    }

    #[test]
    fn agents_clock_set_forward_or_back_costs_nothing() {
        for step in [-3_600_000, 3_600_000] {
            let clock = |second| 10_000_000 + 1000 * second + if second > 10 { step } else { 0 };
            let (history, now) = history(0.1, 30, clock);
            let mean = history.mean(now, MINUTE, None).unwrap();
            assert!((mean.percent - 20.0).abs() < 0.01, "{step}: {mean:?}");
        }
    }

    #[test]
    fn repeated_or_missing_readings_go_stale() {
        let (history, now) = history(0.1, 30, |second| 1000 * second.min(5));
        assert_eq!(history.mean(now, MINUTE, None), None);
    }

    #[test]
    fn neighbours_that_count_to_it_are_added_nested_ones_are_not() {
        let ids = ["a".repeat(64), "b".repeat(64), "c".repeat(64)];
        let [own, beside, nested] = &ids;
        let (mut history, start) = (CpuHistory::default(), Instant::now());
        for second in 0..10 {
            let at = second as f64;
            let text = usage(&format!("/docker/{own}"), 0.1 * at, 1000 * second)
                + &usage(&format!("/docker/{beside}"), 0.2 * at, 1000 * second)
                // Its use is in its parent's already.
                + &usage(&format!("/docker/{own}/{nested}"), 0.05 * at, 1000 * second);
            history.record(
                &scrape(&text),
                &ids,
                1.0,
                start + Duration::from_secs(second as u64),
            );
        }
        let mean = history
            .mean(start + Duration::from_secs(9), MINUTE, None)
            .unwrap();
        assert!((mean.percent - 30.0).abs() < 0.01, "{mean:?}");
    }

    #[test]
    fn agents_quota_goes_before_the_templates() {
        let id = "a".repeat(64);
        let (mut history, start) = (CpuHistory::default(), Instant::now());
        for second in 0..10 {
            let text = usage(&format!("/docker/{id}"), 0.1 * second as f64, 1000 * second)
                + &format!(
                    "container_spec_cpu_quota{{id=\"/docker/{id}\"}} 20000\ncontainer_spec_cpu_period{{id=\"/docker/{id}\"}} 100000\n"
                );
            history.record(
                &scrape(&text),
                std::slice::from_ref(&id),
                1.0,
                start + Duration::from_secs(second as u64),
            );
        }
        let mean = history
            .mean(start + Duration::from_secs(9), MINUTE, None)
            .unwrap();
        assert!((mean.percent - 50.0).abs() < 0.01, "{mean:?}");
    }
}
