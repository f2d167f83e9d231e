//! Following, reporting and resolving what somebody else did to instances.

use tracing::{info, warn};

use super::Reconciler;
use crate::{
    capacity::Capacity,
    command::CommandError,
    config::ForeignChanges,
    describe::{Activity, ConditionKind},
    foreign_change::{
        self, ForeignChange, Resolution, capacity_with_added, capacity_without_removed,
    },
    group::Instance,
    instance::{InstanceId, LifecycleState},
    metrics::ScalingCause,
    now::{Clock, Now},
    observe::Change,
    provider::InstanceProvider,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn report_foreign_changes(&mut self, name: &str, now: Now) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let message = foreign_change::report(group);
        let told = message.clone().unwrap_or_default();
        let changed = self
            .conditions
            .set(name, ConditionKind::ForeignChange, message, now.wall);
        if changed {
            warn!(
                asg.name = name,
                told, "changes by somebody else came or went"
            );
        }
    }

    /// Somebody removed an instance and meant it.
    pub(super) fn follow_removal(&mut self, name: &str, id: &InstanceId, now: Now) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let Some(instance) = group.instances.get_mut(id) else {
            return;
        };
        instance.foreign_change = None;
        instance.lifecycle_state = LifecycleState::Terminating;
        let after = capacity_without_removed(group);
        let mut cause = format!("instance {id} was removed by somebody else");
        if let Some(after) = after {
            cause += &format!(
                ", shrinking the capacity from {} to {}",
                after.desired_capacity + 1,
                after.desired_capacity
            );
        }
        info!(asg.name = name, instance.id = %id, cause, "a removal is followed");
        let activity_cause = format!("At {:.0} {cause}", now.wall);
        let activity =
            Activity::terminate(name, id, activity_cause, false, now.wall, &mut self.rng);
        if let Some(instance) = self
            .groups
            .get_mut(name)
            .and_then(|group| group.instances.get_mut(id))
        {
            instance.activity_id = Some(self.ledger.begin(activity));
            self.ledger.record_instance(name, instance);
        }
        self.follow(name, after, cause, now);
    }

    /// Somebody started an instance and meant it.
    pub(super) fn follow_addition(&mut self, name: &str, id: &InstanceId, now: Now) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let after = capacity_with_added(group);
        let desired = group.capacity.desired_capacity;
        let cause = format!(
            "instance {id} was started by somebody else, increasing the capacity from {desired} to {}",
            desired + 1
        );
        self.follow(name, after, cause, now);
    }

    fn follow(&mut self, name: &str, after: Option<Capacity>, cause: String, now: Now) {
        let before = self.groups.get(name).map(|group| group.capacity);
        let (Some(after), Some(before)) = (after, before) else {
            return;
        };
        let desired = (before.desired_capacity, after.desired_capacity);
        self.metrics
            .count_scaling(name, desired.0, desired.1, ScalingCause::Foreign);
        self.set_desired_capacity(name, after.desired_capacity, cause, now);
    }

    /// Says what is to become of the changes that were only reported.
    pub(super) fn resolve_foreign_changes(
        &mut self,
        name: &str,
        resolution: Resolution,
        now: Now,
    ) -> Result<(), CommandError> {
        let group = self.live_group(name)?;
        let changed = group.instances.values().filter_map(|instance| {
            let change = instance.foreign_change.clone()?;
            Some((instance.id.clone(), change))
        });
        let changed: Vec<_> = changed.collect();
        let uninvited = group.uninvited.clone();
        if changed.is_empty() && uninvited.is_empty() {
            return Err(CommandError::Validation(format!(
                "nobody else has changed anything of `{name}` that waits for a word"
            )));
        }
        for (id, change) in changed {
            match resolution {
                Resolution::Adopt => self.follow_removal(name, &id, now),
                Resolution::Revert => self.lose_changed(name, &id, &change, now),
            }
        }
        for id in uninvited {
            self.admit(name, &id, now);
            match resolution {
                Resolution::Adopt => self.follow_addition(name, &id, now),
                Resolution::Revert => {
                    let cause =
                        format!("instance {id} was started by somebody else and is not wanted");
                    self.deregister(name, &id, cause, false, now);
                }
            }
        }
        self.report_foreign_changes(name, now);
        Ok(())
    }

    fn lose_changed(&mut self, name: &str, id: &InstanceId, change: &ForeignChange, now: Now) {
        let instance = self
            .groups
            .get_mut(name)
            .and_then(|group| group.instances.get_mut(id));
        if let Some(instance) = instance {
            instance.foreign_change = None;
            instance.lifecycle_state = LifecycleState::Terminating;
            let why = format!("it {change}, by somebody else");
            self.record_change(name, Change::Lost(id.clone(), why), now);
        }
    }

    /// Takes in an instance that was kept out of the group until somebody said what it is.
    fn admit(&mut self, name: &str, id: &InstanceId, now: Now) {
        let observed = self.observation.instances.get(name);
        let observed = observed.and_then(|instances| instances.get(id));
        let (Some(group), Some(observed)) = (self.groups.get_mut(name), observed) else {
            return;
        };
        group.uninvited.remove(id);
        group
            .instances
            .insert(id.clone(), Instance::adopted(observed, &group.spec, now));
        self.record_change(name, Change::Adopted(id.clone()), now);
    }

    /// What follows from an instance that was found by its mark.
    pub(super) fn weigh_adoption(&mut self, name: &str, id: &InstanceId, was_new: bool, now: Now) {
        let adopts = self
            .groups
            .get(name)
            .is_some_and(|group| group.spec.foreign_changes == ForeignChanges::Adopt);
        if adopts && !was_new {
            self.follow_addition(name, id, now);
        }
    }
}
