//! What has left the loop, part by part, so that a pass makes anew only what has changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use minicloud_lb_api::{Snapshot, TargetGroup, TargetGroupReport};
use tokio::time::Instant;

use crate::{
    config::Config,
    describe,
    group::Group,
    snapshot::{self, Change, LoadPace},
    target_health::TargetHealthIndex,
};

#[derive(Debug, Default)]
pub(super) struct Published {
    groups: BTreeMap<String, Arc<describe::AutoScalingGroup>>,
    target_groups: BTreeMap<String, Arc<describe::TargetGroup>>,
    load_balancers: Vec<describe::LoadBalancer>,
    routing: Routing,
}

/// What the balancer is told.
#[derive(Debug, Default)]
struct Routing {
    target_groups: BTreeMap<String, TargetGroup>,
    /// The Auto Scaling groups that register with a target group.
    members: BTreeMap<String, Vec<String>>,
    /// The configuration, or which groups there are, is not what it was at the last snapshot.
    is_outdated: bool,
    load_pace: LoadPace,
}

impl Published {
    /// `config` and `groups` are others than before.
    pub(super) fn reset(
        &mut self,
        config: &Config,
        groups: &BTreeMap<String, Group>,
        targets: &TargetHealthIndex<'_>,
    ) {
        self.groups.retain(|name, _| groups.contains_key(name));
        self.target_groups = config
            .target_groups
            .keys()
            .map(|name| (name.clone(), Arc::new(describe_target_group(name, targets))))
            .collect();
        let balancers = config.load_balancers.values();
        self.load_balancers = balancers
            .map(|balancer| describe::LoadBalancer {
                load_balancer_name: balancer.name.clone(),
                dns_name: format!("{}.localhost", balancer.name),
                ports: balancer
                    .listeners
                    .iter()
                    .map(|listener| listener.port)
                    .collect(),
            })
            .collect();
        self.routing.reset(groups);
    }

    pub(super) fn put_group(&mut self, group: describe::AutoScalingGroup) {
        let name = group.auto_scaling_group_name.clone();
        self.groups.insert(name, Arc::new(group));
    }

    /// What a silent balancer said of the targets stays; what it said of the queue does not.
    pub(super) fn describe_target_group(&mut self, name: &str, targets: &TargetHealthIndex<'_>) {
        let Some(known) = self.target_groups.get_mut(name) else {
            return;
        };
        match targets.is_reported() {
            true => *known = Arc::new(describe_target_group(name, targets)),
            false => Arc::make_mut(known).queue = None,
        }
    }

    pub(super) fn groups(&self) -> Vec<Arc<describe::AutoScalingGroup>> {
        self.groups.values().cloned().collect()
    }

    pub(super) fn target_groups(&self) -> Vec<Arc<describe::TargetGroup>> {
        self.target_groups.values().cloned().collect()
    }

    pub(super) fn load_balancers(&self) -> Vec<describe::LoadBalancer> {
        self.load_balancers.clone()
    }

    /// The listeners of the configuration are not what they were.
    pub(super) fn reroute(&mut self) {
        self.routing.is_outdated = true;
    }

    /// What the balancer is to be told now that something of the groups called `taken` has
    /// changed, under `version`; `None` where it knows, or where it can wait.
    pub(super) fn next_snapshot(
        &mut self,
        config: &Config,
        groups: &BTreeMap<String, Group>,
        taken: &BTreeSet<String>,
        now: Instant,
        version: u64,
    ) -> Option<Snapshot> {
        let change = self.routing.follow(config, groups, taken, now);
        self.routing.load_pace.lets(change, now).then(|| Snapshot {
            version,
            listeners: snapshot::listeners(config),
            target_groups: self.routing.target_groups.values().cloned().collect(),
        })
    }
}

impl Routing {
    fn reset(&mut self, groups: &BTreeMap<String, Group>) {
        self.is_outdated = true;
        self.members.clear();
        for (name, group) in groups {
            for target_group in &group.spec.target_groups {
                let members = self.members.entry(target_group.clone()).or_default();
                members.push(name.clone());
            }
        }
    }

    fn follow(
        &mut self,
        config: &Config,
        groups: &BTreeMap<String, Group>,
        taken: &BTreeSet<String>,
        now: Instant,
    ) -> Change {
        if std::mem::take(&mut self.is_outdated) {
            let current = config.target_groups.iter().map(|(name, group)| {
                let members = self.members_of(name, groups);
                let current = snapshot::target_group(group, members, now);
                (name.clone(), current)
            });
            self.target_groups = current.collect();
            return Change::Routing;
        }
        let taken = taken.iter().filter_map(|name| groups.get(name));
        let concerned: BTreeSet<&str> = taken
            .flat_map(|group| group.spec.target_groups.iter().map(String::as_str))
            .collect();
        let mut change = Change::Nothing;
        for name in concerned {
            let Some(group) = config.target_groups.get(name) else {
                continue;
            };
            let members = self.members_of(name, groups);
            let before = self.target_groups.get(name);
            let of_group = before.map_or(Change::Routing, |before| {
                Change::of(before, group, members.clone(), now)
            });
            if of_group != Change::Nothing {
                let after = snapshot::target_group(group, members, now);
                self.target_groups.insert(name.to_owned(), after);
            }
            change = change.max(of_group);
        }
        change
    }

    fn members_of<'a>(
        &self,
        target_group: &str,
        groups: &'a BTreeMap<String, Group>,
    ) -> impl Iterator<Item = &'a Group> + Clone + use<'a, '_> {
        let members = self.members.get(target_group).into_iter().flatten();
        members.filter_map(|member| groups.get(member))
    }
}

fn describe_target_group(name: &str, targets: &TargetHealthIndex<'_>) -> describe::TargetGroup {
    describe::TargetGroup {
        target_group_name: name.to_owned(),
        queue: targets.queue(name).map(describe_queue),
        target_health_descriptions: targets.of_group(name).to_vec(),
    }
}

fn describe_queue(report: &TargetGroupReport) -> describe::Queue {
    describe::Queue {
        length: report.queue_length,
        wait_seconds: report.queue_wait_seconds,
        rejected: report.queue_rejected,
    }
}
