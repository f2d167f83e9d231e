//! Capacity as desired state: what a person, a policy or a schedule asks for is recorded first,
//! and takes effect then.

use tracing::{info, warn};

use super::Reconciler;
use crate::{
    capacity::{Capacity, CapacityRecord},
    command::{CapacityUpdate, CommandError},
    events::{CapacityChange, EventDetail},
    metrics::ScalingCause,
    now::{Clock, Now},
    provider::InstanceProvider,
    store::StoreError,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn update_group(
        &mut self,
        name: &str,
        update: CapacityUpdate,
        now: Now,
    ) -> Result<(), CommandError> {
        let before = self.live_group(name)?.capacity;
        let after = update.applied_to(before)?;
        let Capacity {
            min_size,
            max_size,
            desired_capacity,
        } = after;
        let cause = format!(
            "a user request updated the group's constraints to min: {min_size}, max: {max_size}, desired: {desired_capacity}, changing the desired capacity from {} to {desired_capacity}",
            before.desired_capacity
        );
        self.put_capacity(name, after, cause.clone())
            .map_err(|error| CommandError::Store(error.to_string()))?;
        info!(asg.name = name, cause, "capacity updated");
        self.take_capacity(name, after, cause, ScalingCause::User, now);
        Ok(())
    }

    /// Lets a recorded change of bounds or desired capacity take effect.
    pub(super) fn take_capacity(
        &mut self,
        name: &str,
        after: Capacity,
        cause: String,
        by: ScalingCause,
        now: Now,
    ) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let before = group.capacity;
        group.capacity = after;
        group.capacity_cause.clone_from(&cause);
        self.attention.call(name);
        group.launches.reset();
        let (was, is) = (before.desired_capacity, after.desired_capacity);
        if was != is {
            self.metrics.count_scaling(name, was, is, by);
            group.policies.record_scaling(was, is, now.mono);
        }
        self.tell_capacity(name, before, after, cause, now);
    }

    pub(super) fn tell_capacity(
        &self,
        name: &str,
        before: Capacity,
        after: Capacity,
        cause: String,
        now: Now,
    ) {
        if before == after {
            return;
        }
        let detail = EventDetail::CapacityChanged(CapacityChange {
            min_size: after.min_size,
            max_size: after.max_size,
            desired_capacity: after.desired_capacity,
            desired_capacity_before: before.desired_capacity,
            cause,
        });
        self.events.push(now.wall, Some(name), detail);
    }

    /// A policy's decision.
    pub(super) fn set_desired_capacity(
        &mut self,
        name: &str,
        desired_capacity: u32,
        cause: String,
        now: Now,
    ) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let before = group.capacity;
        let after = Capacity {
            desired_capacity,
            ..before
        };
        if let Err(error) = self.put_capacity(name, after, cause.clone()) {
            warn!(asg.name = name, %error, "the decision could not be recorded; the next pass decides again");
            return;
        }
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        group.capacity = after;
        group.capacity_cause.clone_from(&cause);
        self.attention.call(name);
        group
            .policies
            .record_scaling(before.desired_capacity, desired_capacity, now.mono);
        self.tell_capacity(name, before, after, cause, now);
    }

    /// The group's capacity as the file last had it.
    pub(super) fn file_capacity(&self, name: &str) -> Option<Capacity> {
        let record = self.ledger.store.capacity(name).ok().flatten();
        record.map(|record| record.file)
    }

    pub(super) fn put_capacity(
        &self,
        name: &str,
        capacity: Capacity,
        cause: String,
    ) -> Result<(), StoreError> {
        let file = self
            .ledger
            .store
            .capacity(name)?
            .map_or(capacity, |record| record.file);
        self.ledger.store.put_capacity(
            name,
            &CapacityRecord {
                capacity,
                file,
                cause,
            },
        )
    }
}
