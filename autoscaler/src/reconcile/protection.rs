//! What is asked of single instances: scale-in protection, and an end.

use tracing::info;

use super::Reconciler;
use crate::{
    capacity::Capacity,
    command::{CommandError, InstanceProtection},
    describe::Activity,
    group::Instance,
    instance::{InstanceId, LifecycleState},
    metrics::ScalingCause,
    now::{Clock, Now},
    provider::InstanceProvider,
};

/// Of AWS's `SetInstanceProtection`.
const MOST_INSTANCES: usize = 50;

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// All of the instances, or none where one of them cannot be protected.
    pub(super) fn set_instance_protection(
        &mut self,
        name: &str,
        protection: &InstanceProtection,
    ) -> Result<(), CommandError> {
        let group = self.live_group(name)?;
        let ids = &protection.instance_ids;
        if ids.is_empty() || ids.len() > MOST_INSTANCES {
            return Err(CommandError::Validation(format!(
                "instance_ids: {} instances are named; name 1 to {MOST_INSTANCES}",
                ids.len()
            )));
        }
        for id in ids {
            let instance = group.instances.get(id).ok_or_else(|| unmanaged(id))?;
            if !instance.is_in_service() {
                return Err(CommandError::Validation(format!(
                    "the instance {id} is not in InService: it is {}",
                    instance.lifecycle_state
                )));
            }
        }
        let Some(group) = self.groups.get_mut(name) else {
            return Ok(());
        };
        for id in ids {
            if let Some(instance) = group.instances.get_mut(id) {
                instance.protected_from_scale_in = protection.protected_from_scale_in;
                self.ledger.record_instance(name, instance);
                info!(asg.name = name, instance.id = %id, protected = protection.protected_from_scale_in, "scale-in protection set");
            }
        }
        Ok(())
    }

    /// Takes the instance out of service, protected from scale-in or not, and ends it; the
    /// group replaces it unless its desired capacity goes down with it.
    pub(super) fn terminate_instance(
        &mut self,
        id: &InstanceId,
        should_decrement_desired_capacity: bool,
        now: Now,
    ) -> Result<Activity, CommandError> {
        let mut groups = self.groups.iter();
        let (name, group) = groups
            .find(|(_, group)| group.instances.contains_key(id))
            .ok_or_else(|| unmanaged(id))?;
        let name = name.clone();
        let instance = group.instances.get(id);
        let state = instance.map(|instance| instance.lifecycle_state);
        let is_standby = state.is_some_and(LifecycleState::is_standby);
        if !is_standby && !instance.is_some_and(Instance::is_live) {
            return Err(CommandError::Validation(format!(
                "the instance {id} is being terminated already"
            )));
        }
        if is_standby && should_decrement_desired_capacity {
            return Err(CommandError::Validation(format!(
                "the instance {id} is in standby and does not count towards the desired capacity: set should_decrement_desired_capacity to false"
            )));
        }
        if instance.is_some_and(Instance::is_seed) {
            return Err(CommandError::Validation(format!(
                "the instance {id} is a container that Docker Compose runs: minicloud does not end it; use docker compose stop or rm"
            )));
        }
        let before = group.capacity;
        let mut cause =
            format!("instance {id} was taken out of service in response to a user request");
        if should_decrement_desired_capacity {
            let desired_capacity = before.desired_capacity.saturating_sub(1);
            if before.desired_capacity <= before.min_size {
                return Err(CommandError::Validation(format!(
                    "Currently, desiredSize equals minSize ({}). Terminating instance without replacement will violate group's min size constraint. Either set should_decrement_desired_capacity to false or lower the group's min_size",
                    before.min_size
                )));
            }
            cause += &format!(
                ", shrinking the capacity from {} to {desired_capacity}",
                before.desired_capacity
            );
            let after = Capacity {
                desired_capacity,
                ..before
            };
            self.put_capacity(&name, after, cause.clone())
                .map_err(|error| CommandError::Store(error.to_string()))?;
            self.take_capacity(&name, after, cause.clone(), ScalingCause::User, now);
        }
        info!(asg.name = name, instance.id = %id, cause, "terminated on request");
        self.deregister(&name, id, cause, false, now);
        let activities = self.ledger.activities(&name);
        activities
            .front()
            .filter(|activity| activity.instance_id.as_ref() == Some(id))
            .map(|activity| Activity::clone(activity))
            .ok_or_else(|| unmanaged(id))
    }
}

pub(super) fn unmanaged(id: &InstanceId) -> CommandError {
    CommandError::Validation(format!(
        "Instance Id not found - No managed instance found for instance ID: {id}"
    ))
}
