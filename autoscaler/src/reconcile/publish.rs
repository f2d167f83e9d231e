//! What leaves the loop: the snapshot for the balancer and the view for the API.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use compact_str::ToCompactString;
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
    now::{Clock, Now},
    provider::{InstanceProvider, STOP_GRACE},
    target_health::{TargetHealthIndex, TargetsOfGroup},
};

/// For calls that are under way when the loop stops.
const FINISH_TIMEOUT: Duration = Duration::from_secs(15);
const CPU_WINDOW: Duration = Duration::from_secs(5);

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Publishes what became of the groups called `taken`.
    pub(super) fn publish(&mut self, taken: &BTreeSet<String>, now: Now) {
        self.admit_members();
        // Before the provider has been seen, a snapshot would name no instance at all.
        if self.observation.at.is_some() {
            self.publish_snapshot(taken, now);
        }
        self.report_balancer(now);
        let report = self.report.clone();
        let targets = TargetHealthIndex::as_was(report.as_ref());
        let changed = self.conditions.take_changed();
        for scope in &changed {
            self.metrics
                .observe_conditions(scope, &self.conditions.of(scope));
        }
        for name in taken.union(&changed) {
            if let Some(group) = self.groups.get(name) {
                self.metrics
                    .observe_group(name, group, group.cpu_utilization);
                let described = self.describe_group(name, group, &targets, now);
                self.published.put_group(described);
            }
        }
        self.view.send_replace(Arc::new(View {
            time: now.wall,
            ready: self.observation.at.is_some(),
            pace: self.config.pace,
            auto_scaling_groups: self.published.groups(),
            target_groups: self.published.target_groups(),
            load_balancers: self.published.load_balancers(),
            conditions: self.conditions.of(""),
            security_groups: Arc::clone(&self.security_groups),
            configuration: self.config_watch.in_force().clone(),
        }));
    }

    fn publish_snapshot(&mut self, taken: &BTreeSet<String>, now: Now) {
        let last = self
            .desk
            .snapshots
            .borrow()
            .as_ref()
            .map(|last| last.version);
        // From the wall clock, so that a restarted loop does not repeat a version.
        let version = u64::try_from(now.wall.as_microsecond())
            .unwrap_or_default()
            .max(last.unwrap_or_default() + 1);
        let (config, groups) = (&self.config, &self.groups);
        let next = self
            .published
            .next_snapshot(config, groups, taken, now.mono, version);
        let Some(next) = next else { return };
        self.desk.snapshots.send_replace(Some(Arc::new(next)));
        let drains = |instance: &Instance| {
            instance.lifecycle_state.is_draining() && instance.address.is_some()
        };
        let taken = taken.iter().filter_map(|name| self.groups.get(name));
        if taken.flat_map(|group| group.instances.values()).any(drains) {
            CrashPoint::DeregistrationPublished.reached(self.crash_at);
        }
    }

    fn report_balancer(&mut self, now: Now) {
        let reported = self.report.is_some();
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
        let faults = self
            .desk
            .reports
            .borrow()
            .as_ref()
            .map_or_else(String::new, |received| received.report.faults.join("; "));
        let faults = Some(faults).filter(|faults| !faults.is_empty());
        self.conditions
            .set("", ConditionKind::LoadBalancerFault, faults, now.wall);
    }

    fn describe_group(
        &self,
        name: &str,
        group: &Group,
        targets: &TargetHealthIndex<'_>,
        now: Now,
    ) -> describe::AutoScalingGroup {
        let spec = &group.spec;
        let targets = targets.of_groups(&spec.target_groups);
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
            termination_policies: spec.termination_policies.clone(),
            new_instances_protected_from_scale_in: spec.new_instances_protected_from_scale_in,
            busy_check: spec.busy_check.clone(),
            capacity_distribution: spec.capacity_distribution,
            foreign_changes: spec.foreign_changes,
            adopts: group.launch_template.clone_of.clone(),
            suspended_processes: group.suspended_processes.describe(),
            alarms: alarms::describe(name, group, self.config.pace),
            alarm_history: Arc::clone(&group.alarm_history),
            instances: group
                .instances
                .values()
                .map(|instance| describe_instance(name, group, instance, &targets, now))
                .collect(),
            conditions: self.conditions.of(name),
            cpu_utilization: group.cpu_utilization,
            decision: group.decision.clone(),
            instance_refresh: group.instance_refreshes.describe_active(),
            instance_refreshes: group.instance_refreshes.describe(),
            scheduled_actions: self.describe_schedule(name),
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

fn describe_instance(
    name: &str,
    group: &Group,
    instance: &Instance,
    targets: &TargetsOfGroup<'_>,
    now: Now,
) -> describe::Instance {
    let running = instance.address.is_some() || !instance.seen;
    describe::Instance {
        instance_id: instance.id.clone(),
        auto_scaling_group_name: name.into(),
        managed_by: instance.managed_by,
        availability_zone: instance.availability_zone.as_str().into(),
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
        image: instance.image.clone(),
        key_name: instance.key_pair.as_ref().map(|of| of.key_name.clone()),
        public_key: instance.key_pair.as_ref().map(|of| of.public_key.clone()),
        protected_from_scale_in: instance.protected_from_scale_in,
        launch_time: instance.launch_time,
        draining_until: instance.draining_since.map(|since| {
            let ends = since + group.deregistration_delay;
            now.wall + ends.saturating_duration_since(now.mono)
        }),
        address: instance.address.as_deref().map(Into::into),
        warming: instance.is_live()
            && instance
                .warm_since(group.spec.default_instance_warmup, now.mono)
                .is_none(),
        cpu_utilization: instance
            .cpu
            .mean(now.mono, CPU_WINDOW, None)
            .map(|mean| mean.percent),
        in_flight: targets.in_flight(&instance.id),
    }
}

fn specification(name: &str, version: u64) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification {
        launch_template_name: name.into(),
        version: version.to_compact_string(),
    }
}
