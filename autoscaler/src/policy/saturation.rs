//! What shows that instances have no more to give where their CPU cannot: it ends at 100 %,
//! and what waits, or is kept waiting by the kernel, is not in it.

use std::{fmt, time::Duration};

use super::{Observation, measure::tally};
use crate::scaling_policy::{MetricSpecification, PredefinedMetric};

/// A queue that was never empty for as long is one that does not empty by itself.
const QUEUE_WINDOW: Duration = Duration::from_secs(2);
/// Samples come a second apart. The one that says how the window began lies up to this far back,
/// whenever in that second it is asked for.
const QUEUE_LOOKBACK: Duration = Duration::from_millis(2900);
const IN_FLIGHT_WINDOW: Duration = Duration::from_secs(5);
/// Of the most that the balancer lets a target hold.
const IN_FLIGHT_SHARE: f64 = 0.95;
const CPU_WINDOW: Duration = Duration::from_secs(10);
const THROTTLED_PERCENT: f64 = 80.0;
const PRESSURE_PERCENT: f64 = 80.0;
/// Below this share of the target the CPU is not what is short: a burst was throttled, or the
/// machine is busy with others, which more instances would not help.
const BUSY_SHARE: f64 = 0.5;

/// Why a group is saturated though its policy's metric need not show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Saturation {
    Queue { length: f64, in_flight: f64 },
    InFlight { per_target: f64, limit: f64 },
    Throttled { percent: f64 },
    Pressure { percent: f64 },
}

impl Saturation {
    /// Instances that would carry what `warmed` ones do not, one more at least.
    pub(super) fn needed(self, warmed: u32) -> u32 {
        let more = match self {
            Self::Queue { length, in_flight } if in_flight > 0.0 => {
                (f64::from(warmed) * length / in_flight).ceil()
            }
            _ => 1.0,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates, and the bounds are far below"
        )]
        let more = more.max(1.0) as u32;
        warmed.saturating_add(more)
    }
}

impl fmt::Display for Saturation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue { length, in_flight } => write!(
                f,
                "saturated, {length:.0} requests wait beside {in_flight:.0} in flight, for {} s at least",
                QUEUE_WINDOW.as_secs()
            ),
            Self::InFlight { per_target, limit } => {
                write!(
                    f,
                    "saturated, {per_target:.1} requests in flight per target of {limit} at most"
                )
            }
            Self::Throttled { percent } => {
                write!(
                    f,
                    "saturated, the CPU quota ran out in {percent:.0} % of periods"
                )
            }
            Self::Pressure { percent } => {
                write!(
                    f,
                    "saturated, tasks waited for a CPU in {percent:.0} % of {} s",
                    CPU_WINDOW.as_secs()
                )
            }
        }
    }
}

/// The first sign of saturation; those of the kernel only for a policy on the CPU, whose
/// `mean` is at least half its `target`.
pub(super) fn observe(
    metric: &MetricSpecification,
    observation: &Observation<'_>,
    warmup: Duration,
    mean: Option<f64>,
    target: f64,
) -> Option<Saturation> {
    let now = observation.now.mono;
    let measured = |metric, window| {
        let metric = MetricSpecification::predefined(metric);
        tally(&metric, observation, warmup, window, |_| {})
    };
    let mean_of = |metric, window| measured(metric, window).mean();
    let queue = observation.signals.queue_length.spread(now, QUEUE_LOOKBACK);
    let held = queue.filter(|queue| {
        queue.lowest > 0.0 && queue.span + Duration::from_millis(500) >= QUEUE_WINDOW
    });
    if let Some(queue) = held {
        let in_flight = measured(PredefinedMetric::TargetInFlight, QUEUE_WINDOW).sum;
        return Some(Saturation::Queue {
            length: queue.mean(),
            in_flight,
        });
    }
    if let Some(limit) = observation.signals.max_requests_per_target.map(f64::from)
        && let Some(per_target) = mean_of(PredefinedMetric::TargetInFlight, IN_FLIGHT_WINDOW)
        && per_target >= IN_FLIGHT_SHARE * limit
    {
        return Some(Saturation::InFlight { per_target, limit });
    }
    let on_cpu = metric.is(PredefinedMetric::AsgAverageCpuUtilization);
    if !on_cpu || mean.is_none_or(|mean| mean < BUSY_SHARE * target) {
        return None;
    }
    let throttled = mean_of(PredefinedMetric::CpuThrottledPercent, CPU_WINDOW);
    if let Some(percent) = throttled.filter(|percent| *percent >= THROTTLED_PERCENT) {
        return Some(Saturation::Throttled { percent });
    }
    let pressure = mean_of(PredefinedMetric::CpuPressureSomeAvg10, CPU_WINDOW);
    let percent = pressure.filter(|percent| *percent >= PRESSURE_PERCENT)?;
    Some(Saturation::Pressure { percent })
}
