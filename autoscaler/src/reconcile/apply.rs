//! Desired state: the file, three-way, and what is asked through the API.

use std::time::Duration;

use tracing::{info, warn};

use super::Reconciler;
use crate::{
    capacity::{self, Capacity, CapacityRecord},
    command::{CapacityUpdate, Command, CommandError},
    config::{AutoScalingGroup, Config},
    describe::ConditionKind,
    group::{Group, Instance},
    instance::LifecycleState,
    launch_backoff::LaunchBackoff,
    launch_template::LaunchTemplate,
    now::{Clock, Now, wall_since},
    provider::InstanceProvider,
    store::{InstanceRecord, StoreError},
    target_health::TargetHealthIndex,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Makes the loop's groups those of the configuration, and of the store's instances.
    pub(crate) fn load(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.apply(now)?;
        for record in self.ledger.store.instances()? {
            self.retire_unknown(&record.auto_scaling_group);
            if let Some(group) = self.groups.get_mut(&record.auto_scaling_group) {
                group
                    .instances
                    .insert(record.id.clone(), Instance::restored(record, now));
            }
        }
        Ok(())
    }

    /// Picks up a changed file; a bad one leaves everything as it is.
    pub(super) fn reload(&mut self) {
        let Some(changed) = self.config_watch.poll() else {
            return;
        };
        let now = self.clock.now();
        let refused = match changed {
            Ok(config) => {
                info!("the configuration file has changed and is in force");
                self.config = config;
                let forgotten = self.ledger.store.forget_applied_configuration();
                let applied = forgotten.and_then(|()| self.apply(now));
                applied.err().map(|error| error.to_string())
            }
            Err(faults) => Some(faults),
        };
        self.metrics.set_reload_successful(refused.is_none());
        if let Some(faults) = &refused {
            warn!(
                faults,
                "the changed configuration file is refused; the one before stays in force"
            );
        }
        let message = refused.map(|faults| {
            format!(
                "the file as it stands is refused, the one before it is in force: {}",
                faults.trim_end()
            )
        });
        self.conditions
            .set("", ConditionKind::ConfigInvalid, message, now.wall);
    }

    pub(super) fn apply(&mut self, now: Now) -> Result<(), StoreError> {
        self.identify_security_groups()?;
        let specs = self.config.auto_scaling_groups.clone();
        for (name, spec) in &specs {
            self.ledger.load(name);
            self.apply_group(name, spec, now)?;
        }
        for (_, group) in self
            .groups
            .iter_mut()
            .filter(|(name, _)| !specs.contains_key(*name))
        {
            group.retire();
        }
        self.groups_changed();
        Ok(())
    }

    /// Other groups are there than before, or the same ones with other settings.
    pub(super) fn groups_changed(&mut self) {
        self.attention.call_all(self.groups.keys());
        let targets = TargetHealthIndex::as_was(self.report.as_ref());
        self.published.reset(&self.config, &self.groups, &targets);
    }

    fn apply_group(
        &mut self,
        name: &str,
        spec: &AutoScalingGroup,
        now: Now,
    ) -> Result<(), StoreError> {
        let template = &self.config.launch_templates[&spec.launch_template];
        let launch_template = self.ledger.store.version_launch_template(template)?;
        let file = Capacity::of(spec);
        let record = capacity::merge(self.ledger.store.capacity(name)?, file, now.wall);
        self.ledger.store.put_capacity(name, &record)?;
        let deregistration_delay = longest_delay(&self.config, spec);
        let existing = self.groups.remove(name);
        let changed = existing.as_ref().is_none_or(|group| {
            group.launch_template != launch_template || group.capacity != record.capacity
        });
        let (instances, tracking, launches, decision) = match existing {
            Some(group) => (
                group.instances,
                group.tracking,
                group.launches,
                group.decision,
            ),
            None => Default::default(),
        };
        let group = Group {
            spec: spec.clone(),
            capacity: record.capacity,
            launch_template,
            deregistration_delay,
            instances,
            tracking,
            // What failed before may work now.
            launches: if changed {
                LaunchBackoff::default()
            } else {
                launches
            },
            decision,
            capacity_cause: record.cause,
            retired: false,
        };
        self.groups.insert(name.to_owned(), group);
        Ok(())
    }

    /// Makes room for instances of a group that the file does not have, so that they are ended.
    pub(super) fn retire_unknown(&mut self, name: &str) {
        if !self.groups.contains_key(name) {
            self.ledger.load(name);
            self.groups.insert(name.to_owned(), Group::retired(name));
            self.groups_changed();
        }
    }

    pub(super) fn obey(&mut self, command: Command) {
        match command.auto_scaling_group() {
            Some(name) => self.attention.call(name),
            None => self.attention.call_all(self.groups.keys()),
        }
        let now = self.clock.now();
        // The asker may have gone; what it asked for is done all the same.
        match command {
            Command::UpdateAutoScalingGroup {
                name,
                update,
                reply,
            } => drop(reply.send(self.update_group(&name, update, now))),
            Command::PlanConfiguration { submitted, reply } => {
                // A file that has changed by now changed before.
                self.reload();
                drop(reply.send(self.plan_configuration(&submitted, now)));
            }
            Command::ApplyConfiguration {
                submitted,
                fingerprint,
                reply,
            } => {
                self.reload();
                drop(reply.send(self.apply_configuration(*submitted, &fingerprint, now)));
            }
        }
    }

    fn update_group(
        &mut self,
        name: &str,
        update: CapacityUpdate,
        now: Now,
    ) -> Result<(), CommandError> {
        let live = self.groups.get(name).filter(|group| !group.retired);
        let Some(group) = live else {
            let known = self
                .config
                .auto_scaling_groups
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            return Err(CommandError::AutoScalingGroupNotFound {
                name: name.to_owned(),
                known,
            });
        };
        let before = group.capacity;
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
        let Some(group) = self.groups.get_mut(name) else {
            return Ok(());
        };
        group.capacity = after;
        group.capacity_cause = cause;
        group.launches.reset();
        if before.desired_capacity != desired_capacity {
            self.metrics
                .count_scaling(name, before.desired_capacity, desired_capacity, "user");
            for state in group.tracking.values_mut() {
                state.record_scaling(before.desired_capacity, desired_capacity, now.mono);
            }
        }
        Ok(())
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
        group.capacity_cause = cause;
        self.attention.call(name);
        for state in group.tracking.values_mut() {
            state.record_scaling(before.desired_capacity, desired_capacity, now.mono);
        }
    }

    fn put_capacity(
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

fn longest_delay(config: &Config, spec: &AutoScalingGroup) -> Duration {
    let delays = spec
        .target_groups
        .iter()
        .filter_map(|name| config.target_groups.get(name));
    delays
        .map(|group| group.deregistration_delay)
        .max()
        .unwrap_or_default()
}

impl Group {
    /// A group that exists only to end what it still has.
    fn retired(name: &str) -> Self {
        let mut group = Self {
            spec: AutoScalingGroup {
                name: name.to_owned(),
                ..AutoScalingGroup::default()
            },
            capacity: Capacity {
                min_size: 0,
                max_size: 0,
                desired_capacity: 0,
            },
            launch_template: LaunchTemplate::default(),
            deregistration_delay: Duration::ZERO,
            instances: std::collections::BTreeMap::new(),
            tracking: std::collections::BTreeMap::new(),
            launches: LaunchBackoff::default(),
            decision: None,
            capacity_cause: String::new(),
            retired: true,
        };
        group.retire();
        group
    }

    /// Keeps its target groups, so that what it has drains.
    fn retire(&mut self) {
        self.retired = true;
        self.spec.scaling_policies.clear();
        self.capacity = Capacity {
            min_size: 0,
            max_size: 0,
            desired_capacity: 0,
        };
        "the group was removed from the configuration file".clone_into(&mut self.capacity_cause);
    }
}

impl Instance {
    /// An instance as the store has it; the next observation says whether it is still so.
    fn restored(record: InstanceRecord, now: Now) -> Self {
        let age = wall_since(now.wall, record.launch_time);
        let launched_at = now.mono.checked_sub(age).unwrap_or(now.mono);
        let state = record.lifecycle_state;
        let mut instance = Self::pending(
            record.id,
            record.availability_zone,
            record.index,
            (record.launch_template_name, record.launch_template_version),
            record.launch_time,
            launched_at,
        );
        instance.lifecycle_state = state;
        instance.in_service_since = (state == LifecycleState::InService).then_some(launched_at);
        // The drain begins anew: nobody knows how much of it the balancer saw.
        instance.terminating_since = (state == LifecycleState::Terminating).then_some(now.mono);
        instance.activity_id = record.activity_id;
        instance
    }
}
