//! What somebody else did to a group's instances, and what the group makes of it. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{capacity::Capacity, group::Group, instance::InstanceId};

/// What happened to an instance in service that nobody is to do anything about yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignChange {
    Removed,
    /// It does not run; how it ended. A stop by hand and a crash look the same.
    Stopped(String),
}

impl fmt::Display for ForeignChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("was removed"),
            Self::Stopped(detail) => write!(f, "does not run ({detail})"),
        }
    }
}

/// What an operator makes of changes that were only reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// They were meant: the desired capacity follows.
    Adopt,
    /// They are undone.
    Revert,
}

/// The capacity that `group` should have now that an instance which it wanted is gone; `None`
/// where it stays as it is: at the minimum, or with enough left.
pub fn capacity_without_removed(group: &Group) -> Option<Capacity> {
    let capacity = group.capacity;
    let missing = group.live().count() < capacity.desired_capacity as usize;
    let follows = missing && capacity.desired_capacity > capacity.min_size;
    follows.then(|| Capacity {
        desired_capacity: capacity.desired_capacity - 1,
        ..capacity
    })
}

/// The capacity that `group` should have now that an instance was added to it; `None` where
/// it stays as it is: at the maximum, or with one too few before.
pub fn capacity_with_added(group: &Group) -> Option<Capacity> {
    let capacity = group.capacity;
    let one_more = group.live().count() > capacity.desired_capacity as usize;
    let follows = one_more && capacity.desired_capacity < capacity.max_size;
    follows.then(|| Capacity {
        desired_capacity: capacity.desired_capacity + 1,
        ..capacity
    })
}

/// What has happened to the group and waits for somebody's word, in a sentence.
pub fn report(group: &Group) -> Option<String> {
    let changed = group.instances.values().filter_map(|instance| {
        let change = instance.foreign_change.as_ref()?;
        Some(format!("{} {change}", instance.id))
    });
    let started = group
        .uninvited
        .iter()
        .map(|id: &InstanceId| format!("{id} was started"));
    let all: Vec<String> = changed.chain(started).collect();
    let name = &group.spec.name;
    (!all.is_empty()).then(|| {
        format!(
            "by somebody else: {}; nothing is done about it until it is undone, or until `minicloud resolve {name}` says --adopt or --revert",
            all.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::group::sample;

    /// Bounds 1 to 3.
    fn group(desired: u32, live: u32) -> Group {
        let now = Instant::now();
        let instances =
            (1..=live).map(|number| sample::in_service(number, "a", Duration::ZERO, now));
        let mut group = sample::group(&[], desired).with(instances);
        (group.capacity.min_size, group.capacity.max_size) = (1, 3);
        group
    }

    #[test]
    fn desired_follows_within_bounds() {
        let down = |desired, live| {
            let after = capacity_without_removed(&group(desired, live));
            after.map(|capacity| capacity.desired_capacity)
        };
        assert_eq!(down(3, 2), Some(2));
        assert_eq!(down(1, 0), None, "min_size");
        assert_eq!(down(2, 2), None, "it had one too many");
        let up = |desired, live| {
            let after = capacity_with_added(&group(desired, live));
            after.map(|capacity| capacity.desired_capacity)
        };
        assert_eq!(up(2, 3), Some(3));
        assert_eq!(up(3, 4), None, "max_size");
        assert_eq!(up(3, 3), None, "it had one too few");
    }

    #[test]
    fn report_names_each_and_says_what_to_do() {
        let mut group = group(2, 2);
        assert_eq!(report(&group), None);
        let changes = [
            ForeignChange::Removed,
            ForeignChange::Stopped("exit code 0".to_owned()),
        ];
        for (instance, change) in group.instances.values_mut().zip(changes) {
            instance.foreign_change = Some(change);
        }
        group.uninvited.insert(sample::id(7));
        assert_eq!(
            report(&group).unwrap(),
            "by somebody else: i-00000001 was removed, i-00000002 does not run (exit code 0), i-00000007 was started; nothing is done about it until it is undone, or until `minicloud resolve web` says --adopt or --revert"
        );
    }
}
