//! Every metric of the autoscaler. Labels are names from the configuration and words of ours,
//! so bounded; the series of a group end with it.

mod condition;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, core::Collector,
};

use self::condition::ConditionSeries;
use crate::{
    capacity::Capacity,
    describe::Condition,
    group::Group,
    instance::LifecycleState,
    scaling_policy::{PolicyKind, PredefinedMetric, ScalingPolicy},
};

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    desired: IntGaugeVec,
    in_service: IntGaugeVec,
    min: IntGaugeVec,
    max: IntGaugeVec,
    instances: IntGaugeVec,
    cpu: GaugeVec,
    cpu_target: GaugeVec,
    /// The gauges of each group that has been observed.
    groups: BTreeMap<String, GroupGauges>,
    scaling_activities: IntCounterVec,
    launch_duration: HistogramVec,
    launch_failures: IntCounterVec,
    notifications: IntCounterVec,
    conditions: ConditionSeries,
    config_last_reload_successful: IntGauge,
    config_last_reload_success: Gauge,
    pub(crate) pass_duration: Histogram,
    last_pass: Gauge,
}

/// Those of one group, found once.
#[derive(Clone, Debug)]
struct GroupGauges {
    desired: IntGauge,
    in_service: IntGauge,
    min: IntGauge,
    max: IntGauge,
    /// By [`STATES`].
    instances: [IntGauge; STATES.len()],
    /// Absent while the figure is not known: a stale gauge would lie.
    cpu: Option<Gauge>,
    cpu_target: Option<Gauge>,
}

/// Who changed the desired capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalingCause {
    /// A scaling policy.
    Policy,
    /// A request that found the group at zero.
    Queue,
    /// The control API.
    User,
    /// A scheduled action.
    Schedule,
    /// Somebody else, who started or removed an instance.
    Foreign,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotificationResult {
    Delivered,
    GivenUp,
    /// Too many waited before it.
    Dropped,
}

const DIRECTIONS: [&str; 2] = ["in", "out"];
/// A terminated instance is gone.
const STATES: [LifecycleState; 5] = [
    LifecycleState::Pending,
    LifecycleState::InService,
    LifecycleState::EnteringStandby,
    LifecycleState::Standby,
    LifecycleState::Terminating,
];

impl ScalingCause {
    const ALL: [Self; 5] = [
        Self::Policy,
        Self::Queue,
        Self::User,
        Self::Schedule,
        Self::Foreign,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Queue => "queue",
            Self::User => "user",
            Self::Schedule => "schedule",
            Self::Foreign => "foreign",
        }
    }
}

impl NotificationResult {
    const ALL: [Self; 3] = [Self::Delivered, Self::GivenUp, Self::Dropped];

    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Dropped => "dropped",
        }
    }
}

/// Each collector of `/metrics`, also those that have no sample yet: what a catalogue of the
/// autoscaler's metrics is written from.
///
/// # Errors
/// Two of one name, which is a bug.
pub fn metric_collectors() -> prometheus::Result<Vec<Box<dyn Collector>>> {
    Ok(Metrics::new()?.collectors())
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["group"]);
        let ratio = |name: &str, help: &str| GaugeVec::new(Opts::new(name, help), &["group"]);
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels)
        };
        let metrics = Self {
            registry: Registry::new(),
            desired: gauge("minicloud_group_desired_instances", "Desired capacity.")?,
            in_service: gauge(
                "minicloud_group_in_service_instances",
                "Instances in service.",
            )?,
            min: gauge("minicloud_group_min_instances", "Minimum size.")?,
            max: gauge("minicloud_group_max_instances", "Maximum size.")?,
            instances: IntGaugeVec::new(
                Opts::new(
                    "minicloud_group_instances",
                    "Instances by lifecycle state: Pending, InService, EnteringStandby, Standby, Terminating.",
                ),
                &["group", "lifecycle_state"],
            )?,
            cpu: ratio(
                "minicloud_group_cpu_utilization_ratio",
                "Mean CPU use over quota of warmed instances; absent without fresh figures.",
            )?,
            cpu_target: ratio(
                "minicloud_group_cpu_target_ratio",
                "Target of the group's CPU policy; absent without one.",
            )?,
            groups: BTreeMap::new(),
            scaling_activities: counter(
                "minicloud_scaling_activities_total",
                "Changes of the desired capacity, out or in, by who made them: policy, queue, user, schedule, foreign.",
                &["group", "direction", "cause"],
            )?,
            launch_duration: HistogramVec::new(
                HistogramOpts::new(
                    "minicloud_instance_launch_duration_seconds",
                    "From the intent to launch until in service.",
                )
                .buckets(vec![0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 30.0, 60.0, 300.0]),
                &["group"],
            )?,
            launch_failures: counter(
                "minicloud_instance_launch_failures_total",
                "Instances that never came into service.",
                &["group"],
            )?,
            notifications: counter(
                "minicloud_notifications_total",
                "Notifications by what became of them: delivered, given_up, dropped.",
                &["group", "result"],
            )?,
            conditions: ConditionSeries::new()?,
            config_last_reload_successful: IntGauge::new(
                "minicloud_config_last_reload_successful",
                "1 where the configuration file as it stands is in force, 0 where it was refused.",
            )?,
            config_last_reload_success: Gauge::new(
                "minicloud_config_last_reload_success_timestamp_seconds",
                "When a configuration file last came into force, in seconds since the Unix epoch.",
            )?,
            pass_duration: Histogram::with_opts(
                HistogramOpts::new(
                    "minicloud_reconcile_pass_duration_seconds",
                    "Passes of the reconcile loop, without the wait for the provider's answer.",
                )
                .buckets(vec![0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0]),
            )?,
            last_pass: Gauge::new(
                "minicloud_reconcile_last_pass_timestamp_seconds",
                "When the reconcile loop last ended a pass, in seconds since the Unix epoch.",
            )?,
        };
        for collector in metrics.collectors() {
            metrics.registry.register(collector)?;
        }
        Ok(metrics)
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.desired.clone()),
            Box::new(self.in_service.clone()),
            Box::new(self.min.clone()),
            Box::new(self.max.clone()),
            Box::new(self.instances.clone()),
            Box::new(self.cpu.clone()),
            Box::new(self.cpu_target.clone()),
            Box::new(self.scaling_activities.clone()),
            Box::new(self.launch_duration.clone()),
            Box::new(self.launch_failures.clone()),
            Box::new(self.notifications.clone()),
            self.conditions.collector(),
            Box::new(self.config_last_reload_successful.clone()),
            Box::new(self.config_last_reload_success.clone()),
            Box::new(self.pass_duration.clone()),
            Box::new(self.last_pass.clone()),
        ]
    }

    /// A group begins: a rate cannot see a counter's first step if it appears with it.
    pub(crate) fn begin_group(&self, name: &str) {
        self.launch_failures.with_label_values(&[name]);
        for cause in ScalingCause::ALL {
            for direction in DIRECTIONS {
                let labels = &[name, direction, cause.as_str()];
                self.scaling_activities.with_label_values(labels);
            }
        }
    }

    pub(crate) fn observe_group(&mut self, name: &str, group: &Group, cpu_percent: Option<f64>) {
        if !self.groups.contains_key(name) {
            self.groups.insert(name.to_owned(), self.gauges(name));
        }
        let Some(gauges) = self.groups.get_mut(name) else {
            return;
        };
        let Capacity {
            min_size,
            max_size,
            desired_capacity,
        } = group.capacity;
        gauges.min.set(min_size.into());
        gauges.max.set(max_size.into());
        gauges.desired.set(desired_capacity.into());
        let counts = group.state_counts();
        let in_service = counts.of(LifecycleState::InService);
        gauges.in_service.set(in_service.into());
        for (state, gauge) in STATES.into_iter().zip(&gauges.instances) {
            gauge.set(counts.of(state).into());
        }
        let target = cpu_target(&group.spec.scaling_policies);
        show_ratio(&mut gauges.cpu, &self.cpu, name, cpu_percent);
        show_ratio(&mut gauges.cpu_target, &self.cpu_target, name, target);
    }

    fn gauges(&self, name: &str) -> GroupGauges {
        let label = &[name];
        GroupGauges {
            desired: self.desired.with_label_values(label),
            in_service: self.in_service.with_label_values(label),
            min: self.min.with_label_values(label),
            max: self.max.with_label_values(label),
            instances: STATES
                .map(|state| self.instances.with_label_values(&[name, state.as_str()])),
            cpu: None,
            cpu_target: None,
        }
    }

    /// Takes over the conditions of a group, or, with an empty name, of the whole.
    pub(crate) fn observe_conditions(&self, scope: &str, lasting: &[Condition]) {
        self.conditions.set(scope, lasting);
    }

    pub(crate) fn forget_group(&mut self, name: &str) {
        let label = &[name];
        self.groups.remove(name);
        // What is missing was never counted.
        for gauge in [&self.desired, &self.in_service, &self.min, &self.max] {
            let _ = gauge.remove_label_values(label);
        }
        for gauge in [&self.cpu, &self.cpu_target] {
            let _ = gauge.remove_label_values(label);
        }
        for state in STATES {
            let _ = self.instances.remove_label_values(&[name, state.as_str()]);
        }
        let _ = self.launch_duration.remove_label_values(label);
        let _ = self.launch_failures.remove_label_values(label);
        for cause in ScalingCause::ALL {
            for direction in DIRECTIONS {
                let labels = &[name, direction, cause.as_str()];
                let _ = self.scaling_activities.remove_label_values(labels);
            }
        }
        for result in NotificationResult::ALL {
            let labels = &[name, result.as_str()];
            let _ = self.notifications.remove_label_values(labels);
        }
        self.conditions.set(name, &[]);
    }

    /// Counts a change of the desired capacity; the same before and after is none.
    pub(crate) fn count_scaling(&self, group: &str, before: u32, after: u32, cause: ScalingCause) {
        if before == after {
            return;
        }
        let direction = DIRECTIONS[usize::from(after > before)];
        self.scaling_activities
            .with_label_values(&[group, direction, cause.as_str()])
            .inc();
    }

    pub(crate) fn observe_launch(&self, group: &str, took: Duration) {
        self.launch_duration
            .with_label_values(&[group])
            .observe(took.as_secs_f64());
    }

    pub(crate) fn count_launch_failure(&self, group: &str) {
        self.launch_failures.with_label_values(&[group]).inc();
    }

    /// A configuration file came into force, or was refused.
    pub(crate) fn observe_reload(&self, successful: bool, at: Timestamp) {
        self.config_last_reload_successful.set(successful.into());
        if successful {
            self.config_last_reload_success.set(seconds(at));
        }
    }

    pub(crate) fn observe_pass(&self, took: Duration, ended: Timestamp) {
        self.pass_duration.observe(took.as_secs_f64());
        self.last_pass.set(seconds(ended));
    }

    pub(crate) fn count_notification(&self, group: &str, result: NotificationResult) {
        self.notifications
            .with_label_values(&[group, result.as_str()])
            .inc();
    }
}

/// Shows a figure of the group called `name`, or that it is not known.
fn show_ratio(gauge: &mut Option<Gauge>, of: &GaugeVec, name: &str, percent: Option<f64>) {
    match percent {
        Some(percent) => gauge
            .get_or_insert_with(|| of.with_label_values(&[name]))
            .set(percent / 100.0),
        None => {
            if gauge.take().is_some() {
                let _ = of.remove_label_values(&[name]);
            }
        }
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

fn cpu_target(policies: &[ScalingPolicy]) -> Option<f64> {
    policies.iter().find_map(|policy| match &policy.kind {
        PolicyKind::TargetTracking(tracking)
            if tracking
                .metric
                .is(PredefinedMetric::AsgAverageCpuUtilization) =>
        {
            Some(tracking.target_value)
        }
        _ => None,
    })
}
