//! What the policies see, and what becomes of what they say.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::Reconciler;
use crate::{
    describe::{ConditionKind, Decision, DecisionInputs},
    group::{Group, Instance},
    metric::Scrape,
    now::{Clock, Now},
    policy::{self, Observation, TrackedInstance},
    provider::InstanceProvider,
    target_health::TargetHealthIndex,
    wake::wake,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Lets the group's policies speak: out if any wants more, in only as far as all agree.
    pub(super) fn decide(&mut self, name: &str, now: Now) {
        let pace = self.config.pace;
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let settling = group.is_settling();
        let Group {
            spec,
            capacity,
            instances,
            tracking,
            ..
        } = group;
        let in_service = instances
            .values()
            .filter(|instance| instance.is_in_service() && instance.unhealthy.is_none());
        let tracked = |instance| tracked(instance, spec.default_instance_warmup, now.mono);
        let tracked: Vec<TrackedInstance<'_>> = in_service.map(tracked).collect();
        let observation = Observation {
            capacity: *capacity,
            instances: &tracked,
            settling,
            now: now.mono,
        };
        let evaluations = spec.scaling_policies.iter().map(|policy| {
            let state = tracking.entry(policy.name.clone()).or_default();
            (
                policy,
                policy::evaluate(&policy.target_tracking, pace, observation, state),
            )
        });
        let evaluations: Vec<_> = evaluations.collect();
        let stale = evaluations.iter().any(|(_, evaluation)| evaluation.stale);
        let Some((policy, chosen)) = evaluations
            .into_iter()
            .max_by_key(|(_, evaluation)| evaluation.desired_capacity)
        else {
            return;
        };
        let decision = Decision {
            time: now.wall,
            policy_name: policy.name.clone(),
            desired_capacity_before: capacity.desired_capacity,
            desired_capacity: chosen.desired_capacity,
            reason: chosen.reason,
            inputs: DecisionInputs {
                target_value: policy.target_tracking.target_value,
                metric_value: chosen.metric_value,
                instances: chosen.instances,
                min_size: capacity.min_size,
                max_size: capacity.max_size,
            },
        };
        self.act_on(name, decision, now);
        self.report_stale(name, stale, now);
    }

    fn act_on(&mut self, name: &str, decision: Decision, now: Now) {
        let (before, after) = (decision.desired_capacity_before, decision.desired_capacity);
        let cause = format!(
            "policy {} changed the desired capacity from {before} to {after}: {}",
            decision.policy_name, decision.reason
        );
        if let Some(group) = self.groups.get_mut(name) {
            group.decision = Some(decision);
        }
        if before != after {
            info!(asg.name = name, cause, "desired capacity changed");
            self.metrics.count_scaling(name, before, after, "policy");
            self.set_desired_capacity(name, after, cause, now);
        }
    }

    /// Lets a group of zero instances have one where requests wait for it.
    pub(super) fn wake(&mut self, name: &str, targets: &TargetHealthIndex<'_>, now: Now) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let is_served = |target_group: &str| {
            let mut others = self.groups.iter().filter(|(other, _)| *other != name);
            let by_hand = self.config.target_groups.get(target_group);
            by_hand.is_some_and(|group| !group.targets.is_empty())
                || others.any(|(_, other)| {
                    other.capacity.desired_capacity > 0
                        && other.spec.target_groups.iter().any(|g| g == target_group)
                })
        };
        let Some(cause) = wake(group, targets, is_served) else {
            return;
        };
        info!(asg.name = name, cause, "desired capacity changed");
        self.metrics.count_scaling(name, 0, 1, "queue");
        self.set_desired_capacity(name, 1, cause, now);
    }

    pub(super) fn take_in(&mut self, scrape: &Scrape) {
        let now = self.clock.now().mono;
        if let Some(reading) = scrape.host {
            self.hosts.record(&scrape.source, reading, now);
        }
        for (name, group) in &mut self.groups {
            // Without a quota an instance is measured against one core.
            let cores = group.launch_template.quota_cores().unwrap_or(1.0);
            for instance in group.instances.values_mut() {
                if instance
                    .cpu
                    .record(scrape, &instance.metric_ids, cores, now)
                {
                    self.attention.call(name);
                }
            }
        }
    }

    fn report_stale(&mut self, name: &str, stale: bool, now: Now) {
        let message = stale.then(|| {
            "no fresh CPU figures of some instances: the group does not scale in; check that the agent runs (minicloud agent, or docker compose ps agent)".to_owned()
        });
        if self
            .conditions
            .set(name, ConditionKind::MetricsStale, message, now.wall)
        {
            info!(
                asg.name = name,
                stale, "freshness of the CPU figures changed"
            );
        }
    }
}

fn tracked(instance: &Instance, warmup: Duration, now: Instant) -> TrackedInstance<'_> {
    TrackedInstance {
        id: &instance.id,
        cpu: &instance.cpu,
        warm_since: instance.warm_since(warmup, now),
    }
}
