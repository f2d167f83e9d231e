//! What the balancer is told, from the configuration and the groups.

use minicloud_lb_api::{Snapshot, Target, TargetGroup, TargetGroupAttributes};

use crate::{config::Config, group::Group, instance::LifecycleState};

/// What a balancer can serve of a configuration before, or without, an autoscaler: every
/// listener, and the targets that are registered by hand.
pub fn static_snapshot(config: &Config) -> Snapshot {
    of_groups(config, std::iter::empty(), 0)
}

/// The snapshot of this moment, under `version`.
pub(crate) fn of_groups<'a>(
    config: &Config,
    groups: impl Iterator<Item = &'a Group> + Clone,
    version: u64,
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
        TargetGroup {
            name: group.name.clone(),
            health_check: group.health_check.clone(),
            deregistration_delay: group.deregistration_delay,
            attributes: TargetGroupAttributes::default(),
            targets: by_hand.chain(members.flat_map(targets)).collect(),
        }
    });
    Snapshot {
        version,
        listeners: listeners.collect(),
        target_groups: target_groups.collect(),
    }
}

/// The group's instances that run, the terminating ones as draining.
fn targets(group: &Group) -> impl Iterator<Item = Target> + '_ {
    group.instances.values().filter_map(|instance| {
        Some(Target {
            id: instance.id.to_string(),
            address: instance.address.clone()?,
            availability_zone: Some(instance.availability_zone.clone()),
            draining: instance.lifecycle_state == LifecycleState::Terminating,
            load: None,
        })
    })
}
