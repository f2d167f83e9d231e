//! Configurations that are sent: planned, and applied as a changed file would be.

use tracing::info;

use super::Reconciler;
use crate::{
    change_set::{Census, ChangeSet, Current, LiveInstances, change_set},
    command::{CommandError, SubmittedConfiguration},
    now::{Clock, Now},
    provider::InstanceProvider,
    store::StoreError,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// What putting it in force would change.
    pub(super) fn plan_configuration(
        &self,
        submitted: &SubmittedConfiguration,
        now: Now,
    ) -> Result<ChangeSet, CommandError> {
        let current = self.current(submitted, now).map_err(not_recorded)?;
        Ok(change_set(&current, &submitted.config, &submitted.text))
    }

    /// Puts it in force if that changes what was reviewed, and nothing else. It is recorded
    /// before it acts: a crash in between leaves it to the next start.
    pub(super) fn apply_configuration(
        &mut self,
        submitted: SubmittedConfiguration,
        reviewed: &str,
        now: Now,
    ) -> Result<ChangeSet, CommandError> {
        let changes = self.plan_configuration(&submitted, now)?;
        if changes.fingerprint != reviewed {
            return Err(CommandError::PlanOutdated);
        }
        let SubmittedConfiguration { config, text } = submitted;
        let applied = self.config_watch.to_remember(text, now.wall);
        let store = &self.ledger.store;
        match &applied {
            Some(applied) => store.put_applied_configuration(applied),
            None => store.forget_applied_configuration(),
        }
        .map_err(not_recorded)?;
        self.config_watch.supersede(applied.as_ref());
        let [added, changed, removed] = changes.counts();
        info!(
            added,
            changed, removed, "a configuration was applied and is in force"
        );
        self.file_config = config;
        self.merge_adopted();
        self.apply(now).map_err(not_recorded)?;
        self.report_adoptions(now);
        Ok(changes)
    }

    fn current(
        &self,
        submitted: &SubmittedConfiguration,
        now: Now,
    ) -> Result<Current<'_>, StoreError> {
        let store = &self.ledger.store;
        let mut current = Current {
            config: &self.file_config,
            launch_templates: Default::default(),
            capacities: Default::default(),
            instances: Census::new(),
            now: now.wall,
        };
        let next = &submitted.config;
        for template in store.launch_templates()? {
            let name = template.name.clone();
            current.launch_templates.insert(name, template);
        }
        let groups = next.auto_scaling_groups.keys();
        for name in groups.chain(self.file_config.auto_scaling_groups.keys()) {
            if let Some(record) = store.capacity(name)? {
                current.capacities.insert(name.clone(), record);
            }
        }
        let groups = self.groups.iter();
        current.instances = groups
            .map(|(name, group)| (name.clone(), LiveInstances::of(group)))
            .collect();
        Ok(current)
    }
}

fn not_recorded(error: StoreError) -> CommandError {
    CommandError::Store(error.to_string())
}
