//! Putting an instance that drains back into service.

use tracing::info;

use super::Reconciler;
use crate::{
    describe::ActivityStatus,
    instance::{InstanceId, LifecycleState},
    now::{Clock, Now},
    provider::InstanceProvider,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// The activity ends first: killed in between, the next pass recalls the instance again.
    pub(super) fn recall(&mut self, name: &str, id: &InstanceId, now: Now) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let desired = group.capacity.desired_capacity;
        let message = format!(
            "At {:.0} the instance was put back into service while it drained, in response to a difference between desired and actual capacity: {desired} instances are wanted{}",
            now.wall,
            group.because()
        );
        let Some(instance) = group.instances.get_mut(id) else {
            return;
        };
        info!(asg.name = name, instance.id = %id, "put back into service");
        self.ledger.end(
            name,
            instance.activity_id.take().as_deref(),
            ActivityStatus::Cancelled,
            Some(message),
            now.wall,
        );
        // One that was on its way goes on from where it was; so does one of which a restart
        // has lost when it came into service.
        instance.lifecycle_state = match instance.in_service_since {
            Some(_) => LifecycleState::InService,
            None => LifecycleState::Pending,
        };
        instance.draining_since = None;
        instance.recallable = false;
        self.ledger.record_instance(name, instance);
    }
}
