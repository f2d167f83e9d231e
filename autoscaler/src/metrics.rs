//! Every metric of the autoscaler. Labels are names from the configuration, so bounded.

use std::time::Duration;

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::{
    capacity::Capacity,
    group::Group,
    scaling_policy::{PolicyKind, PredefinedMetric, ScalingPolicy},
};

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    desired: IntGaugeVec,
    in_service: IntGaugeVec,
    min: IntGaugeVec,
    max: IntGaugeVec,
    cpu: GaugeVec,
    cpu_target: GaugeVec,
    scaling_activities: IntCounterVec,
    launch_duration: HistogramVec,
    launch_failures: IntCounterVec,
    config_last_reload_successful: IntGauge,
    passes: prometheus::Histogram,
    notifications: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let group = &["group"];
        let gauge = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), group);
        let metrics = Self {
            registry: Registry::new(),
            desired: gauge("minicloud_group_desired_instances", "Desired capacity.")?,
            in_service: gauge(
                "minicloud_group_in_service_instances",
                "Instances in service.",
            )?,
            min: gauge("minicloud_group_min_instances", "Minimum size.")?,
            max: gauge("minicloud_group_max_instances", "Maximum size.")?,
            cpu: GaugeVec::new(
                Opts::new(
                    "minicloud_group_cpu_utilization_ratio",
                    "Mean CPU use over quota of warmed instances.",
                ),
                group,
            )?,
            cpu_target: GaugeVec::new(
                Opts::new(
                    "minicloud_group_cpu_target_ratio",
                    "Target of the group's CPU policy.",
                ),
                group,
            )?,
            scaling_activities: IntCounterVec::new(
                Opts::new(
                    "minicloud_scaling_activities_total",
                    "Changes of the desired capacity.",
                ),
                &["group", "direction", "cause"],
            )?,
            launch_duration: HistogramVec::new(
                HistogramOpts::new(
                    "minicloud_instance_launch_duration_seconds",
                    "From the intent to launch until in service.",
                )
                .buckets(vec![0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 30.0, 60.0, 300.0]),
                group,
            )?,
            launch_failures: IntCounterVec::new(
                Opts::new(
                    "minicloud_instance_launch_failures_total",
                    "Instances that never came into service.",
                ),
                group,
            )?,
            config_last_reload_successful: IntGauge::new(
                "minicloud_config_last_reload_successful",
                "1 where the configuration file as it stands is in force, 0 where it was refused.",
            )?,
            passes: prometheus::Histogram::with_opts(
                HistogramOpts::new(
                    "minicloud_reconcile_pass_duration_seconds",
                    "Passes of the reconcile loop, without the wait for the provider's answer.",
                )
                .buckets(vec![0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0]),
            )?,
            notifications: IntCounterVec::new(
                Opts::new(
                    "minicloud_notifications_total",
                    "Notifications by what became of them: delivered, given_up, dropped.",
                ),
                &["group", "result"],
            )?,
        };
        metrics.register()?;
        metrics.config_last_reload_successful.set(1);
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let registry = &self.registry;
        for gauge in [&self.desired, &self.in_service, &self.min, &self.max] {
            registry.register(Box::new(gauge.clone()))?;
        }
        for gauge in [&self.cpu, &self.cpu_target] {
            registry.register(Box::new(gauge.clone()))?;
        }
        for counter in [&self.scaling_activities, &self.launch_failures] {
            registry.register(Box::new(counter.clone()))?;
        }
        registry.register(Box::new(self.launch_duration.clone()))?;
        registry.register(Box::new(self.config_last_reload_successful.clone()))?;
        registry.register(Box::new(self.notifications.clone()))?;
        registry.register(Box::new(self.passes.clone()))
    }

    pub(crate) fn observe_group(&self, name: &str, group: &Group, cpu_percent: Option<f64>) {
        let label = &[name];
        let Capacity {
            min_size,
            max_size,
            desired_capacity,
        } = group.capacity;
        self.min.with_label_values(label).set(min_size.into());
        self.max.with_label_values(label).set(max_size.into());
        self.desired
            .with_label_values(label)
            .set(desired_capacity.into());
        let in_service = group
            .live()
            .filter(|instance| instance.is_in_service())
            .count();
        self.in_service
            .with_label_values(label)
            .set(i64::try_from(in_service).unwrap_or(i64::MAX));
        if let Some(target) = cpu_target(&group.spec.scaling_policies) {
            self.cpu_target.with_label_values(label).set(target / 100.0);
        }
        match cpu_percent {
            Some(percent) => self.cpu.with_label_values(label).set(percent / 100.0),
            // A figure that is not known is not exported: a stale gauge would lie.
            None => drop(self.cpu.remove_label_values(label)),
        }
    }

    pub(crate) fn forget_group(&self, name: &str) {
        let label = &[name];
        for gauge in [&self.desired, &self.in_service, &self.min, &self.max] {
            let _ = gauge.remove_label_values(label);
        }
        for gauge in [&self.cpu, &self.cpu_target] {
            let _ = gauge.remove_label_values(label);
        }
    }

    pub(crate) fn count_scaling(&self, group: &str, before: u32, after: u32, cause: &str) {
        let direction = if after > before { "out" } else { "in" };
        self.scaling_activities
            .with_label_values(&[group, direction, cause])
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

    pub(crate) fn set_reload_successful(&self, successful: bool) {
        self.config_last_reload_successful.set(successful.into());
    }

    pub(crate) fn observe_pass(&self, took: Duration) {
        self.passes.observe(took.as_secs_f64());
    }

    pub(crate) fn count_notification(&self, group: &str, result: &str) {
        self.notifications.with_label_values(&[group, result]).inc();
    }
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
