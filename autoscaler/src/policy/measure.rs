//! Metrics as policies compare them, from what is known of instances and of the group.

use std::time::Duration;

use tokio::time::Instant;

use super::{Observation, TrackedInstance};
use crate::{
    describe::InstanceMetric,
    metric::{GaugeSeries, STALE_AFTER, Spread},
    scaling_policy::{MetricSpecification, PredefinedMetric},
};

/// A mean over less than this says nothing yet.
const LEAST_SPAN: Duration = Duration::from_millis(3500);
/// Nor does one over less than this part of a longer window.
const LEAST_PART: u32 = 3;
/// AWS's requests and bytes are those of a minute.
const MINUTE: f64 = 60.0;

/// Sum and count over the warmed instances that have fresh data.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) sum: f64,
    pub(super) measured: u32,
    pub(super) missing: u32,
    pub(super) warming: u32,
    lowest: f64,
    highest: f64,
}

impl Tally {
    pub(super) fn mean(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.sum / f64::from(self.measured))
    }

    pub(super) fn warmed(&self) -> u32 {
        self.measured + self.missing
    }

    /// "2 x 50.4 / 80 = 1.26 -> 2".
    pub(super) fn arithmetic(&self, target: f64) -> String {
        let mean = self.mean().unwrap_or_default();
        let ratio = self.sum / target;
        format!(
            "{} x {mean:.1} / {target} = {ratio:.2} -> {}",
            self.measured,
            ratio.ceil()
        )
    }

    fn add(&mut self, value: f64) {
        (self.lowest, self.highest) = match self.measured {
            0 => (value, value),
            _ => (self.lowest.min(value), self.highest.max(value)),
        };
        self.measured += 1;
        self.sum += value;
    }
}

/// The metric by instance over the last `window`; `each` is told of every instance. A figure
/// that is one of the group counts as that of each warmed instance: a target is set for what
/// rises and falls with the load of an instance.
pub(super) fn tally(
    metric: &MetricSpecification,
    observation: &Observation<'_>,
    warmup: Duration,
    window: Duration,
    mut each: impl FnMut(InstanceMetric),
) -> Tally {
    let now = observation.now.mono;
    let of_group = series(metric, observation).map(|series| {
        let spread = series.and_then(|series| series.spread(now, window));
        spread.map(|spread| spread.mean())
    });
    let mut tally = Tally::default();
    for instance in observation.instances {
        let warm_since = instance.warm_since(warmup, now);
        let value = match of_group {
            Some(value) => value,
            None => of_instance(metric, instance, now, window, warm_since),
        };
        match (warm_since, value) {
            (None, _) => tally.warming += 1,
            (Some(_), None) => tally.missing += 1,
            (Some(_), Some(value)) => tally.add(value),
        }
        if of_group.is_none() {
            each(InstanceMetric {
                instance_id: instance.id.clone(),
                value,
                warming: warm_since.is_none(),
            });
        }
    }
    tally
}

/// The metric over the last `window` as an alarm's statistics are made of it: over warmed
/// instances, or over samples where it is one figure of the group. `None` without data.
pub(super) fn aggregate(
    metric: &MetricSpecification,
    observation: &Observation<'_>,
    warmup: Duration,
    window: Duration,
) -> Option<Spread> {
    if let Some(series) = series(metric, observation) {
        return series?.spread(observation.now.mono, window);
    }
    let tally = tally(metric, observation, warmup, window, |_| {});
    (tally.measured > 0).then_some(Spread {
        sum: tally.sum,
        count: tally.measured,
        lowest: tally.lowest,
        highest: tally.highest,
        span: window,
    })
}

/// A warmed instance has no fresh figures: its agent or balancer is silent, or cannot see it.
pub(super) fn is_stale(
    metric: &MetricSpecification,
    observation: &Observation<'_>,
    warmup: Duration,
    tally: &Tally,
) -> bool {
    if metric.customized().is_some() {
        // Said of the metric, which is nobody's instance.
        return false;
    }
    if !metric.is(PredefinedMetric::AsgAverageCpuUtilization) {
        return tally.missing > 0;
    }
    let now = observation.now.mono;
    let instances = observation.instances.iter();
    let warmed = instances.filter(|instance| instance.warm_since(warmup, now).is_some());
    let mut last_seen = warmed.map(|instance| instance.cpu.last_seen());
    last_seen.any(|seen| seen.is_none_or(|at| now - at > STALE_AFTER))
}

/// Where the metric is a figure of the group: its series, if there is one yet.
fn series<'a>(
    metric: &MetricSpecification,
    observation: &Observation<'a>,
) -> Option<Option<&'a GaugeSeries>> {
    match metric {
        MetricSpecification::Customized(metric) => Some(observation.customized.get(metric)),
        MetricSpecification::Predefined { metric, .. } => match metric {
            PredefinedMetric::QueueLength => Some(Some(&observation.signals.queue_length)),
            PredefinedMetric::QueueWaitSeconds => {
                Some(Some(&observation.signals.queue_wait_seconds))
            }
            _ => None,
        },
    }
}

fn of_instance(
    specification: &MetricSpecification,
    instance: &TrackedInstance<'_>,
    now: Instant,
    window: Duration,
    since: Option<Instant>,
) -> Option<f64> {
    let MetricSpecification::Predefined {
        metric,
        resource_label,
    } = specification
    else {
        return None;
    };
    let least = LEAST_SPAN.max((window / LEAST_PART).min(Duration::from_secs(20)));
    let least = least.min(window.max(LEAST_SPAN));
    let per_minute = |rate: Option<(f64, Duration)>| {
        rate.filter(|(_, span)| *span >= least)
            .map(|(rate, _)| rate * MINUTE)
    };
    let signals = instance.signals;
    match metric {
        PredefinedMetric::AsgAverageCpuUtilization => instance
            .cpu
            .mean(now, window, since)
            .filter(|mean| mean.span >= least)
            .map(|mean| mean.percent),
        PredefinedMetric::AsgAverageNetworkIn => {
            per_minute(signals.network_receive_bytes.rate(now, window, since))
        }
        PredefinedMetric::AsgAverageNetworkOut => {
            per_minute(signals.network_transmit_bytes.rate(now, window, since))
        }
        PredefinedMetric::AlbRequestCountPerTarget => {
            per_minute(signals.request_rate(resource_label.as_deref(), now, window, since))
        }
        PredefinedMetric::TargetInFlight => signals
            .in_flight
            .spread(now, window)
            .map(|spread| spread.mean()),
        PredefinedMetric::CpuThrottledPercent => signals.throttled_percent(now, window, since),
        PredefinedMetric::CpuPressureSomeAvg10 => signals
            .cpu_waiting_seconds
            .rate(now, window, since)
            .map(|(waiting, _)| (100.0 * waiting).clamp(0.0, 100.0)),
        PredefinedMetric::QueueLength | PredefinedMetric::QueueWaitSeconds => None,
    }
}
