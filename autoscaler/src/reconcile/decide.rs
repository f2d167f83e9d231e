//! What the policies see, and what becomes of what they say.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tracing::info;

use super::Reconciler;
use crate::{
    config::Pace,
    describe::{ConditionKind, Decision, DecisionInputs, PolicyDecision},
    group::{Group, Instance},
    instance::LifecycleState,
    metric::{GaugeSeries, Scrape},
    metrics::ScalingCause,
    now::{Clock, Now},
    plan::HeldBack,
    policy::{self, Evaluation, Observation, TrackedInstance, Verdict},
    provider::InstanceProvider,
    scaling_policy::{CustomizedMetric, ScalingPolicy},
    scaling_process::ScalingProcess,
    target_health::TargetHealthIndex,
    wake::wake,
};

/// What a group's CPU figure is the mean of.
const CPU_WINDOW: Duration = Duration::from_secs(30);

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Lets the group's policies speak, and acts on what they come to; tells what keeps it from
    /// doing so.
    pub(super) fn decide(&mut self, name: &str, now: Now) -> Option<HeldBack> {
        let pace = self.config.pace;
        let group = self.groups.get_mut(name)?;
        group.cpu_utilization = group.mean_cpu(now);
        let mut state = std::mem::take(&mut group.policies);
        let policies = &group.spec.scaling_policies;
        let verdict = group.observed(pace, &self.customized.series, now, |observation| {
            policy::evaluate(policies, observation, &mut state)
        });
        group.policies = state;
        let stale = verdict.evaluations.iter().any(|each| each.stale);
        self.record_alarms(name);
        let held_back = self.act_on(name, verdict, now);
        self.report_stale(name, stale, now);
        self.report_unread(name, now);
        held_back
    }

    fn act_on(&mut self, name: &str, mut verdict: Verdict, now: Now) -> Option<HeldBack> {
        let group = self.groups.get_mut(name)?;
        let index = verdict.chosen?;
        let before = group.capacity.desired_capacity;
        let process = ScalingProcess::AlarmNotification;
        if let Some(suspended) = group.suspended_processes.sentence(process)
            && verdict.desired_capacity != before
        {
            verdict.reason += &format!("; held back: {suspended}");
            verdict.desired_capacity = before;
            group.decision = Some(Arc::new(decision(group, verdict, index, now)));
            return Some(HeldBack::ProcessSuspended(process));
        }
        let after = verdict.desired_capacity;
        let made = Arc::new(decision(group, verdict, index, now));
        let decision = group.decision.insert(made);
        if before != after {
            let cause = format!(
                "policy {} changed the desired capacity from {before} to {after}: {}",
                decision.policy_name, decision.reason
            );
            let policy = group.spec.scaling_policies[index].clone();
            info!(asg.name = name, cause, "desired capacity changed");
            self.metrics
                .count_scaling(name, before, after, ScalingCause::Policy);
            self.set_desired_capacity(name, after, cause, now);
            self.begin_cooldown(name, &policy);
        }
        None
    }

    /// Takes in what the balancer reports of the group's targets and queues.
    pub(super) fn observe_signals(
        &mut self,
        name: &str,
        targets: &TargetHealthIndex<'_>,
        now: Now,
    ) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let target_groups = &group.spec.target_groups;
        if target_groups.is_empty() || !targets.is_reported() {
            return;
        }
        let of_group = targets.of_groups(target_groups);
        let in_service = |instance: &&mut Instance| instance.is_in_service();
        for instance in group.instances.values_mut().filter(in_service) {
            let mut in_flight = None;
            for target in of_group.get(&instance.id).flatten() {
                #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
                let count = target.request_count as f64;
                let signals = &mut instance.signals;
                signals.record_requests(&target.target_group, count, now.mono);
                *in_flight.get_or_insert(0) += target.in_flight;
            }
            if let Some(in_flight) = in_flight {
                #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
                instance
                    .signals
                    .in_flight
                    .record(now.mono, in_flight as f64);
            }
        }
        let queues: Vec<_> = target_groups
            .iter()
            .filter_map(|target_group| targets.queue(target_group))
            .collect();
        if !queues.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let length = queues.iter().map(|queue| queue.queue_length).sum::<u64>() as f64;
            let waits = queues.iter().map(|queue| queue.queue_wait_seconds);
            let signals = &mut group.signals;
            signals.queue_length.record(now.mono, length);
            signals
                .queue_wait_seconds
                .record(now.mono, waits.fold(0.0, f64::max));
        }
        let limits = target_groups.iter().filter_map(|target_group| {
            let attributes = &self.config.target_groups.get(target_group)?.attributes;
            attributes.max_requests_per_target
        });
        group.signals.max_requests_per_target = limits.min();
    }

    /// Lets a group of zero instances have one where requests wait for it.
    pub(super) fn wake(
        &mut self,
        name: &str,
        targets: &TargetHealthIndex<'_>,
        now: Now,
    ) -> Option<HeldBack> {
        let group = self.groups.get(name)?;
        let is_served = |target_group: &str| {
            let mut others = self.groups.iter().filter(|(other, _)| *other != name);
            let by_hand = self.config.target_groups.get(target_group);
            by_hand.is_some_and(|group| !group.targets.is_empty())
                || others.any(|(_, other)| {
                    other.capacity.desired_capacity > 0
                        && other.spec.target_groups.iter().any(|g| g == target_group)
                })
        };
        let cause = wake(group, targets, is_served)?;
        if group.suspends(ScalingProcess::AlarmNotification) {
            let process = ScalingProcess::AlarmNotification;
            return Some(HeldBack::ProcessSuspended(process));
        }
        info!(asg.name = name, cause, "desired capacity changed");
        self.metrics.count_scaling(name, 0, 1, ScalingCause::Queue);
        self.set_desired_capacity(name, 1, cause, now);
        None
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
                instance.signals.record(scrape, &instance.metric_ids, now);
            }
        }
    }

    fn report_stale(&mut self, name: &str, stale: bool, now: Now) {
        let message = stale.then(|| {
            "no fresh figures of some instances: the group does not scale in; check that the agent runs (minicloud agent, or docker compose ps agent), and what else its policies' metrics come from".to_owned()
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

impl Group {
    /// What a policy sees of the group.
    pub(super) fn observed<R>(
        &self,
        pace: Pace,
        customized: &BTreeMap<CustomizedMetric, GaugeSeries>,
        now: Now,
        look: impl FnOnce(&Observation<'_>) -> R,
    ) -> R {
        let in_service = self.instances.values().filter_map(|instance| {
            let sound = instance.is_in_service() && instance.unhealthy.is_none();
            Some(TrackedInstance {
                id: &instance.id,
                cpu: &instance.cpu,
                signals: &instance.signals,
                in_service_since: instance.in_service_since.filter(|_| sound)?,
            })
        });
        let mut instances = Vec::with_capacity(self.instances.len());
        instances.extend(in_service);
        let counts = self.state_counts();
        look(&Observation {
            pace,
            capacity: self.capacity,
            default_instance_warmup: self.spec.default_instance_warmup,
            default_cooldown: self.spec.default_cooldown,
            instances: &instances,
            pending: counts.of(LifecycleState::Pending),
            terminating: counts.of(LifecycleState::Terminating)
                + counts.of(LifecycleState::EnteringStandby),
            settling: self.is_settling(),
            signals: &self.signals,
            customized,
            now,
        })
    }

    fn mean_cpu(&self, now: Now) -> Option<f64> {
        let warmup = self.spec.default_instance_warmup;
        let means = self.instances.values().filter_map(|instance| {
            let since = instance.warm_since(warmup, now.mono)?;
            let mean = instance.cpu.mean(now.mono, CPU_WINDOW, Some(since))?;
            (instance.is_in_service() && instance.unhealthy.is_none()).then_some(mean.percent)
        });
        let (sum, count) = means.fold((0.0, 0_u32), |(sum, count), mean| (sum + mean, count + 1));
        (count > 0).then(|| sum / f64::from(count))
    }
}

fn decision(group: &Group, verdict: Verdict, index: usize, now: Now) -> Decision {
    let chosen = &verdict.evaluations[index];
    let policies = group.spec.scaling_policies.iter();
    Decision {
        time: now.wall,
        policy_name: chosen.policy_name.clone(),
        desired_capacity_before: group.capacity.desired_capacity,
        desired_capacity: verdict.desired_capacity,
        reason: verdict.reason,
        inputs: DecisionInputs {
            target_value: chosen.threshold,
            metric_value: chosen.metric_value,
            instances: chosen.instances.clone(),
            min_size: group.capacity.min_size,
            max_size: group.capacity.max_size,
        },
        policies: policies
            .zip(&verdict.evaluations)
            .map(|(policy, evaluation)| of_policy(policy, evaluation))
            .collect(),
    }
}

fn of_policy(policy: &ScalingPolicy, evaluation: &Evaluation) -> PolicyDecision {
    PolicyDecision {
        policy_name: policy.name.clone(),
        policy_type: policy.policy_type().to_owned(),
        metric_name: policy.metric().to_string(),
        metric_value: evaluation.metric_value,
        threshold: evaluation.threshold,
        wanted: evaluation.wanted,
        reason: evaluation.reason.clone(),
    }
}
