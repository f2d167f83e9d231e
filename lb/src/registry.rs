//! What is registered: the last snapshot merged with what each target has become. No tasks,
//! no I/O; time is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicUsize},
};

use minicloud_lb_api::{
    Action, HealthCheck, Report, Snapshot, TargetDescription, TargetHealth, TargetHealthDescription,
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    balancer::{Member, Preference, eligible},
    health::{self, Health},
    metrics::Metrics,
    routing::{Group, Routing},
    target::{Endpoint, Target},
};

/// Group, target id, address: what makes a target the same one in the next snapshot.
type Key = (String, String, String);

#[derive(Debug, Default)]
pub(crate) struct Registry {
    version: u64,
    /// Ports with the group each forwards to.
    routes: Vec<(u16, String)>,
    groups: BTreeMap<String, RegisteredGroup>,
    targets: BTreeMap<Key, Registered>,
    /// What of the snapshot could not be taken in.
    faults: Vec<String>,
    next_uid: u64,
    drained: Arc<Notify>,
}

#[derive(Debug)]
struct RegisteredGroup {
    check: HealthCheck,
    deregistration_delay: std::time::Duration,
    /// A listener forwards to it.
    is_used: bool,
    turn: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Registered {
    target: Arc<Target>,
    availability_zone: Option<String>,
    is_used: bool,
    /// Still in the snapshot.
    is_listed: bool,
    health: Option<Health>,
    cut_at: Option<Instant>,
}

/// A target that should be checked, and how.
pub(crate) struct Checked {
    pub(crate) target: Arc<Target>,
    pub(crate) address: String,
    pub(crate) check: HealthCheck,
}

impl Registry {
    pub(crate) fn new(drained: Arc<Notify>) -> Self {
        Self {
            drained,
            ..Self::default()
        }
    }

    /// Takes in a snapshot. Targets that stay keep their health, connections and counts.
    pub(crate) fn apply(&mut self, snapshot: &Snapshot, now: Instant) {
        self.version = snapshot.version;
        self.faults.clear();
        self.apply_groups(snapshot);
        self.apply_listeners(snapshot);
        let mut listed = BTreeSet::new();
        for group in &snapshot.target_groups {
            for target in &group.targets {
                let key = (
                    group.name.clone(),
                    target.id.clone(),
                    target.address.clone(),
                );
                if listed.insert(key.clone()) {
                    self.apply_target(key, target, now);
                }
            }
        }
        self.deregister_unlisted(&listed, now);
    }

    fn apply_groups(&mut self, snapshot: &Snapshot) {
        let mut old = std::mem::take(&mut self.groups);
        for group in &snapshot.target_groups {
            let turn = old
                .remove(&group.name)
                .map(|known| known.turn)
                .unwrap_or_default();
            let registered = RegisteredGroup {
                check: group.health_check.clone(),
                deregistration_delay: group.deregistration_delay,
                is_used: false,
                turn,
            };
            if self.groups.insert(group.name.clone(), registered).is_some() {
                self.faults
                    .push(format!("target group `{}` is listed twice", group.name));
            }
        }
        // Groups that are gone matter until their last target is.
        let is_needed = |name: &String| self.targets.keys().any(|(group, ..)| group == name);
        self.groups
            .extend(old.into_iter().filter(|(name, _)| is_needed(name)).map(
                |(name, mut group)| {
                    group.is_used = false;
                    (name, group)
                },
            ));
    }

    fn apply_listeners(&mut self, snapshot: &Snapshot) {
        self.routes.clear();
        for listener in &snapshot.listeners {
            let Action::Forward(forward) = &listener.default_action else {
                continue;
            };
            let Some(group) = forward
                .target_groups
                .first()
                .map(|tuple| &tuple.target_group)
            else {
                continue;
            };
            if self.routes.iter().any(|(port, _)| *port == listener.port) {
                self.faults.push(format!(
                    "port {} has two listeners; the first one stands",
                    listener.port
                ));
                continue;
            }
            match self.groups.get_mut(group) {
                Some(group) => group.is_used = true,
                None => self.faults.push(format!(
                    "the listener of port {} forwards to `{group}`, which is no target group; it answers 503",
                    listener.port
                )),
            }
            self.routes.push((listener.port, group.clone()));
        }
    }

    fn apply_target(&mut self, key: Key, described: &minicloud_lb_api::Target, now: Instant) {
        let Some(endpoint) = Endpoint::parse(&described.address) else {
            self.faults.push(format!(
                "target `{}` of `{}` has the address `{}`, which is not host:port",
                described.id, key.0, described.address
            ));
            return;
        };
        let Some(group) = self.groups.get(&key.0) else {
            return;
        };
        // Registered anew after it drained: a new target, as at ELB. What the old one has in
        // flight ends by itself.
        if !described.draining
            && self.targets.get(&key).is_some_and(Registered::is_draining)
            && let Some(old) = self.targets.remove(&key)
        {
            old.target.drain();
        }
        let registered = self.targets.entry(key).or_insert_with(|| {
            self.next_uid += 1;
            let target = Target::new(
                self.next_uid,
                described,
                endpoint,
                Arc::clone(&self.drained),
            );
            Registered {
                target: Arc::new(target),
                availability_zone: None,
                is_used: false,
                is_listed: true,
                health: None,
                cut_at: None,
            }
        });
        registered
            .availability_zone
            .clone_from(&described.availability_zone);
        registered.is_used = group.is_used;
        registered.is_listed = true;
        if described.draining {
            registered.drain(now + group.deregistration_delay);
        }
    }

    fn deregister_unlisted(&mut self, listed: &BTreeSet<Key>, now: Instant) {
        for (key, registered) in &mut self.targets {
            if !listed.contains(key) {
                let delay = self
                    .groups
                    .get(&key.0)
                    .map(|group| group.deregistration_delay);
                registered.is_listed = false;
                registered.drain(now + delay.unwrap_or_default());
            }
        }
    }

    /// Closes draining targets to new claims. Comes after [`routing`](Self::routing) without
    /// them is published, so that a request refused here finds the others there, and before
    /// their count is reported.
    pub(crate) fn close_draining(&self) {
        for registered in self
            .targets
            .values()
            .filter(|registered| registered.is_draining())
        {
            registered.target.drain();
        }
    }

    /// Cuts what has drained for too long and forgets what is over; true if that changed
    /// anything workers should know.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mut has_cut = false;
        for registered in self.targets.values_mut() {
            let is_due = registered.cut_at.is_some_and(|at| at <= now);
            if is_due && !registered.target.is_cut() {
                registered.target.cut();
                has_cut = true;
                if registered.target.in_flight() > 0 {
                    tracing::warn!(
                        target.id = registered.target.id,
                        in_flight = registered.target.in_flight(),
                        "deregistration delay is over; what is in flight is cut"
                    );
                }
            }
        }
        self.targets
            .retain(|_, registered| registered.is_listed || registered.target.in_flight() > 0);
        has_cut
    }

    /// When the next deregistration delay ends.
    pub(crate) fn next_cut(&self) -> Option<Instant> {
        let pending = self
            .targets
            .values()
            .filter(|registered| !registered.target.is_cut());
        pending.filter_map(|registered| registered.cut_at).min()
    }

    /// Notes a prober's news.
    pub(crate) fn note_health(&mut self, uid: u64, health: Health) {
        let mut targets = self.targets.iter_mut();
        if let Some((key, registered)) =
            targets.find(|(_, registered)| registered.target.uid == uid)
        {
            let told = health.describe();
            tracing::info!(
                target_group.name = key.0,
                target.id = key.1,
                state = ?told.state,
                why = told.description,
                "target health changed"
            );
            registered.health = Some(health);
        }
    }

    /// Targets to be checked: all that may serve.
    pub(crate) fn checked(&self) -> Vec<Checked> {
        let serving = self
            .targets
            .iter()
            .filter(|(_, registered)| registered.may_serve());
        serving
            .filter_map(|(key, registered)| {
                Some(Checked {
                    target: Arc::clone(&registered.target),
                    address: key.2.clone(),
                    check: self.groups.get(&key.0)?.check.clone(),
                })
            })
            .collect()
    }

    /// Whether each target to be checked has been, once.
    pub(crate) fn is_known(&self) -> bool {
        let mut serving = self
            .targets
            .values()
            .filter(|registered| registered.may_serve());
        serving.all(|registered| registered.health.is_some())
    }

    /// The ports to listen on.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.routes.iter().map(|(port, _)| *port).collect()
    }

    pub(crate) fn routing(&self, metrics: &Metrics) -> Routing {
        let routes = self.routes.iter().filter_map(|(port, name)| {
            let registered = self.groups.get(name)?;
            let (rule, eligible) = eligible(&self.members(name), Preference::default());
            let group = Group {
                name: name.clone(),
                rule,
                eligible,
                turn: Arc::clone(&registered.turn),
                metrics: metrics.group(name),
            };
            Some((*port, Arc::new(group)))
        });
        Routing {
            routes: routes.collect(),
            group_names: self.groups.keys().cloned().collect(),
        }
    }

    fn members(&self, group: &str) -> Vec<Member<Arc<Target>>> {
        let targets = self.targets.iter().filter(|(key, _)| key.0 == group);
        let members = targets.map(|(_, registered)| Member {
            target: Arc::clone(&registered.target),
            state: registered.describe().state,
            is_ejected: false,
            is_near: true,
        });
        members.collect()
    }

    /// All that is known, with `faults` added to the snapshot's own.
    pub(crate) fn report(&self, faults: impl Iterator<Item = String>) -> Report {
        let targets = self
            .targets
            .iter()
            .map(|((group, id, address), registered)| {
                let target = &registered.target;
                TargetHealthDescription {
                    target_group: group.clone(),
                    target: TargetDescription {
                        id: id.clone(),
                        address: address.clone(),
                        port: target.endpoint.port(),
                        availability_zone: registered.availability_zone.clone(),
                    },
                    target_health: registered.describe(),
                    in_flight: target.in_flight(),
                    request_count: target.request_count(),
                    anomaly_detection: None,
                }
            });
        Report {
            snapshot_version: self.version,
            targets: targets.collect(),
            target_groups: Vec::new(),
            faults: self.faults.iter().cloned().chain(faults).collect(),
        }
    }
}

impl Registered {
    fn may_serve(&self) -> bool {
        self.is_used && !self.is_draining()
    }

    fn describe(&self) -> TargetHealth {
        if self.is_draining() {
            return health::draining();
        }
        match &self.health {
            _ if !self.is_used => health::unused(),
            Some(health) => health.describe(),
            None => health::registering(),
        }
    }

    fn is_draining(&self) -> bool {
        self.cut_at.is_some()
    }

    /// The delay counts from the first word of it.
    fn drain(&mut self, cut_at: Instant) {
        self.cut_at.get_or_insert(cut_at);
    }
}

#[cfg(test)]
mod tests;
