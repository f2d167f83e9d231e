//! What instances report of themselves that does not keep them from serving, as conditions of
//! their group.

use tracing::warn;

use super::Reconciler;
use crate::{
    describe::ConditionKind,
    now::{Clock, Now},
    provider::{InstanceFault, InstanceProvider},
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn report_instance_faults(&mut self, name: &str, now: Now) {
        let instances = self.observation.instances.get(name).into_iter();
        let of_group: Vec<_> = instances
            .flat_map(|instances| instances.values())
            .flat_map(|instance| instance.faults.iter().map(move |fault| (instance, fault)))
            .collect();
        let user_data = of_group.iter().find_map(|(instance, fault)| match fault {
            InstanceFault::UserData(what) => Some(format!(
                "{what} on {}, which goes on as EC2's instances do (user_data_required: true ends them); its log has the rest",
                instance.instance_id
            )),
            InstanceFault::QuotaNotEnforced(_) => None,
        });
        let quota = of_group.iter().find_map(|(_, fault)| match fault {
            InstanceFault::QuotaNotEnforced(why) => Some(format!(
                "cpus and memory of the launch template are not enforced: {why}; utilization is measured against cpus all the same"
            )),
            InstanceFault::UserData(_) => None,
        });
        for (kind, message) in [
            (ConditionKind::UserDataFailed, user_data),
            (ConditionKind::QuotaNotEnforced, quota),
        ] {
            let text = message.clone();
            if self.conditions.set(name, kind, message, now.wall)
                && let Some(text) = text
            {
                warn!(asg.name = name, "{text}");
            }
        }
    }
}
