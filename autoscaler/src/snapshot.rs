//! What the balancer is told, from the configuration and the groups.

use std::time::Duration;

use minicloud_lb_api::{
    Listener, LoadBalancingAlgorithm, Snapshot, Target, TargetGroup, TargetLoad,
};
use tokio::time::Instant;

use crate::{
    config::{self, Config},
    group::{Group, Instance},
    instance::LifecycleState,
};

/// A load is the mean over this: a second alone is noise.
const LOAD_WINDOW: Duration = Duration::from_secs(5);

/// Loads change with each second's samples; the balancer writes each snapshot to its disk.
const LOAD_INTERVAL: Duration = Duration::from_secs(5);

/// What a balancer can serve of a configuration before, or without, an autoscaler: every
/// listener, and the targets that are registered by hand.
pub fn static_snapshot(config: &Config) -> Snapshot {
    let groups = config.target_groups.values();
    Snapshot {
        version: 0,
        listeners: listeners(config),
        target_groups: groups
            .map(|group| target_group_of(group, std::iter::empty(), |_| None))
            .collect(),
    }
}

pub(crate) fn listeners(config: &Config) -> Vec<Listener> {
    let balancers = config.load_balancers.values();
    balancers
        .flat_map(|balancer| balancer.listeners.clone())
        .collect()
}

/// A target group as it is at this moment, with what `members` have in it.
pub(crate) fn target_group<'a>(
    group: &config::TargetGroup,
    members: impl Iterator<Item = &'a Group> + Clone,
    now: Instant,
) -> TargetGroup {
    target_group_of(group, members, |instance| load(instance, now))
}

fn target_group_of<'a>(
    group: &config::TargetGroup,
    members: impl Iterator<Item = &'a Group> + Clone,
    load: impl Fn(&Instance) -> Option<TargetLoad> + Copy,
) -> TargetGroup {
    let by_hand = group.targets.iter().map(|address| Target {
        id: address.clone(),
        address: address.clone(),
        availability_zone: None,
        draining: false,
        load: None,
    });
    let load = |instance: &Instance| wants_loads(group).then(|| load(instance)).flatten();
    let instances = members.clone().flat_map(|members| targets(members, load));
    TargetGroup {
        name: group.name.clone(),
        health_check: group.health_check.clone(),
        deregistration_delay: group.deregistration_delay,
        attributes: group.attributes.clone(),
        is_scaled: members.clone().any(|group| group.capacity.max_size > 0),
        targets: by_hand.chain(instances).collect(),
    }
}

/// The group's instances that run and are registered, those on their way out as draining.
fn targets(
    group: &Group,
    load: impl Fn(&Instance) -> Option<TargetLoad>,
) -> impl Iterator<Item = Target> {
    let registered = group.instances.values();
    let registered = registered.filter(|instance| {
        !instance.kept_from_load_balancer && instance.lifecycle_state != LifecycleState::Standby
    });
    registered.filter_map(move |instance| {
        Some(Target {
            id: instance.id.to_string(),
            address: instance.address.clone()?,
            availability_zone: Some(instance.availability_zone.clone()),
            draining: instance.lifecycle_state.is_draining(),
            load: load(instance),
        })
    })
}

fn wants_loads(group: &config::TargetGroup) -> bool {
    group.attributes.load_balancing_algorithm_type == LoadBalancingAlgorithm::CpuHeadroom
}

fn load(instance: &Instance, now: Instant) -> Option<TargetLoad> {
    let mean = instance.cpu.mean(now, LOAD_WINDOW, None)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a mean is from 0 to 100"
    )]
    let cpu_utilization_percent = mean.percent.round() as u8;
    Some(TargetLoad {
        cpu_utilization_percent,
        sample: instance.cpu.last_reading()?.cast_unsigned(),
    })
}

/// What sets a snapshot apart from the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    #[default]
    Nothing,
    Loads,
    Routing,
}

impl Change {
    /// From one state of a target group to another.
    pub(crate) fn between(before: &TargetGroup, after: &TargetGroup) -> Self {
        if before == after {
            return Self::Nothing;
        }
        match without_loads(before) == without_loads(after) {
            true => Self::Loads,
            false => Self::Routing,
        }
    }
}

/// Holds back changes of loads alone.
#[derive(Debug, Default)]
pub(crate) struct LoadPace {
    unsent: Change,
    sent_at: Option<Instant>,
}

impl LoadPace {
    /// Whether a snapshot is to be sent now that there is this `change`; the caller then
    /// sends it.
    pub(crate) fn lets(&mut self, change: Change, now: Instant) -> bool {
        self.unsent = self.unsent.max(change);
        let is_early = self.sent_at.is_some_and(|at| now - at < LOAD_INTERVAL);
        let lets = match self.unsent {
            Change::Nothing => false,
            Change::Loads => !is_early,
            Change::Routing => true,
        };
        if lets {
            *self = Self {
                unsent: Change::Nothing,
                sent_at: Some(now),
            };
        }
        lets
    }
}

fn without_loads(group: &TargetGroup) -> TargetGroup {
    let mut bare = group.clone();
    for target in &mut bare.targets {
        target.load = None;
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(targets: &[(&str, Option<u8>)]) -> TargetGroup {
        let config = Config::parse(b"version: 1\ntarget_groups: { web: {} }\n").unwrap();
        let target = |(id, percent): &(&str, Option<u8>)| Target {
            id: (*id).to_owned(),
            address: "127.0.0.1:1".to_owned(),
            availability_zone: None,
            draining: false,
            load: percent.map(|cpu_utilization_percent| TargetLoad {
                cpu_utilization_percent,
                sample: 0,
            }),
        };
        TargetGroup {
            targets: targets.iter().map(target).collect(),
            ..static_snapshot(&config).target_groups.remove(0)
        }
    }

    #[test]
    fn loads_alone_wait_and_all_else_does_not() {
        let start = Instant::now();
        let mut pace = LoadPace::default();
        let mut last = group(&[]);
        let mut sent = Vec::new();
        for (second, targets) in [
            (0, vec![("a", None)]),
            (1, vec![("a", Some(10))]),
            // Held back, and sent by and by though nothing more has changed.
            (4, vec![("a", Some(10))]),
            (5, vec![("a", Some(10))]),
            // A new target goes out at once, and everybody's loads with it.
            (6, vec![("a", Some(40)), ("b", None)]),
            (10, vec![("a", Some(50)), ("b", None)]),
            (11, vec![("a", Some(50)), ("b", Some(1))]),
            (17, vec![("a", Some(50)), ("b", Some(1))]),
        ] {
            let next = group(&targets);
            let change = Change::between(&last, &next);
            if pace.lets(change, start + Duration::from_secs(second)) {
                sent.push(second);
            }
            last = next;
        }
        assert_eq!(sent, [0, 5, 6, 11]);
    }

    #[test]
    fn attributes_and_rules_are_carried() {
        let config = Config::parse(include_bytes!("config/tests/every_key.yaml")).unwrap();
        let snapshot = static_snapshot(&config);
        assert_eq!(snapshot.listeners, config.load_balancers["edge"].listeners);
        for group in &snapshot.target_groups {
            let expected = &config.target_groups[&group.name];
            assert_eq!(group.attributes, expected.attributes);
            assert_eq!(group.health_check, expected.health_check);
        }
        // `api` is named by a rule alone.
        assert!(
            snapshot
                .target_groups
                .iter()
                .any(|group| group.name == "api")
        );
        let wire = serde_json::to_vec(&snapshot).unwrap();
        assert_eq!(serde_json::from_slice::<Snapshot>(&wire).unwrap(), snapshot);
    }
}
