//! A zone that refuses a launch: it is avoided for a while, and the launch is no fault of the
//! group's.

use tracing::warn;

use super::Reconciler;
use crate::{
    describe::ActivityStatus,
    instance::{InstanceId, LifecycleState},
    now::{Clock, Now},
    provider::InstanceProvider,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn zone_refused(&mut self, id: &InstanceId, error: &str, now: Now) {
        let mut groups = self.groups.iter_mut();
        let Some((name, group)) = groups.find(|(_, group)| group.instances.contains_key(id)) else {
            return;
        };
        let Some(instance) = group.instances.get_mut(id) else {
            return;
        };
        let zone = &instance.availability_zone;
        warn!(asg.name = name, instance.id = %id, zone, error, "the zone refuses the launch");
        let message = format!(
            "We currently do not have sufficient capacity in the Availability Zone you requested ({zone}): {error}. Launching EC2 instance failed."
        );
        self.metrics.count_launch_failure(name);
        self.ledger.end(
            name,
            instance.activity_id.as_deref(),
            ActivityStatus::Failed,
            Some(message),
            now.wall,
        );
        let refusals = group.zone_refusals.entry(zone.clone()).or_default();
        refusals.record_failure(now.mono, error, &mut self.rng);
        instance.lifecycle_state = LifecycleState::Terminating;
        self.ledger.record_instance(name, instance);
    }
}
