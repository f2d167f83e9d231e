//! What is registered: the last snapshot merged with what each target has become. No tasks,
//! no I/O; time is told.

mod registered;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use minicloud_lb_api::{
    HealthCheck, Report, Snapshot, TargetDescription, TargetHealthDescription, TargetState,
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    balancer::{
        Member, Preference,
        anomaly::{self, Observed, Standing, Verdict},
        eligible, slow_start,
    },
    group::GroupState,
    health::Health,
    metrics::{GroupSample, Metrics, TargetSample},
    routing::{Group, Listener, Route, Routing, Serving},
    rule::{CompiledAction, RuleSet},
    target::{Endpoint, Target},
};

use registered::{Farewell, Registered, RegisteredGroup};

/// Group, target id, address: what makes a target the same one in the next snapshot.
type Key = (String, String, String);

#[derive(Debug, Default)]
pub(crate) struct Registry {
    version: u64,
    /// The listeners as they were last accepted, with what was compiled of them.
    listeners: Vec<(minicloud_lb_api::Listener, Arc<Listener>)>,
    groups: BTreeMap<String, RegisteredGroup>,
    targets: BTreeMap<Key, Registered>,
    /// What of the snapshot could not be taken in.
    faults: Vec<String>,
    next_uid: u64,
    drained: Arc<Notify>,
    /// The balancer's own; none where zones do not matter.
    availability_zone: Option<String>,
}

/// A target that should be checked, and how.
pub(crate) struct Checked {
    pub(crate) target: Arc<Target>,
    pub(crate) address: String,
    pub(crate) check: HealthCheck,
}

impl Registry {
    pub(crate) fn new(drained: Arc<Notify>, availability_zone: Option<String>) -> Self {
        Self {
            drained,
            availability_zone,
            ..Self::default()
        }
    }

    /// Takes in a snapshot. Targets that stay keep their health, connections and counts.
    pub(crate) fn apply(&mut self, snapshot: &Snapshot, now: Instant) {
        self.version = snapshot.version;
        self.faults.clear();
        self.apply_groups(snapshot, now);
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

    fn apply_groups(&mut self, snapshot: &Snapshot, now: Instant) {
        let mut old = std::mem::take(&mut self.groups);
        for group in &snapshot.target_groups {
            let known = old.remove(&group.name).map(|known| known.state);
            let state = known.unwrap_or_else(|| Arc::new(GroupState::new(&group.name, now)));
            state.set_queue_capacity(group.attributes.queue.max_requests);
            let registered = RegisteredGroup {
                check: group.health_check.clone(),
                deregistration_delay: group.deregistration_delay,
                attributes: group.attributes.clone(),
                is_scaled: group.is_scaled,
                is_used: false,
                state,
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

    /// Takes the listeners that are sound; of one that is not, the last sound one stays.
    fn apply_listeners(&mut self, snapshot: &Snapshot) {
        let old = std::mem::take(&mut self.listeners);
        for described in &snapshot.listeners {
            let port = described.port;
            if self.listeners.iter().any(|(known, _)| known.port == port) {
                self.faults.push(format!(
                    "port {port} has two listeners; the first one stands"
                ));
                continue;
            }
            let known = old.iter().find(|(known, _)| known.port == port);
            match (known, RuleSet::compile(described)) {
                (Some(known), _) if known.0 == *described => self.listeners.push(known.clone()),
                (known, Ok(rules)) => {
                    let carried = known.map(|(_, listener)| &**listener);
                    let listener = Listener::new(described, rules, carried);
                    self.listeners.push((described.clone(), Arc::new(listener)));
                }
                (known, Err(errors)) => {
                    for error in errors {
                        self.faults
                            .push(format!("the listener of port {port}: {error}"));
                    }
                    self.listeners.extend(known.cloned());
                }
            }
        }
        self.mark_used_groups();
    }

    fn mark_used_groups(&mut self) {
        for (_, listener) in &self.listeners {
            for rule in listener.rules.iter() {
                let CompiledAction::Forward(forward) = &rule.action else {
                    continue;
                };
                for tuple in &forward.groups {
                    match self.groups.get_mut(&tuple.target_group) {
                        Some(group) => group.is_used = true,
                        None => self.faults.push(format!(
                            "the listener of port {} forwards to `{}` by rule {}, which is no \
                             target group; it answers 503",
                            listener.port, tuple.target_group, rule.label
                        )),
                    }
                }
            }
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
                Arc::clone(&group.state),
                Arc::clone(&self.drained),
                now,
            );
            Registered {
                target: Arc::new(target),
                availability_zone: None,
                is_used: false,
                is_listed: true,
                health: None,
                since: now,
                slow_start: None,
                standing: Standing::default(),
                verdict: Verdict::default(),
                farewell: None,
            }
        });
        registered
            .target
            .set_limit(group.attributes.max_requests_per_target);
        if let Some(load) = described.load {
            registered.target.note_load(load, now);
        }
        registered
            .availability_zone
            .clone_from(&described.availability_zone);
        registered.is_used = group.is_used;
        registered.is_listed = true;
        if described.draining {
            registered.drain(group.farewell(now));
        }
    }

    fn deregister_unlisted(&mut self, listed: &BTreeSet<Key>, now: Instant) {
        for (key, registered) in &mut self.targets {
            if !listed.contains(key) {
                let farewell = self.groups.get(&key.0).map(|group| group.farewell(now));
                registered.is_listed = false;
                registered.drain(farewell.unwrap_or(Farewell {
                    tunnels: now,
                    requests: now,
                }));
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
            let Some(farewell) = registered.farewell else {
                continue;
            };
            if farewell.tunnels <= now {
                has_cut |= registered.target.end_tunnels();
            }
            if farewell.requests <= now && !registered.target.is_cut() {
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

    /// When the next deregistration delay, or grace of tunnels, ends.
    pub(crate) fn next_cut(&self) -> Option<Instant> {
        let pending = |registered: &Registered| {
            let farewell = registered.farewell?;
            match (
                registered.target.has_no_tunnels(),
                registered.target.is_cut(),
            ) {
                (false, _) => Some(farewell.tunnels),
                (true, false) => Some(farewell.requests),
                (true, true) => None,
            }
        };
        self.targets.values().filter_map(pending).min()
    }

    /// Notes a prober's news.
    pub(crate) fn note_health(&mut self, uid: u64, health: Health, now: Instant) {
        let mut targets = self.targets.iter();
        let found = targets.find(|(_, registered)| registered.target.uid == uid);
        let Some(key) = found.map(|(key, _)| key.clone()) else {
            return;
        };
        let slow_start = self.slow_start_of(&key, now);
        let Some(registered) = self.targets.get_mut(&key) else {
            return;
        };
        let told = health.describe();
        tracing::info!(
            target_group.name = key.0,
            target.id = key.1,
            state = ?told.state,
            why = told.description,
            "target health changed"
        );
        let was_healthy = registered.describe().state == TargetState::Healthy;
        if told.state == TargetState::Healthy && !was_healthy {
            registered.slow_start = slow_start;
            if registered.health.as_ref().is_none_or(Health::is_new) {
                let boot = now.duration_since(registered.since);
                registered.target.group.note_boot(boot);
            }
        }
        registered.health = Some(health);
    }

    /// How a target of the group that becomes healthy now begins.
    fn slow_start_of(&self, key: &Key, now: Instant) -> Option<(Instant, Duration)> {
        let duration = self.groups.get(&key.0)?.attributes.slow_start;
        let others = self.targets.iter().filter(|(other, registered)| {
            let is_ready = registered.describe().state == TargetState::Healthy
                && registered
                    .slow_start
                    .is_none_or(|(since, duration)| now.duration_since(since) >= duration);
            other.0 == key.0 && *other != key && is_ready
        });
        slow_start::applies(duration, others.count()).then_some((now, duration))
    }

    /// Judges what the requests say of the targets; true if that changes who may serve.
    pub(crate) fn judge(&mut self, now: Instant) -> bool {
        let mut has_changed = false;
        for (name, group) in &self.groups {
            group.state.lateness.refresh();
            let mut members: Vec<&mut Registered> = self
                .targets
                .iter_mut()
                .filter(|(key, registered)| key.0 == *name && registered.may_serve())
                .map(|(_, registered)| registered)
                .collect();
            let mut observed: Vec<Observed<'_>> = members
                .iter_mut()
                .map(|registered| Observed {
                    counts: registered.target.outcomes.counts(),
                    can_serve: registered.describe().state == TargetState::Healthy,
                    standing: &mut registered.standing,
                })
                .collect();
            let mitigate = group.attributes.anomaly_mitigation;
            let verdicts = anomaly::judge(&mut observed, mitigate, now);
            for (registered, verdict) in members.into_iter().zip(verdicts) {
                has_changed |= registered.take_verdict(name, verdict, group, now);
            }
        }
        has_changed
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
        self.listeners.iter().map(|(known, _)| known.port).collect()
    }

    pub(crate) fn routing(&self, metrics: &Metrics) -> Routing {
        let groups = self.groups.iter().map(|(name, registered)| {
            let asked = Preference {
                minimum_healthy_targets: registered.attributes.minimum_healthy_targets,
                cross_zone: registered.attributes.cross_zone,
            };
            let (rule, eligible) = eligible(&self.members_of(name), asked);
            let group = Group {
                state: Arc::clone(&registered.state),
                rule,
                eligible,
                attributes: registered.attributes.clone(),
                is_scaled: registered.is_scaled,
                metrics: metrics.group(name),
            };
            (name.clone(), Arc::new(group))
        });
        let groups = groups.collect();
        let listeners = self.listeners.iter();
        Routing {
            routes: listeners
                .map(|(_, listener)| Route::new(listener, &groups, metrics))
                .collect(),
            groups,
        }
    }

    /// Tells each target whether it serves in `routing`.
    pub(crate) fn mark_serving(&self, routing: &Routing) {
        for ((group, ..), registered) in &self.targets {
            let serves = routing.groups.get(group).is_some_and(|group| {
                let mut eligible = group.eligible.iter();
                eligible.any(|serving| serving.target.uid == registered.target.uid)
            });
            registered.target.set_serving(serves);
        }
    }

    fn members_of(&self, group: &str) -> Vec<Member<Serving>> {
        let targets = self.targets.iter().filter(|(key, _)| key.0 == group);
        targets
            .map(|(_, registered)| Member {
                target: Serving {
                    target: Arc::clone(&registered.target),
                    slow_start: registered.slow_start,
                },
                state: registered.describe().state,
                is_ejected: registered.verdict.is_ejected,
                is_near: self.availability_zone.is_none()
                    || registered.availability_zone == self.availability_zone,
            })
            .collect()
    }

    /// What the metrics take over.
    pub(crate) fn samples(&self, now: Instant) -> (Vec<GroupSample>, Vec<TargetSample>) {
        let groups = self.groups.iter();
        let targets = self.targets.iter();
        let target = |((group, instance, _), registered): (&Key, &Registered)| TargetSample {
            group: group.clone(),
            instance: instance.clone(),
            uid: registered.target.uid,
            is_healthy: registered.describe().state == TargetState::Healthy,
            in_flight: registered.target.in_flight(),
            counts: registered.target.counts(),
        };
        (
            groups
                .map(|(name, group)| group.sample(name, now))
                .collect(),
            targets.map(target).collect(),
        )
    }

    /// All that is known, with `faults` added to the snapshot's own.
    pub(crate) fn report(&self, faults: impl Iterator<Item = String>, now: Instant) -> Report {
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
                    anomaly_detection: registered.anomaly_detection(),
                }
            });
        Report {
            snapshot_version: self.version,
            targets: targets.collect(),
            target_groups: self
                .groups
                .iter()
                .map(|(name, group)| group.report(name, now))
                .collect(),
            faults: self.faults.iter().cloned().chain(faults).collect(),
            request_failures: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
