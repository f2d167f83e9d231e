//! What leaves the loop: the snapshot for the balancer and the view for the API.

use std::{sync::Arc, time::Duration};

use minicloud_lb_api::TargetGroupReport;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tracing::{info, warn};

use super::Reconciler;
use crate::{
    alarms,
    autoscaler::Shutdown,
    crash_point::CrashPoint,
    describe::{self, ConditionKind, HealthStatus, LaunchTemplateSpecification, View},
    group::{Group, Instance},
    instance::LifecycleState,
    now::{Clock, Now},
    provider::{InstanceProvider, STOP_GRACE},
    snapshot,
    target_health::TargetHealthIndex,
};

/// For calls that are under way when the loop stops.
const FINISH_TIMEOUT: Duration = Duration::from_secs(15);
const CPU_WINDOW: Duration = Duration::from_secs(5);

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn publish(&mut self, now: Now) {
        // Before the provider has been seen, a snapshot would name no instance at all.
        if self.observation.at.is_some() {
            self.publish_snapshot(now);
        }
        self.report_balancer(now);
        let view = Arc::new(self.describe(now));
        self.view.send_replace(view);
    }

    fn publish_snapshot(&mut self, now: Now) {
        let last = self.desk.snapshots.borrow().clone();
        let version = last.as_ref().map_or(0, |last| last.version);
        let next = snapshot::at(now.mono, &self.config, self.groups.values(), version);
        if !self.load_pace.lets(last.as_deref(), &next, now.mono) {
            return;
        }
        // From the wall clock, so that a restarted loop does not repeat a version.
        let version = u64::try_from(now.wall.as_microsecond())
            .unwrap_or_default()
            .max(version + 1);
        let next = minicloud_lb_api::Snapshot { version, ..next };
        self.desk.snapshots.send_replace(Some(Arc::new(next)));
        let terminating = |instance: &Instance| {
            instance.lifecycle_state == LifecycleState::Terminating && instance.address.is_some()
        };
        if self
            .groups
            .values()
            .flat_map(|group| group.instances.values())
            .any(terminating)
        {
            CrashPoint::DeregistrationPublished.reached(self.crash_at);
        }
    }

    fn report_balancer(&mut self, now: Now) {
        let received = self.desk.reports.borrow().clone();
        let reported = TargetHealthIndex::new(received.as_ref(), now.mono).is_reported();
        let served = !self.config.load_balancers.is_empty();
        let silent = (served && !reported && self.observation.at.is_some()).then(|| {
            "the load balancer does not report: it may still serve, but instances come into service and drain blindly; check that it runs".to_owned()
        });
        if self
            .conditions
            .set("", ConditionKind::LoadBalancerUnreachable, silent, now.wall)
        {
            info!(reported, "the load balancer's reports changed");
        }
        let faults = received
            .map(|received| received.report.faults.join("; "))
            .filter(|faults| !faults.is_empty());
        self.conditions
            .set("", ConditionKind::LoadBalancerFault, faults, now.wall);
    }

    fn describe(&self, now: Now) -> View {
        let received = self.desk.reports.borrow().clone();
        let targets = TargetHealthIndex::new(received.as_ref(), now.mono);
        let groups = self
            .groups
            .iter()
            .map(|(name, group)| self.describe_group(name, group, &targets, now));
        let reported = received
            .iter()
            .flat_map(|received| received.report.targets.iter());
        let target_groups = self
            .config
            .target_groups
            .keys()
            .map(|name| describe::TargetGroup {
                target_group_name: name.clone(),
                queue: targets.queue(name).map(describe_queue),
                target_health_descriptions: reported
                    .clone()
                    .filter(|t| t.target_group == *name)
                    .cloned()
                    .collect(),
            });
        let load_balancers =
            self.config
                .load_balancers
                .values()
                .map(|balancer| describe::LoadBalancer {
                    load_balancer_name: balancer.name.clone(),
                    dns_name: format!("{}.localhost", balancer.name),
                    ports: balancer
                        .listeners
                        .iter()
                        .map(|listener| listener.port)
                        .collect(),
                });
        View {
            time: now.wall,
            ready: self.observation.at.is_some(),
            pace: self.config.pace,
            auto_scaling_groups: groups.collect(),
            target_groups: target_groups.collect(),
            load_balancers: load_balancers.collect(),
            conditions: self.conditions.of(""),
        }
    }

    fn describe_group(
        &self,
        name: &str,
        group: &Group,
        targets: &TargetHealthIndex<'_>,
        now: Now,
    ) -> describe::AutoScalingGroup {
        let spec = &group.spec;
        let cpu_utilization = group.cpu_utilization;
        self.metrics.observe_group(name, group, cpu_utilization);
        describe::AutoScalingGroup {
            auto_scaling_group_name: name.to_owned(),
            min_size: group.capacity.min_size,
            max_size: group.capacity.max_size,
            desired_capacity: group.capacity.desired_capacity,
            availability_zones: spec.availability_zones.clone(),
            launch_template: specification(
                &group.launch_template.name,
                group.launch_template.version,
            ),
            target_group_names: spec.target_groups.clone(),
            health_check_type: spec.health_check_type,
            health_check_grace_period: spec.health_check_grace_period.as_secs(),
            default_instance_warmup: spec.default_instance_warmup.as_secs(),
            default_cooldown: spec.default_cooldown.as_secs(),
            scaling_policies: spec.scaling_policies.clone(),
            alarms: alarms::describe(name, group, self.config.pace),
            alarm_history: Arc::clone(&group.alarm_history),
            instances: group
                .instances
                .values()
                .map(|instance| describe_instance(name, group, instance, targets, now))
                .collect(),
            conditions: self.conditions.of(name),
            cpu_utilization,
            decision: group.decision.clone(),
            activities: self.ledger.activities(name),
        }
    }

    pub(super) async fn stop(mut self, how: Shutdown) {
        if timeout(FINISH_TIMEOUT, self.operations.finish())
            .await
            .is_err()
        {
            warn!("calls to the provider did not end in time");
        }
        if how == Shutdown::Keep {
            info!("stopping; the instances go on serving");
            return;
        }
        info!("stopping; the instances are terminated");
        let instances = match self.provider.list().await {
            Ok(instances) => instances,
            Err(error) => {
                warn!(%error, "the provider does not answer: instances may be left, see minicloud sweep");
                return;
            }
        };
        let mut calls = JoinSet::new();
        for id in instances.into_iter().map(|instance| instance.instance_id) {
            let provider = Arc::clone(&self.provider);
            calls.spawn(async move { (provider.terminate(&id).await, id) });
        }
        let end = Instant::now() + STOP_GRACE + FINISH_TIMEOUT;
        while let Ok(Some(call)) = timeout_at(end, calls.join_next()).await {
            match call {
                Ok((Ok(()), id)) => drop(self.ledger.store.delete_instance(&id)),
                Ok((Err(error), id)) => {
                    warn!(instance.id = %id, %error, "the instance could not be terminated")
                }
                Err(error) => warn!(%error, "a call to the provider panicked"),
            }
        }
        if !calls.is_empty() {
            warn!("instances did not end in time, see minicloud sweep");
        }
    }
}

fn describe_queue(report: &TargetGroupReport) -> describe::Queue {
    describe::Queue {
        length: report.queue_length,
        wait_seconds: report.queue_wait_seconds,
        rejected: report.queue_rejected,
    }
}

fn describe_instance(
    name: &str,
    group: &Group,
    instance: &Instance,
    targets: &TargetHealthIndex<'_>,
    now: Now,
) -> describe::Instance {
    let running = instance.address.is_some() || !instance.seen;
    describe::Instance {
        instance_id: instance.id.clone(),
        auto_scaling_group_name: name.to_owned(),
        availability_zone: instance.availability_zone.clone(),
        lifecycle_state: instance.lifecycle_state,
        health_status: if instance.unhealthy.is_none() && running {
            HealthStatus::Healthy
        } else {
            HealthStatus::Unhealthy
        },
        launch_template: specification(
            &instance.launch_template_name,
            instance.launch_template_version,
        ),
        protected_from_scale_in: false,
        launch_time: instance.launch_time,
        address: instance.address.clone(),
        warming: instance.is_live()
            && instance
                .warm_since(group.spec.default_instance_warmup, now.mono)
                .is_none(),
        cpu_utilization: instance
            .cpu
            .mean(now.mono, CPU_WINDOW, None)
            .map(|mean| mean.percent),
        in_flight: targets.in_flight(&group.spec.target_groups, &instance.id),
    }
}

fn specification(name: &str, version: u64) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification {
        launch_template_name: name.to_owned(),
        version: version.to_string(),
    }
}
