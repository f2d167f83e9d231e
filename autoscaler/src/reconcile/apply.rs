//! Desired state: the file, three-way, and what is asked through the API.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

use super::Reconciler;
use crate::{
    capacity::{self, Capacity},
    command::{Command, CommandError},
    config::{AutoScalingGroup, Config},
    describe::ConditionKind,
    group::{Group, Instance},
    host,
    instance::LifecycleState,
    instance_refresh::InstanceRefreshes,
    launch_backoff::LaunchBackoff,
    launch_template::LaunchTemplate,
    metric::GroupSignals,
    now::{Clock, Now, wall_since},
    plan::LEAST_DRAIN,
    policy,
    provider::InstanceProvider,
    scaling_process::SuspendedProcesses,
    store::{InstanceRecord, StoreError},
    target_health::TargetHealthIndex,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Makes the loop's groups those of the configuration, and of the store's instances.
    pub(crate) fn load(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.forget_bygone_suspensions()?;
        self.apply(now)?;
        self.metrics.observe_reload(true, now.wall);
        for record in self.ledger.store.instances()? {
            self.retire_unknown(&record.auto_scaling_group);
            let key_pair = self.ledger.store.instance_key_pair(&record.id)?;
            if let Some(group) = self.groups.get_mut(&record.auto_scaling_group) {
                let mut instance = Instance::restored(record, now);
                instance.key_pair = key_pair;
                group.instances.insert(instance.id.clone(), instance);
            }
        }
        for (name, group) in &self.groups {
            self.ledger.settle(name, &group.instances, now.wall);
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
                self.file_config = config;
                self.merge_adopted();
                let forgotten = self.ledger.store.forget_applied_configuration();
                let applied = forgotten.and_then(|()| self.apply(now));
                self.report_adoptions(now);
                applied.err().map(|error| error.to_string())
            }
            Err(faults) => Some(faults),
        };
        self.metrics.observe_reload(refused.is_none(), now.wall);
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
        self.follow_file_templates(now)?;
        let specs = self.config.auto_scaling_groups.clone();
        for (name, spec) in &specs {
            self.ledger.load(name);
            self.apply_group(name, spec, now)?;
            self.apply_schedule(name, spec, now)?;
            self.apply_notifications(name, spec, now)?;
        }
        self.forget_schedules()?;
        for warning in self
            .config
            .warnings(self.config_watch.provider(), host::size(), now.wall)
        {
            warn!(%warning, "the configuration file is valid, and says what is hardly meant");
        }
        for (_, group) in self
            .groups
            .iter_mut()
            .filter(|(name, _)| !specs.contains_key(*name))
        {
            group.retire();
        }
        self.groups_changed();
        self.want_customized_metrics();
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
        let resolved = self.launch_template_of(&spec.launch_template);
        let file = Capacity::of(spec);
        let stored = self.ledger.store.capacity(name)?;
        let is_new = stored.is_none();
        let record = capacity::merge(stored, file, now.wall);
        self.ledger.store.put_capacity(name, &record)?;
        let deregistration_delay = longest_delay(&self.config, spec);
        let existing = self.groups.remove(name);
        let launch_template_fault = resolved.as_ref().err().map(ToString::to_string);
        let launch_template = resolved.ok().unwrap_or_else(|| {
            let before = existing.as_ref().map(|group| group.launch_template.clone());
            before.unwrap_or_else(|| LaunchTemplate {
                name: spec.launch_template.name.clone(),
                ..LaunchTemplate::default()
            })
        });
        let changed = existing.as_ref().is_none_or(|group| {
            group.launch_template != launch_template || group.capacity != record.capacity
        });
        if let Some(group) = &existing {
            self.tell_capacity(
                name,
                group.capacity,
                record.capacity,
                record.cause.clone(),
                now,
            );
        }
        let begins = existing.is_none();
        let mut spec = spec.clone();
        let policy_ids = self.merge_policies(name, &mut spec)?;
        let mut group = Group {
            spec,
            capacity: record.capacity,
            launch_template,
            launch_template_fault,
            suspended_processes: self.ledger.store.suspended_processes(name)?,
            deregistration_delay,
            capacity_cause: record.cause,
            uninvited: std::collections::BTreeSet::new(),
            is_new,
            retired: false,
            policy_ids,
            ..existing.unwrap_or_else(|| Group::retired(name))
        };
        if changed {
            // What failed before may work now.
            group.launches = LaunchBackoff::default();
        }
        if begins {
            self.resume_alarms(name, &mut group)?;
            let refreshes = self.ledger.store.instance_refreshes(name)?;
            group.instance_refreshes = InstanceRefreshes::restored(refreshes);
            self.metrics.begin_group(name);
        }
        self.groups.insert(name.to_owned(), group);
        self.report_launch_template(name, now);
        Ok(())
    }

    /// Makes room for instances of a group that the file does not have, so that they are ended.
    pub(super) fn retire_unknown(&mut self, name: &str) {
        if !self.groups.contains_key(name) {
            self.ledger.load(name);
            let mut group = Group::retired(name);
            if let Some(template) = self.template_of_clones(name) {
                group.launch_template = template;
            }
            let refreshes = self.ledger.store.instance_refreshes(name);
            group.instance_refreshes = InstanceRefreshes::restored(refreshes.unwrap_or_default());
            self.groups.insert(name.to_owned(), group);
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
            Command::SetInstanceProtection {
                name,
                protection,
                reply,
            } => drop(reply.send(self.set_instance_protection(&name, &protection))),
            Command::EnterStandby {
                name,
                request,
                reply,
            } => drop(reply.send(self.enter_standby(&name, &request, now))),
            Command::ExitStandby {
                name,
                request,
                reply,
            } => drop(reply.send(self.exit_standby(&name, &request, now))),
            Command::SuspendProcesses { name, query, reply } => {
                drop(reply.send(self.suspend_processes(&name, &query, now)));
            }
            Command::ResumeProcesses { name, query, reply } => {
                drop(reply.send(self.resume_processes(&name, &query)));
            }
            Command::ResolveForeignChanges {
                name,
                resolution,
                reply,
            } => drop(reply.send(self.resolve_foreign_changes(&name, resolution, now))),
            Command::TerminateInstanceInAutoScalingGroup {
                instance_id,
                should_decrement_desired_capacity,
                reply,
            } => drop(reply.send(self.terminate_instance(
                &instance_id,
                should_decrement_desired_capacity,
                now,
            ))),
            Command::StartInstanceRefresh {
                name,
                preferences,
                reply,
            } => drop(reply.send(self.start_instance_refresh(&name, preferences, now))),
            Command::CancelInstanceRefresh { name, reply } => {
                drop(reply.send(self.cancel_instance_refresh(&name, now)));
            }
            Command::PutScheduledUpdateGroupAction {
                auto_scaling_group,
                name,
                action,
                reply,
            } => {
                let put = self.put_scheduled_action(&auto_scaling_group, &name, action, now);
                drop(reply.send(put));
            }
            Command::DeleteScheduledAction {
                auto_scaling_group,
                name,
                reply,
            } => {
                let deleted = self.delete_scheduled_action(&auto_scaling_group, &name, now);
                drop(reply.send(deleted));
            }
            Command::LaunchTemplate(command) => self.obey_launch_template(command, now),
            Command::Policy(command) => self.obey_policy(command, now),
            Command::KeyPair(command) => self.obey_key_pair(command, now),
        }
    }

    pub(super) fn unknown_group(&self, name: &str) -> CommandError {
        let known = self.config.auto_scaling_groups.keys().cloned();
        CommandError::AutoScalingGroupNotFound {
            name: name.to_owned(),
            known: known.collect::<Vec<_>>().join(", "),
        }
    }

    /// # Errors
    /// No such group, or one that only ends what it has.
    pub(super) fn live_group(&self, name: &str) -> Result<&Group, CommandError> {
        let group = self.groups.get(name).filter(|group| !group.retired);
        group.ok_or_else(|| self.unknown_group(name))
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
            launch_template_fault: None,
            suspended_processes: SuspendedProcesses::default(),
            // Nobody knows any more whether a target group sends it requests.
            deregistration_delay: LEAST_DRAIN,
            instances: std::collections::BTreeMap::new(),
            policies: policy::State::default(),
            signals: GroupSignals::default(),
            policy_ids: std::collections::BTreeMap::new(),
            alarm_history: Arc::default(),
            cpu_utilization: None,
            launches: LaunchBackoff::default(),
            zone_refusals: std::collections::BTreeMap::new(),
            decision: None,
            instance_refreshes: InstanceRefreshes::default(),
            capacity_cause: String::new(),
            uninvited: std::collections::BTreeSet::new(),
            is_new: true,
            retired: true,
        };
        group.retire();
        group
    }

    /// Keeps its target groups, so that what it has drains.
    fn retire(&mut self) {
        self.retired = true;
        self.spec.scaling_policies.clear();
        // Like AWS's force delete, the end of a group is held back by nothing.
        self.suspended_processes = SuspendedProcesses::default();
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
        instance.protected_from_scale_in = record.protected_from_scale_in;
        instance.recallable = record.recallable;
        instance.kept_from_load_balancer = record.kept_from_load_balancer;
        instance.activity_id = record.activity_id;
        instance
    }
}
