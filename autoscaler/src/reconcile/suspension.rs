//! Suspending and resuming a group's processes.

use tracing::{info, warn};

use super::Reconciler;
use crate::{
    command::CommandError,
    now::{Clock, Now},
    provider::InstanceProvider,
    scaling_process::{ScalingProcess, ScalingProcessQuery, SuspendedProcesses},
    store::StoreError,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// What is under way goes on; nothing more is begun.
    pub(super) fn suspend_processes(
        &mut self,
        name: &str,
        query: &ScalingProcessQuery,
        now: Now,
    ) -> Result<(), CommandError> {
        let mut suspended = self.live_group(name)?.suspended_processes.clone();
        suspended.suspend(query.named(), now.wall);
        self.keep_suspended(name, suspended)?;
        info!(asg.name = name, processes = listed(query), "suspended");
        Ok(())
    }

    /// Resuming what is not suspended is no fault, as at AWS.
    pub(super) fn resume_processes(
        &mut self,
        name: &str,
        query: &ScalingProcessQuery,
    ) -> Result<(), CommandError> {
        let mut suspended = self.live_group(name)?.suspended_processes.clone();
        suspended.resume(query.named());
        if !suspended.contains(ScalingProcess::AddToLoadBalancer) {
            self.register_all(name);
        }
        self.keep_suspended(name, suspended)?;
        info!(asg.name = name, processes = listed(query), "resumed");
        Ok(())
    }

    /// Before the store knows of the resumption: a crash in between registers them early, where
    /// the other order could leave them out for good.
    fn register_all(&mut self, name: &str) {
        let instances = self.groups.get_mut(name).into_iter();
        let instances = instances.flat_map(|group| group.instances.values_mut());
        for instance in instances.filter(|one| one.kept_from_load_balancer) {
            instance.kept_from_load_balancer = false;
            self.ledger.record_instance(name, instance);
        }
    }

    fn keep_suspended(
        &mut self,
        name: &str,
        suspended: SuspendedProcesses,
    ) -> Result<(), CommandError> {
        let store = &self.ledger.store;
        store
            .put_suspended_processes(name, &suspended)
            .map_err(|error| CommandError::Store(error.to_string()))?;
        if let Some(group) = self.groups.get_mut(name) {
            group.suspended_processes = suspended;
        }
        Ok(())
    }

    /// Groups that the file lost while nobody looked are gone; one that adopts a service is not
    /// in the file, and may be back at the first look.
    pub(super) fn forget_bygone_suspensions(&self) -> Result<(), StoreError> {
        let groups = self.ledger.store.suspended_groups()?;
        let bygone = groups.iter().filter(|name| {
            !self.config.auto_scaling_groups.contains_key(*name)
                && self.template_of_clones(name).is_none()
        });
        bygone.for_each(|name| self.forget_suspended(name));
        Ok(())
    }

    /// A group that is gone for good does not come back suspended.
    pub(super) fn forget_suspended(&self, name: &str) {
        let none = SuspendedProcesses::default();
        if let Err(error) = self.ledger.store.put_suspended_processes(name, &none) {
            warn!(asg.name = name, %error, "the store does not forget suspended processes");
        }
    }
}

fn listed(query: &ScalingProcessQuery) -> String {
    let names = query.named().iter().copied();
    names
        .map(ScalingProcess::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
