//! The one task that decides: it merges snapshots and health into routing, keeps probers and
//! listeners as they should be, and reports. Workers only read what it publishes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{OptionFuture, join_all};
use minicloud_lb_api::{HealthCheck, Report, Snapshot};
use rand::rngs::SmallRng;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    audit,
    balancer::Rule,
    fault::sentence,
    health::prober::{self, HealthEvent},
    listener::{self, BindError},
    registry::Registry,
    routing::Route,
    shared::Shared,
    worker::Command,
};

/// Health news that wait to be read; there is at most one a target and change.
const EVENT_QUEUE: usize = 256;
/// How often counts are reported and failed ports tried again.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Control {
    shared: Arc<Shared>,
    /// The snapshot in force.
    applied: Arc<Snapshot>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    workers: Vec<mpsc::Sender<Command>>,
    registry: Registry,
    drained: Arc<Notify>,
    probers: HashMap<u64, Prober>,
    prober_tasks: JoinSet<()>,
    events: (mpsc::Sender<HealthEvent>, mpsc::Receiver<HealthEvent>),
    listening: BTreeSet<u16>,
    bind_faults: BTreeMap<u16, BindError>,
    report: watch::Sender<Arc<Report>>,
}

struct Prober {
    check: watch::Sender<HealthCheck>,
    task: AbortHandle,
}

impl Control {
    pub(crate) fn new(
        shared: Arc<Shared>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        workers: Vec<mpsc::Sender<Command>>,
        report: watch::Sender<Arc<Report>>,
    ) -> Self {
        let drained = Arc::new(Notify::new());
        Self {
            applied: Arc::default(),
            snapshots,
            workers,
            registry: Registry::new(
                Arc::clone(&drained),
                shared.config.availability_zone.clone(),
            ),
            drained,
            probers: HashMap::new(),
            prober_tasks: JoinSet::new(),
            events: mpsc::channel(EVENT_QUEUE),
            listening: BTreeSet::new(),
            bind_faults: BTreeMap::new(),
            report,
            shared,
        }
    }

    /// Runs until `shutdown`. `bound` are the first snapshot's sockets, a list a worker and port.
    pub(crate) async fn run(
        mut self,
        first: Arc<Snapshot>,
        bound: Vec<(u16, listener::Sockets)>,
        shutdown: CancellationToken,
    ) {
        self.registry.apply(&first, Instant::now());
        self.note_changes(&first);
        self.reconcile_probers();
        tokio::select! {
            () = self.know_targets() => {}
            () = shutdown.cancelled() => return,
        }
        self.publish().await;
        for (port, sockets) in bound {
            self.hand_out(port, sockets).await;
        }
        self.reconcile_listeners().await;
        self.publish().await;
        tokio::select! {
            () = self.follow() => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Waits for a first word on each target, so that the first request finds them.
    async fn know_targets(&mut self) {
        let patience = Instant::now() + self.shared.config.timeouts.first_probe;
        while !self.registry.is_known() {
            match timeout_at(patience, self.events.1.recv()).await {
                Ok(Some(event)) => {
                    self.registry
                        .note_health(event.uid, event.health, Instant::now());
                }
                _ => return,
            }
        }
    }

    async fn follow(&mut self) {
        let mut refresh = interval(REFRESH_INTERVAL);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_source = true;
        loop {
            let next_cut = OptionFuture::from(self.registry.next_cut().map(sleep_until));
            tokio::select! {
                changed = self.snapshots.changed(), if has_source => match changed {
                    Ok(()) => self.apply().await,
                    // Whoever sent snapshots is gone: the last one stands.
                    Err(_) => has_source = false,
                },
                Some(event) = self.events.1.recv() => self.note_health(event),
                () = self.drained.notified() => {}
                Some(()) = next_cut => {}
                now = refresh.tick() => {
                    self.registry.judge(now);
                    for route in &self.shared.routing.load().routes {
                        route.listener.forget_idle_clients();
                    }
                    self.reconcile_listeners().await;
                }
            }
            self.publish().await;
        }
    }

    async fn apply(&mut self) {
        let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
        self.registry.apply(&snapshot, Instant::now());
        self.note_changes(&snapshot);
        self.shared.metrics.snapshots_applied.inc();
        tracing::debug!(version = snapshot.version, "snapshot applied");
        self.reconcile_probers();
        // First, so that nothing is sent to targets that are about to go.
        self.publish_routing();
        let routing = self.shared.routing.load();
        let rules = routing.routes.iter().flat_map(Route::rule_keys);
        self.shared.metrics.retain_rules(&rules.collect());
        self.reconcile_listeners().await;
        self.tell_all(|| Command::Sweep).await;
    }

    /// One line a change, so that the log tells later what was in force when.
    fn note_changes(&mut self, next: &Arc<Snapshot>) {
        for change in audit::changes(&self.applied, next) {
            let kind = change.kind.as_str();
            tracing::info!(version = next.version, kind, "{}", change.text);
            self.shared.metrics.count_change(kind);
        }
        self.applied = Arc::clone(next);
    }

    fn note_health(&mut self, event: HealthEvent) {
        let now = Instant::now();
        self.registry.note_health(event.uid, event.health, now);
        while let Ok(event) = self.events.1.try_recv() {
            self.registry.note_health(event.uid, event.health, now);
        }
        self.publish_routing();
    }

    /// Starts and stops probers until exactly the targets that may serve are checked.
    fn reconcile_probers(&mut self) {
        let checked = self.registry.checked();
        let wanted: BTreeSet<u64> = checked.iter().map(|checked| checked.target.uid).collect();
        self.probers.retain(|uid, prober| {
            let is_wanted = wanted.contains(uid);
            if !is_wanted {
                prober.task.abort();
            }
            is_wanted
        });
        for checked in checked {
            if let Some(prober) = self.probers.get(&checked.target.uid) {
                prober.check.send_if_modified(|current| {
                    let is_new = *current != checked.check;
                    current.clone_from(&checked.check);
                    is_new
                });
                continue;
            }
            let uid = checked.target.uid;
            let (check, settings) = watch::channel(checked.check);
            let events = self.events.0.clone();
            let probing = prober::run(checked.target, checked.address, settings, events);
            let task = self.prober_tasks.spawn(probing);
            self.probers.insert(uid, Prober { check, task });
        }
        while self.prober_tasks.try_join_next().is_some() {}
    }

    /// Opens and closes ports until they are the snapshot's; what fails is a fault and is
    /// tried again.
    async fn reconcile_listeners(&mut self) {
        let wanted = self.registry.ports();
        for port in &self.listening - &wanted {
            self.listening.remove(&port);
            self.tell_all(|| Command::Unlisten(port)).await;
            tracing::info!(port, "listener closed");
        }
        self.bind_faults.retain(|port, _| wanted.contains(port));
        for port in &wanted - &self.listening {
            match listener::bind(&self.shared.config.bind, port, self.workers.len()) {
                Ok(sockets) => {
                    self.bind_faults.remove(&port);
                    self.hand_out(port, sockets).await;
                }
                Err(error) => {
                    if self.bind_faults.insert(port, error).is_none() {
                        let error = self.bind_faults.get(&port).map(ToString::to_string);
                        tracing::error!(
                            port,
                            error,
                            "listener cannot be opened; will be tried again"
                        );
                    }
                }
            }
        }
    }

    async fn hand_out(&mut self, port: u16, sockets: listener::Sockets) {
        self.listening.insert(port);
        tracing::info!(port, "listener opened");
        let told = self.workers.iter().zip(sockets);
        join_all(told.map(|(worker, sockets)| worker.send(Command::Listen(port, sockets)))).await;
    }

    async fn tell_all(&self, command: impl Fn() -> Command) {
        join_all(self.workers.iter().map(|worker| worker.send(command()))).await;
    }

    /// Lets the workers and the report's readers know what is.
    async fn publish(&mut self) {
        if self.registry.expire(Instant::now()) {
            self.tell_all(|| Command::Sweep).await;
        }
        self.publish_routing();
        let faults = self.bind_faults.values().map(|fault| sentence(fault));
        let mut report = self.registry.report(faults, Instant::now());
        report.request_failures = self.shared.failures.reported();
        for group in &mut report.target_groups {
            let metrics = self.shared.metrics.group(&group.target_group);
            group.requests = metrics.statistics().map(Box::new);
        }
        self.export(&report);
        self.report.send_if_modified(|current| {
            let is_new = **current != report;
            if is_new {
                *current = Arc::new(report);
            }
            is_new
        });
    }

    fn publish_routing(&self) {
        self.store_routing();
        self.registry.close_draining();
    }

    fn store_routing(&self) {
        let routing = Arc::new(self.registry.routing(&self.shared.metrics));
        let before = self.shared.routing.load();
        for (name, group) in &routing.groups {
            let failed_open = before
                .groups
                .get(name)
                .is_some_and(|group| group.rule == Rule::FailOpen);
            if group.rule == Rule::FailOpen && !failed_open {
                tracing::warn!(
                    target_group.name = name,
                    "too few targets are healthy; unhealthy ones serve (fail open)"
                );
            } else if failed_open && group.rule != Rule::FailOpen {
                tracing::info!(target_group.name = name, "fail open has ended");
            }
        }
        self.registry.mark_serving(&routing);
        self.shared.routing.store(Arc::clone(&routing));
        let now = Instant::now();
        let mut rng: SmallRng = rand::make_rng();
        for group in routing.groups.values() {
            group.serve_waiting(now, &mut rng);
        }
    }

    fn export(&self, report: &Report) {
        let (groups, targets) = self.registry.samples(Instant::now());
        self.shared.metrics.export(groups, targets);
        let faults = i64::try_from(report.faults.len()).unwrap_or(i64::MAX);
        self.shared.metrics.snapshot_faults.set(faults);
    }
}
