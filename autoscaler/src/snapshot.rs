//! What the balancer is told, from the configuration and the groups.

use std::time::Duration;

use minicloud_lb_api::{LoadBalancingAlgorithm, Snapshot, Target, TargetGroup, TargetLoad};
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
    of_groups(config, std::iter::empty(), 0, |_| None)
}

/// The snapshot of this moment, under `version`.
pub(crate) fn at<'a>(
    now: Instant,
    config: &Config,
    groups: impl Iterator<Item = &'a Group> + Clone,
    version: u64,
) -> Snapshot {
    of_groups(config, groups, version, |instance| load(instance, now))
}

fn of_groups<'a>(
    config: &Config,
    groups: impl Iterator<Item = &'a Group> + Clone,
    version: u64,
    load: impl Fn(&Instance) -> Option<TargetLoad> + Copy,
) -> Snapshot {
    let listeners = config
        .load_balancers
        .values()
        .flat_map(|balancer| balancer.listeners.clone());
    let target_groups = config.target_groups.values().map(|group| {
        let by_hand = group.targets.iter().map(|address| Target {
            id: address.clone(),
            address: address.clone(),
            availability_zone: None,
            draining: false,
            load: None,
        });
        let members = groups
            .clone()
            .filter(|members| members.spec.target_groups.contains(&group.name));
        let load = |instance: &Instance| wants_loads(group).then(|| load(instance)).flatten();
        let instances = members.flat_map(|members| targets(members, load));
        TargetGroup {
            name: group.name.clone(),
            health_check: group.health_check.clone(),
            deregistration_delay: group.deregistration_delay,
            attributes: group.attributes.clone(),
            is_scaled: groups.clone().any(|members| {
                members.capacity.max_size > 0 && members.spec.target_groups.contains(&group.name)
            }),
            targets: by_hand.chain(instances).collect(),
        }
    });
    Snapshot {
        version,
        listeners: listeners.collect(),
        target_groups: target_groups.collect(),
    }
}

/// The group's instances that run, the terminating ones as draining.
fn targets(
    group: &Group,
    load: impl Fn(&Instance) -> Option<TargetLoad>,
) -> impl Iterator<Item = Target> {
    group.instances.values().filter_map(move |instance| {
        Some(Target {
            id: instance.id.to_string(),
            address: instance.address.clone()?,
            availability_zone: Some(instance.availability_zone.clone()),
            draining: instance.lifecycle_state == LifecycleState::Terminating,
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

/// Holds back snapshots that differ from the one before in loads alone.
#[derive(Debug, Default)]
pub(crate) struct LoadPace {
    sent_at: Option<Instant>,
}

impl LoadPace {
    /// Whether `next` is to be sent now, after `last`; the caller then sends it.
    pub(crate) fn lets(&mut self, last: Option<&Snapshot>, next: &Snapshot, now: Instant) -> bool {
        if last == Some(next) {
            return false;
        }
        let only_loads = last.is_some_and(|last| without_loads(last) == without_loads(next));
        if only_loads && self.sent_at.is_some_and(|at| now - at < LOAD_INTERVAL) {
            return false;
        }
        self.sent_at = Some(now);
        true
    }
}

fn without_loads(snapshot: &Snapshot) -> Snapshot {
    let mut bare = snapshot.clone();
    let groups = bare.target_groups.iter_mut();
    for target in groups.flat_map(|group| group.targets.iter_mut()) {
        target.load = None;
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(targets: &[(&str, Option<u8>)]) -> Snapshot {
        let config = Config::parse(b"version: 1\ntarget_groups: { web: {} }\n").unwrap();
        let mut snapshot = static_snapshot(&config);
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
        snapshot.target_groups[0].targets = targets.iter().map(target).collect();
        snapshot
    }

    #[test]
    fn loads_alone_wait_and_all_else_does_not() {
        let start = Instant::now();
        let mut pace = LoadPace::default();
        let mut last = None;
        let mut sent = Vec::new();
        for (second, targets) in [
            (0, vec![("a", None)]),
            (1, vec![("a", Some(10))]),
            (4, vec![("a", Some(20))]),
            (5, vec![("a", Some(30))]),
            // A new target goes out at once, and everybody's loads with it.
            (6, vec![("a", Some(40)), ("b", None)]),
            (10, vec![("a", Some(50)), ("b", None)]),
            (11, vec![("a", Some(50)), ("b", Some(1))]),
            (17, vec![("a", Some(50)), ("b", Some(1))]),
        ] {
            let next = snapshot(&targets);
            if pace.lets(last.as_ref(), &next, start + Duration::from_secs(second)) {
                sent.push(second);
                last = Some(next);
            }
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
