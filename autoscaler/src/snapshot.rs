//! What the balancer is told, from the configuration and the groups.

use std::time::Duration;

use itertools::{EitherOrBoth, Itertools};
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
    group: &'a config::TargetGroup,
    members: impl Iterator<Item = &'a Group> + Clone,
    now: Instant,
) -> TargetGroup {
    target_group_of(group, members, |instance| load(instance, now))
}

fn target_group_of<'a>(
    group: &'a config::TargetGroup,
    members: impl Iterator<Item = &'a Group> + Clone,
    load: impl Fn(&Instance) -> Option<TargetLoad>,
) -> TargetGroup {
    TargetGroup {
        name: group.name.clone(),
        health_check: group.health_check.clone(),
        deregistration_delay: group.deregistration_delay,
        attributes: group.attributes.clone(),
        is_scaled: is_scaled(members.clone()),
        targets: registered(group, members, load).map(Target::from).collect(),
    }
}

fn is_scaled<'a>(mut members: impl Iterator<Item = &'a Group>) -> bool {
    members.any(|group| group.capacity.max_size > 0)
}

/// A [`Target`] where it stands: most passes find that it is what the balancer knows.
#[derive(Clone, Copy, Debug)]
struct Registered<'a> {
    id: &'a str,
    address: &'a str,
    availability_zone: Option<&'a str>,
    draining: bool,
    load: Option<TargetLoad>,
}

impl From<Registered<'_>> for Target {
    fn from(registered: Registered<'_>) -> Self {
        Self {
            id: registered.id.to_owned(),
            address: registered.address.to_owned(),
            availability_zone: registered.availability_zone.map(str::to_owned),
            draining: registered.draining,
            load: registered.load,
        }
    }
}

/// The targets that are registered by hand, and the members' instances that run and are
/// registered, those on their way out as draining.
fn registered<'a>(
    group: &'a config::TargetGroup,
    members: impl Iterator<Item = &'a Group>,
    load: impl Fn(&Instance) -> Option<TargetLoad>,
) -> impl Iterator<Item = Registered<'a>> {
    let by_hand = group.targets.iter().map(|address| Registered {
        id: address,
        address,
        availability_zone: None,
        draining: false,
        load: None,
    });
    let instances = members.flat_map(|members| members.instances.values());
    let instances = instances.filter_map(move |instance| {
        let is_kept =
            instance.kept_from_load_balancer || instance.lifecycle_state == LifecycleState::Standby;
        Some(Registered {
            id: instance.id.as_str(),
            address: instance.address.as_deref().filter(|_| !is_kept)?,
            availability_zone: Some(&instance.availability_zone),
            draining: instance.lifecycle_state.is_draining(),
            load: wants_loads(group).then(|| load(instance)).flatten(),
        })
    });
    by_hand.chain(instances)
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
    /// From what a target group was, of the same configuration, to what `members` make of it.
    pub(crate) fn of<'a>(
        before: &TargetGroup,
        group: &'a config::TargetGroup,
        members: impl Iterator<Item = &'a Group> + Clone,
        now: Instant,
    ) -> Self {
        if before.is_scaled != is_scaled(members.clone()) {
            return Self::Routing;
        }
        let registered = registered(group, members, |instance| load(instance, now));
        Self::between(&before.targets, registered)
    }

    fn between<'a>(before: &[Target], after: impl Iterator<Item = Registered<'a>>) -> Self {
        let mut change = Self::Nothing;
        for pair in before.iter().zip_longest(after) {
            let EitherOrBoth::Both(before, after) = pair else {
                return Self::Routing;
            };
            if before.id != after.id
                || before.address != after.address
                || before.availability_zone.as_deref() != after.availability_zone
                || before.draining != after.draining
            {
                return Self::Routing;
            }
            if before.load != after.load {
                change = Self::Loads;
            }
        }
        change
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

#[cfg(test)]
mod tests {
    use super::*;

    fn registered<'a>(targets: &[(&'a str, Option<u8>)]) -> Vec<Registered<'a>> {
        let of = |(id, percent): &(&'a str, Option<u8>)| Registered {
            id,
            address: "127.0.0.1:1",
            availability_zone: None,
            draining: false,
            load: percent.map(|cpu_utilization_percent| TargetLoad {
                cpu_utilization_percent,
                sample: 0,
            }),
        };
        targets.iter().map(of).collect()
    }

    #[test]
    fn whatever_the_balancer_is_told_of_a_target_is_a_change() {
        let before = registered(&[("a", Some(1)), ("b", None)]);
        let known: Vec<Target> = before.iter().map(|target| Target::from(*target)).collect();
        let change = |edit: fn(&mut Vec<Registered<'_>>)| {
            let mut after = before.clone();
            edit(&mut after);
            Change::between(&known, after.into_iter())
        };
        assert_eq!(change(|_| {}), Change::Nothing);
        assert_eq!(change(|all| all[0].load = None), Change::Loads);
        for edit in [
            |all| all[0].id = "c",
            |all| all[1].address = "127.0.0.1:2",
            |all| all[1].availability_zone = Some("a"),
            |all| all[1].draining = true,
            |all| all.truncate(1),
            |all| all.push(all[0]),
        ] as [fn(&mut Vec<Registered<'_>>); 6]
        {
            assert_eq!(change(edit), Change::Routing);
        }
    }

    #[test]
    fn loads_alone_wait_and_all_else_does_not() {
        let start = Instant::now();
        let mut pace = LoadPace::default();
        let mut last = Vec::new();
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
            let next = registered(&targets);
            let change = Change::between(&last, next.iter().copied());
            if pace.lets(change, start + Duration::from_secs(second)) {
                sent.push(second);
            }
            last = next.into_iter().map(Target::from).collect();
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
