//! The loop: observe, decide, plan, execute, record. Woken by a timer and by whatever may
//! have changed, a pass looks at the groups of which something was heard or whose time has come
//! ([`attention`]). A look is told nothing of what changed: it takes in everything of its group,
//! so that the first one after a crash is a look like any other. One pass at a time; no retry
//! hides in one: what failed is left to the next, after a delay.

mod adoption;
mod applied;
mod apply;
mod ask_busy;
mod attention;
mod capacity;
mod customized;
mod decide;
mod execute;
mod foreign;
mod hold_back;
mod instance_faults;
mod instance_refresh;
mod key_pairs;
mod launch_templates;
mod look;
mod notify;
mod policies;
mod protection;
mod publish;
mod published;
mod recall;
mod schedule;
mod security_groups;
mod standby;
mod suspension;
mod zone_refusal;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rand::{SeedableRng, rngs::SmallRng};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior},
};

use self::{
    adoption::Adoption, attention::Attention, customized::Customized, look::ProviderObservation,
    published::Published,
};
use crate::{
    autoscaler::Shutdown,
    busy_probe::BusyProbe,
    command::Command,
    conditions::Conditions,
    config::{Config, ProviderKind},
    crash_point::Crash,
    customized_metric::{CustomizedMetricsDesk, Reading},
    describe::View,
    events::EventLog,
    group::Group,
    headroom::Hosts,
    ledger::Ledger,
    load_balancer_link::{LoadBalancerDesk, ReceivedReport},
    metric::Scrape,
    metrics::Metrics,
    notification::Courier,
    now::{Clock, Now},
    observe::{Change, Sight, observe},
    operations::Operations,
    plan::{Circumstances, Plan, plan},
    provider::InstanceProvider,
    reload::ConfigWatch,
    schedule::ScheduleJournal,
    security_group::SecurityGroup,
    state_dir::StateDir,
    target_health::TargetHealthIndex,
};

const TICK: Duration = Duration::from_secs(1);
/// A source of changes that never rests must not turn the loop into a busy one.
const LEAST_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Reconciler<P, C> {
    pub(crate) provider: Arc<P>,
    pub(crate) clock: C,
    pub(crate) ledger: Ledger,
    /// In force: what the file says, or what was applied, and what is adopted.
    pub(crate) config: Config,
    /// Without what is adopted.
    pub(crate) file_config: Config,
    pub(crate) config_watch: ConfigWatch,
    pub(crate) desk: LoadBalancerDesk,
    pub(crate) view: watch::Sender<Arc<View>>,
    pub(crate) metrics: Metrics,
    pub(crate) crash_at: Option<Crash>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) conditions: Conditions,
    pub(crate) rng: SmallRng,
    /// As the API shows them.
    security_groups: Arc<Vec<SecurityGroup>>,
    adoption: Adoption,
    attention: Attention,
    published: Published,
    pub(crate) hosts: Hosts,
    pub(crate) busy_probe: Arc<dyn BusyProbe>,
    events: EventLog,
    /// By group.
    schedules: BTreeMap<String, ScheduleJournal>,
    courier: Courier,
    /// Why the last notification of a group was not taken by an endpoint, while that lasts.
    undelivered: BTreeMap<(String, String), String>,
    operations: Operations,
    observation: ProviderObservation,
    /// The balancer's report that the passes so far have seen.
    report: Option<ReceivedReport>,
    provider_kind: ProviderKind,
    customized: Customized,
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
    pub(crate) events: EventLog,
    pub(crate) courier: Courier,
    pub(crate) seed: u64,
    pub(crate) busy_probe: Arc<dyn BusyProbe>,
    pub(crate) crash_at: Option<Crash>,
    pub(crate) state_dir: StateDir,
    pub(crate) provider_kind: ProviderKind,
    pub(crate) customized_metrics: CustomizedMetricsDesk,
}

/// What reaches the loop from outside.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) scrapes: mpsc::Receiver<Scrape>,
    pub(crate) readings: mpsc::Receiver<Reading>,
    pub(crate) shutdown: oneshot::Receiver<Shutdown>,
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
            events,
            courier,
            seed,
            busy_probe,
            crash_at,
            state_dir,
            provider_kind,
            customized_metrics,
        } = parts;
        Self {
            provider,
            clock,
            ledger,
            file_config: config.clone(),
            config,
            config_watch,
            desk,
            view,
            metrics,
            crash_at,
            groups: BTreeMap::new(),
            conditions: Conditions::new(events.clone()),
            rng: SmallRng::seed_from_u64(seed),
            security_groups: Arc::default(),
            adoption: Adoption::default(),
            attention: Attention::default(),
            published: Published::default(),
            hosts: Hosts::default(),
            busy_probe,
            events,
            schedules: BTreeMap::new(),
            courier,
            undelivered: BTreeMap::new(),
            operations: Operations::default(),
            observation: ProviderObservation::default(),
            report: None,
            provider_kind,
            customized: Customized::new(customized_metrics),
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
                // Fairness is `catch_up`'s; a wish to stop goes first.
                biased;
                how = &mut inbox.shutdown => break how.unwrap_or(Shutdown::Keep),
                outcome = self.operations.next() => self.conclude(outcome),
                Some(command) = inbox.commands.recv() => self.obey(command),
                Some(scrape) = inbox.scrapes.recv() => self.take_in(&scrape),
                Some(reading) = inbox.readings.recv() => self.take_reading(reading),
                () = provider.changed() => self.observation.due = true,
                Ok(()) = self.desk.reports.changed() => {}
                _ = ticks.tick() => {}
            }
            self.catch_up(&mut inbox);
            self.pass().await;
            tokio::time::sleep(LEAST_PAUSE).await;
        };
        self.stop(how).await;
    }

    /// Takes in whatever else has arrived: with a slow provider every source is ready after
    /// each pass, and one event a pass would let the unlucky ones starve.
    fn catch_up(&mut self, inbox: &mut Inbox) {
        while let Some(outcome) = self.operations.try_next() {
            self.conclude(outcome);
        }
        while let Ok(command) = inbox.commands.try_recv() {
            self.obey(command);
        }
        while let Ok(scrape) = inbox.scrapes.try_recv() {
            self.take_in(&scrape);
        }
        while let Ok(reading) = inbox.readings.try_recv() {
            self.take_reading(reading);
        }
        self.reload();
    }

    /// Takes in the balancer's report, or that there is none any more.
    fn hear(&mut self, now: Now) {
        let heard = self.desk.reports.borrow_and_update().clone();
        let fresh = TargetHealthIndex::new(heard.as_ref(), now.mono);
        let known = TargetHealthIndex::as_was(self.report.as_ref());
        if fresh.is_reported() != known.is_reported() {
            self.attention.call_all(self.groups.keys());
        }
        let changed = fresh.changed(&known);
        for (name, group) in &self.groups {
            let target_groups = &group.spec.target_groups;
            if target_groups.iter().any(|of| changed.contains(of.as_str())) {
                self.attention.call(name);
            }
        }
        for name in changed {
            self.published.describe_target_group(name, &fresh);
        }
        let is_fresh = fresh.is_reported();
        self.report = heard.filter(|_| is_fresh);
    }

    async fn pass(&mut self) {
        let started = Instant::now();
        self.observation.waited = Duration::ZERO;
        let seen = self.look(self.clock.now()).await;
        // The provider may have taken its time: what is decided now is published now.
        let now = self.clock.now();
        self.hear(now);
        self.run_scheduled_actions(now);
        let taken = self.attention.take(now.mono);
        for name in &taken {
            if seen {
                self.reconcile_group(name, now);
            }
            if let Some(group) = self.groups.get(name) {
                self.attention.put(name, group.is_calm(now.mono), now.mono);
            }
        }
        self.notify(now);
        self.ledger.forget_old(now);
        self.publish(&taken, now);
        let took = started.elapsed().saturating_sub(self.observation.waited);
        self.metrics.observe_pass(took, now.wall);
    }

    fn reconcile_group(&mut self, name: &str, now: Now) {
        let report = self.report.clone();
        let targets = TargetHealthIndex::as_was(report.as_ref());
        let waits = |group: &Group| self.may_come_back(group, now);
        if self.groups.get(name).is_some_and(waits) {
            return;
        }
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let none = BTreeMap::new();
        let sight = Sight {
            observed: self.observation.instances.get(name).unwrap_or(&none),
            targets: &targets,
            busy: self.operations.busy(),
        };
        let was_new = std::mem::take(&mut group.is_new);
        for change in observe(group, was_new, &sight, now) {
            let adopted = match &change {
                Change::Adopted(id) => Some(id.clone()),
                _ => None,
            };
            self.record_change(name, change, now);
            if let Some(id) = adopted {
                self.weigh_adoption(name, &id, was_new, now);
            }
        }
        self.report_foreign_changes(name, now);
        self.observe_signals(name, &targets, now);
        let undecided = self.decide(name, now);
        let asleep = self.wake(name, &targets, now);
        self.follow_instance_refresh(name, &targets, now);
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let reserve = &self.config.host_headroom;
        let host = self.hosts.gate(&group.launch_template, reserve, now.mono);
        let around = Circumstances {
            targets: &targets,
            calls: self.operations.busy(),
            host_saturated: host.as_ref().err().map(String::as_str),
            now: now.mono,
        };
        let Plan {
            actions,
            mut held_back,
            refresh_waits,
        } = plan(group, around, &mut self.rng);
        if actions.is_empty() && group.has_desired_capacity() {
            // What comes from now on has another cause.
            group.capacity_cause.clear();
        }
        held_back.extend(undecided.into_iter().chain(asleep));
        self.report_held_back(name, &held_back, now);
        self.note_refresh(name, refresh_waits, &actions, now);
        for action in actions {
            self.execute(name, action, now);
        }
        self.report_launches(name, now);
        self.report_instance_faults(name, now);
        if self
            .groups
            .get(name)
            .is_some_and(|group| group.retired && group.instances.is_empty())
        {
            self.groups.remove(name);
            self.forget_suspended(name);
            self.conditions.forget(name);
            self.metrics.forget_group(name);
            self.attention.forget(name);
            self.groups_changed();
        }
    }
}
