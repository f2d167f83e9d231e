//! Policies on synthetic figures: what shows saturation, and what several policies come to.

use jiff::Timestamp;

use super::*;
use crate::metric::CounterSeries;

/// A minute of a group whose instances are all alike and warm.
struct Figures {
    pace: Pace,
    instances: usize,
    max_size: u32,
    cpu_percent: f64,
    throttled_percent: f64,
    waiting_percent: f64,
    in_flight: f64,
    limit: Option<u32>,
    queue: f64,
    /// How long ago the last sample was.
    since_sample: Duration,
}

const CALM: Figures = Figures {
    pace: Pace::Fast,
    instances: 4,
    max_size: 40,
    cpu_percent: 50.0,
    throttled_percent: 0.0,
    waiting_percent: 0.0,
    in_flight: 0.0,
    limit: None,
    queue: 0.0,
    since_sample: Duration::ZERO,
};

fn counter(start: Instant, per_second: f64) -> CounterSeries {
    let mut counter = CounterSeries::default();
    for second in 0..=60_u32 {
        counter.record(
            start + Duration::from_secs(second.into()),
            f64::from(second) * per_second,
        );
    }
    counter
}

fn gauge(start: Instant, value: f64) -> GaugeSeries {
    GaugeSeries::from_points((0..=60).map(|second| (start + Duration::from_secs(second), value)))
}

impl Figures {
    fn verdict(&self, policies: &[ScalingPolicy]) -> Verdict {
        self.observed(|observation| evaluate(policies, observation, &mut State::default()))
    }

    fn measured(&self, metric: PredefinedMetric) -> Option<f64> {
        let metric = MetricSpecification::predefined(metric);
        let window = Duration::from_secs(30);
        let spread = self.observed(|observation| {
            measure::aggregate(&metric, observation, Duration::ZERO, window)
        });
        spread.map(|spread| spread.mean())
    }

    fn observed<R>(&self, look: impl FnOnce(&Observation<'_>) -> R) -> R {
        let start = Instant::now();
        let end = start + Duration::from_secs(60);
        let cpu = CpuHistory::from_points(
            (0..=60).map(|second| (start + Duration::from_secs(second), self.cpu_percent)),
        );
        let signals = InstanceSignals {
            cfs_periods: counter(start, 10.0),
            cfs_throttled_periods: counter(start, self.throttled_percent / 10.0),
            cpu_waiting_seconds: counter(start, self.waiting_percent / 100.0),
            in_flight: gauge(start, self.in_flight),
            ..InstanceSignals::default()
        };
        let group = GroupSignals {
            queue_length: gauge(start, self.queue),
            queue_wait_seconds: gauge(start, 0.0),
            max_requests_per_target: self.limit,
        };
        let ids: Vec<InstanceId> = (0..self.instances)
            .map(|index| format!("i-{index:08x}").parse().unwrap())
            .collect();
        let instances: Vec<_> = ids
            .iter()
            .map(|id| TrackedInstance {
                id,
                cpu: &cpu,
                signals: &signals,
                in_service_since: start,
            })
            .collect();
        let observation = Observation {
            pace: self.pace,
            capacity: Capacity {
                min_size: 1,
                max_size: self.max_size,
                desired_capacity: self.instances as u32,
            },
            default_instance_warmup: Duration::ZERO,
            default_cooldown: Duration::ZERO,
            instances: &instances,
            pending: 0,
            terminating: 0,
            settling: false,
            signals: &group,
            customized: &BTreeMap::new(),
            now: Now {
                mono: end + self.since_sample,
                wall: Timestamp::UNIX_EPOCH,
            },
        };
        look(&observation)
    }
}

fn cpu80() -> ScalingPolicy {
    ScalingPolicy {
        name: "cpu80".to_owned(),
        enabled: true,
        kind: PolicyKind::TargetTracking(policy()),
    }
}

#[test]
fn a_queue_is_seen_at_any_time_between_samples() {
    for milliseconds in (0..1000).step_by(20) {
        let figures = Figures {
            queue: 6.0,
            in_flight: 3.0,
            since_sample: Duration::from_millis(milliseconds),
            ..CALM
        };
        let desired = figures.verdict(&[cpu80()]).desired_capacity;
        assert_eq!(desired, 6, "{milliseconds} ms after a sample");
    }
}

#[test]
fn each_sign_of_saturation_has_its_sentence() {
    for (figures, wanted, says) in [
        (CALM, 4, "4 x 50.0 / 80 = 2.50 -> 3: hold"),
        (
            Figures {
                queue: 6.0,
                in_flight: 3.0,
                ..CALM
            },
            6,
            "saturated, 6 requests wait beside 12 in flight, for 2 s at least), 6 to carry it: scale out 4 -> 6",
        ),
        (
            Figures {
                in_flight: 10.0,
                limit: Some(10),
                ..CALM
            },
            5,
            "saturated, 10.0 requests in flight per target of 10 at most), 5 to carry it",
        ),
        (
            Figures {
                in_flight: 9.0,
                limit: Some(10),
                ..CALM
            },
            4,
            "hold",
        ),
        (
            Figures {
                throttled_percent: 90.0,
                ..CALM
            },
            5,
            "the CPU quota ran out in 90 % of periods",
        ),
        (
            Figures {
                waiting_percent: 85.0,
                ..CALM
            },
            5,
            "tasks waited for a CPU in 85 % of 10 s",
        ),
        // An idle instance on a machine that is busy with others is not short of instances.
        (
            Figures {
                throttled_percent: 90.0,
                waiting_percent: 90.0,
                cpu_percent: 30.0,
                ..CALM
            },
            4,
            "hold",
        ),
        // A queue of hundreds is not met at once, and never beyond max_size.
        (
            Figures {
                queue: 600.0,
                in_flight: 3.0,
                ..CALM
            },
            6,
            "limited to +2 per decision",
        ),
        (
            Figures {
                queue: 600.0,
                in_flight: 3.0,
                max_size: 5,
                ..CALM
            },
            5,
            "limited to max_size 5",
        ),
        // AWS knows no such signs.
        (
            Figures {
                pace: Pace::Aws,
                queue: 600.0,
                throttled_percent: 100.0,
                ..CALM
            },
            4,
            "hold",
        ),
    ] {
        let verdict = figures.verdict(&[cpu80()]);
        assert_eq!(verdict.desired_capacity, wanted, "{}", verdict.reason);
        assert!(verdict.reason.contains(says), "{}\n{says}", verdict.reason);
    }
}

#[test]
fn alarms_measure_the_signs_too() {
    let figures = Figures {
        queue: 6.0,
        in_flight: 3.0,
        throttled_percent: 40.0,
        waiting_percent: 20.0,
        ..CALM
    };
    for (metric, value) in [
        (PredefinedMetric::QueueLength, 6.0),
        (PredefinedMetric::QueueWaitSeconds, 0.0),
        (PredefinedMetric::TargetInFlight, 3.0),
        (PredefinedMetric::CpuThrottledPercent, 40.0),
        (PredefinedMetric::CpuPressureSomeAvg10, 20.0),
        (PredefinedMetric::AsgAverageCpuUtilization, 50.0),
    ] {
        let found = figures.measured(metric).unwrap();
        assert!((found - value).abs() < 1e-6, "{metric}: {found}");
    }
}
