//! The loop: observe, decide, plan, execute, record. Woken by a timer and by whatever may
//! have changed, it is told nothing of what did: each pass looks at everything, so that the
//! first pass after a crash is a pass like any other. One pass at a time; no retry hides in
//! one: what failed is left to the next, after a delay.

mod apply;
mod execute;
mod publish;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, timeout},
};
use tracing::{info, warn};

use crate::{
    autoscaler::Shutdown,
    command::Command,
    conditions::Conditions,
    config::Config,
    crash_point::CrashPoint,
    describe::{ConditionKind, Decision, DecisionInputs, View},
    group::{Group, Instance},
    instance::InstanceId,
    ledger::Ledger,
    load_balancer_link::LoadBalancerDesk,
    metric::Scrape,
    metrics::Metrics,
    now::{Clock, Now},
    observe::{Sight, observe},
    operations::Operations,
    plan::plan,
    policy::{self, Observation, TrackedInstance},
    provider::{InstanceProvider, ObservedInstance, ProviderError},
    reload::ConfigWatch,
    state_dir::StateDir,
    target_health::TargetHealthIndex,
};

const TICK: Duration = Duration::from_secs(1);
/// A source of changes that never rests must not turn the loop into a busy one.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// How often the provider is asked where nothing hints at a change.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(5);
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(10);
const PROVIDER_FIRST_DELAY: Duration = Duration::from_secs(1);
const PROVIDER_LONGEST_DELAY: Duration = Duration::from_secs(15);

pub(crate) struct Reconciler<P, C> {
    pub(crate) provider: Arc<P>,
    pub(crate) clock: C,
    pub(crate) ledger: Ledger,
    pub(crate) config: Config,
    pub(crate) config_watch: ConfigWatch,
    pub(crate) desk: LoadBalancerDesk,
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) metrics: Metrics,
    pub(crate) crash_at: Option<CrashPoint>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) conditions: Conditions,
    pub(crate) rng: SmallRng,
    operations: Operations,
    observation: ProviderObservation,
    /// Locked as long as the loop lives.
    _state_dir: StateDir,
}

/// The parts that a [`Reconciler`] is put together from.
pub(crate) struct Parts<P, C> {
    pub(crate) provider: Arc<P>,
    pub(crate) clock: C,
    pub(crate) ledger: Ledger,
    pub(crate) config: Config,
    pub(crate) config_watch: ConfigWatch,
    pub(crate) desk: LoadBalancerDesk,
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) metrics: Metrics,
    pub(crate) seed: u64,
    pub(crate) crash_at: Option<CrashPoint>,
    pub(crate) state_dir: StateDir,
}

/// What reaches the loop from outside.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) scrapes: mpsc::Receiver<Scrape>,
    pub(crate) shutdown: oneshot::Receiver<Shutdown>,
}

/// The provider's last answer, and when to ask again.
#[derive(Debug, Default)]
struct ProviderObservation {
    instances: BTreeMap<InstanceId, ObservedInstance>,
    at: Option<Instant>,
    /// Something hints at a change.
    due: bool,
    failures: u32,
    /// Not asked, and nothing asked of it, before this.
    not_before: Option<Instant>,
}

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(crate) fn new(parts: Parts<P, C>) -> Self {
        let Parts {
            provider,
            clock,
            ledger,
            config,
            config_watch,
            desk,
            view,
            metrics,
            seed,
            crash_at,
            state_dir,
        } = parts;
        Self {
            provider,
            clock,
            ledger,
            config,
            config_watch,
            desk,
            view,
            metrics,
            crash_at,
            groups: BTreeMap::new(),
            conditions: Conditions::default(),
            rng: SmallRng::seed_from_u64(seed),
            operations: Operations::default(),
            observation: ProviderObservation::default(),
            _state_dir: state_dir,
        }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let provider = Arc::clone(&self.provider);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let how = loop {
            tokio::select! {
                how = &mut inbox.shutdown => break how.unwrap_or(Shutdown::Keep),
                outcome = self.operations.next() => self.conclude(outcome),
                Some(command) = inbox.commands.recv() => self.obey(command),
                Some(scrape) = inbox.scrapes.recv() => self.take_in(&scrape),
                () = provider.changed() => self.observation.due = true,
                Ok(()) = self.desk.reports.changed() => {}
                _ = ticks.tick() => self.reload(),
            }
            self.pass().await;
            tokio::time::sleep(LEAST_PAUSE).await;
        };
        self.stop(how).await;
    }

    async fn pass(&mut self) {
        self.metrics.count_pass();
        let now = self.clock.now();
        let seen = self.look(now).await;
        if seen {
            let names: Vec<String> = self.groups.keys().cloned().collect();
            for name in names {
                self.reconcile_group(&name, now);
            }
        }
        self.publish(now);
    }

    /// Asks the provider where that is due. False: it cannot be relied on now, so nothing is
    /// concluded and nothing done.
    async fn look(&mut self, now: Now) -> bool {
        if self.observation.not_before.is_some_and(|at| now.mono < at) {
            return false;
        }
        let fresh = self
            .observation
            .at
            .is_some_and(|at| now.mono - at < OBSERVE_INTERVAL);
        let booting = self.groups.values().any(Group::is_settling);
        if fresh && !self.observation.due && !booting {
            return true;
        }
        let listed = timeout(OBSERVE_TIMEOUT, self.provider.list())
            .await
            .unwrap_or_else(|_| {
                Err(ProviderError::Unreachable(format!(
                    "no answer within {} s",
                    OBSERVE_TIMEOUT.as_secs()
                )))
            });
        match listed {
            Ok(instances) => {
                self.provider_answered(now);
                self.see(instances, now);
                true
            }
            Err(error) => {
                self.provider_failed(&error.to_string(), now);
                false
            }
        }
    }

    fn see(&mut self, instances: Vec<ObservedInstance>, now: Now) {
        self.observation.at = Some(now.mono);
        self.observation.due = false;
        for instance in &instances {
            if !self.groups.contains_key(&instance.auto_scaling_group) {
                self.retire_unknown(&instance.auto_scaling_group);
            }
        }
        self.observation.instances = instances
            .into_iter()
            .map(|instance| (instance.instance_id.clone(), instance))
            .collect();
    }

    fn provider_answered(&mut self, now: Now) {
        self.observation.failures = 0;
        self.observation.not_before = None;
        if self
            .conditions
            .set("", ConditionKind::ProviderUnavailable, None, now.wall)
        {
            info!("the provider answers again");
        }
    }

    fn provider_failed(&mut self, error: &str, now: Now) {
        let doubled = PROVIDER_FIRST_DELAY.saturating_mul(1 << self.observation.failures.min(5));
        let delay = doubled
            .min(PROVIDER_LONGEST_DELAY)
            .mul_f64(self.rng.random_range(0.8..1.2));
        self.observation.failures += 1;
        self.observation.due = true;
        self.observation.not_before = Some(now.mono + delay);
        let message = format!("{error}; nothing is launched or terminated until it answers");
        if self.conditions.set(
            "",
            ConditionKind::ProviderUnavailable,
            Some(message),
            now.wall,
        ) {
            warn!(error, "the provider does not answer");
        }
    }

    fn reconcile_group(&mut self, name: &str, now: Now) {
        let report = self.desk.reports.borrow().clone();
        let targets = TargetHealthIndex::new(report.as_ref(), now.mono);
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let of_group =
            |(_, instance): &(&InstanceId, &ObservedInstance)| instance.auto_scaling_group == name;
        let observed = self.observation.instances.iter().filter(of_group);
        let observed = observed
            .map(|(id, instance)| (id.clone(), instance.clone()))
            .collect();
        let sight = Sight {
            observed: &observed,
            targets: &targets,
            busy: self.operations.busy(),
        };
        for change in observe(group, &sight, now) {
            self.record_change(name, change, now);
        }
        self.decide(name, now);
        let Some(group) = self.groups.get(name) else {
            return;
        };
        for action in plan(group, &targets, self.operations.busy(), now.mono) {
            self.execute(name, action, now);
        }
        self.report_launches(name, now);
        if self
            .groups
            .get(name)
            .is_some_and(|group| group.retired && group.instances.is_empty())
        {
            self.groups.remove(name);
            self.conditions.forget(name);
            self.metrics.forget_group(name);
        }
    }

    /// Lets the group's policies speak: out if any wants more, in only as far as all agree.
    fn decide(&mut self, name: &str, now: Now) {
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

    fn take_in(&mut self, scrape: &Scrape) {
        let now = self.clock.now().mono;
        for group in self.groups.values_mut() {
            // Without a quota an instance is measured against one core.
            let cores = group.launch_template.cpus.unwrap_or(1.0);
            for instance in group.instances.values_mut() {
                instance
                    .cpu
                    .record(scrape, &instance.metric_ids, cores, now);
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
