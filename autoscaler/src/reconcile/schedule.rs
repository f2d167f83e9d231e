//! Scheduled actions in the loop: read with the file, changed through the API, run in time.

use tracing::{info, warn};

use super::Reconciler;
use crate::{
    capacity::CapacityRecord,
    command::CommandError,
    config::AutoScalingGroup,
    describe::{Activity, ScheduledUpdateGroupAction},
    metrics::ScalingCause,
    now::{Clock, Now},
    provider::InstanceProvider,
    scaling_process::ScalingProcess,
    schedule::{
        self, Due, Kept, MAX_ACTIONS, ScheduleJournal, ScheduledAction, ScheduledActionSpec,
        one_off_conflict,
    },
    store::StoreError,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Takes in what the file says of a group's scheduled actions.
    pub(super) fn apply_schedule(
        &mut self,
        name: &str,
        spec: &AutoScalingGroup,
        now: Now,
    ) -> Result<(), StoreError> {
        let store = &self.ledger.store;
        let stored = store.scheduled_actions(name)?;
        let rows = schedule::merge(stored, &spec.scheduled_actions, now.wall);
        store.replace_scheduled_actions(name, &rows)?;
        let journal = ScheduleJournal::new(rows);
        self.schedules.insert(name.to_owned(), journal);
        Ok(())
    }

    /// A group that is not in the file any more has no schedule, and does not get its old one
    /// back.
    pub(super) fn forget_schedules(&mut self) -> Result<(), StoreError> {
        let known = &self.config.auto_scaling_groups;
        self.schedules.retain(|name, _| known.contains_key(name));
        for name in self.ledger.store.scheduled_groups()? {
            if !known.contains_key(&name) {
                self.ledger.store.replace_scheduled_actions(&name, &[])?;
            }
        }
        Ok(())
    }

    /// Runs what is due. That the provider does not answer is no reason to wait: what changes
    /// is what the group should have.
    pub(super) fn run_scheduled_actions(&mut self, now: Now) {
        let due = self.schedules.iter_mut().flat_map(|(group, journal)| {
            let due = journal.due(now.wall);
            due.into_iter().map(|due| (group.clone(), due))
        });
        let due: Vec<(String, Due)> = due.collect();
        for (group, due) in due {
            self.run_scheduled_action(&group, &due, now);
        }
    }

    fn run_scheduled_action(&mut self, name: &str, due: &Due, now: Now) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        if group.suspends(ScalingProcess::ScheduledActions) {
            return self.pass_over(name, due);
        }
        let before = group.capacity;
        let change = due.sizes.applied_to(before);
        let cause = change.as_ref().map(|after| {
            let mut cause = format!(
                "a scheduled action update of AutoScalingGroup constraints to min: {}, max: {}, desired: {}",
                after.min_size, after.max_size, after.desired_capacity
            );
            if before.desired_capacity != after.desired_capacity {
                cause += &format!(
                    " changing the desired capacity from {} to {}",
                    before.desired_capacity, after.desired_capacity
                );
            }
            cause + &format!(", by {} due at {:.0}", due.name, due.at)
        });
        let cause = cause.unwrap_or_default();
        let Some(kept) = self
            .schedules
            .get_mut(name)
            .and_then(|journal| journal.ran(due))
        else {
            return;
        };
        let record = change.as_ref().ok().map(|capacity| CapacityRecord {
            capacity: *capacity,
            file: self.file_capacity(name).unwrap_or(*capacity),
            cause: cause.clone(),
        });
        self.attention.call(name);
        let store = &self.ledger.store;
        if let Err(error) = store.run_scheduled_action(name, &kept, record.as_ref()) {
            // It runs all the same; at worst once more after a restart within the day.
            warn!(asg.name = name, action = due.name, %error, "a scheduled action could not be recorded");
        }
        match change {
            Ok(after) => {
                info!(
                    asg.name = name,
                    action = due.name,
                    cause,
                    "capacity updated"
                );
                self.take_capacity(name, after, cause, ScalingCause::Schedule, now);
            }
            Err(why) => {
                warn!(
                    asg.name = name,
                    action = due.name,
                    why,
                    "a scheduled action cannot be carried out"
                );
                let failed = Activity::scheduled_action_failed(
                    name,
                    &due.name,
                    why,
                    now.wall,
                    &mut self.rng,
                );
                self.ledger.begin(failed);
            }
        }
    }

    /// Lets a time go by: it is not made up for once scheduled actions are resumed.
    fn pass_over(&mut self, name: &str, due: &Due) {
        let journal = self.schedules.get_mut(name);
        let Some(kept) = journal.and_then(|journal| journal.pass_over(due)) else {
            return;
        };
        info!(
            asg.name = name,
            action = due.name,
            "a scheduled action does not run: scheduled actions are suspended"
        );
        if let Err(error) = self.ledger.store.keep_scheduled_action(name, &kept) {
            warn!(asg.name = name, action = due.name, %error, "a scheduled action could not be recorded");
        }
    }

    pub(super) fn put_scheduled_action(
        &mut self,
        group: &str,
        name: &str,
        spec: ScheduledActionSpec,
        now: Now,
    ) -> Result<(), CommandError> {
        let journal = self.schedule_of(group)?;
        let action = ScheduledAction::try_new(name, spec).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            CommandError::Validation(faults.join("; "))
        })?;
        let past = |(field, time): (&str, Option<jiff::Timestamp>)| {
            let time = time.filter(|time| *time <= now.wall)?;
            Some(format!(
                "{field}: {time} is past; it is {:.0} now",
                now.wall
            ))
        };
        let times = [
            ("start_time", action.spec.start_time),
            ("end_time", action.spec.end_time),
        ];
        if let Some(fault) = times.into_iter().find_map(past) {
            return Err(CommandError::Validation(fault));
        }
        if schedule::next_occurrence(&action, now.wall).is_none() {
            let fault = "end_time: it is before the next occurrence: the action would never run";
            return Err(CommandError::Validation(fault.to_owned()));
        }
        if let Some(other) = one_off_conflict(&action, journal.actions()) {
            return Err(CommandError::AlreadyExists(format!(
                "the scheduled action `{}` runs at that time: give this one another",
                other.name
            )));
        }
        let others = journal.actions().filter(|other| other.name != name).count();
        if others >= MAX_ACTIONS {
            return Err(CommandError::LimitExceeded(format!(
                "the group has {others} scheduled actions, which is the limit"
            )));
        }
        let kept = Kept::Row(Box::new(journal.put(&action, now.wall)));
        self.keep_scheduled_action(group, kept)
    }

    pub(super) fn delete_scheduled_action(
        &mut self,
        group: &str,
        name: &str,
        now: Now,
    ) -> Result<(), CommandError> {
        let journal = self.schedule_of(group)?;
        let Some(kept) = journal.delete(name, now.wall) else {
            let known: Vec<_> = journal
                .actions()
                .map(|action| action.name.as_str())
                .collect();
            return Err(CommandError::ScheduledActionNotFound {
                auto_scaling_group: group.to_owned(),
                name: name.to_owned(),
                known: match known.is_empty() {
                    true => "none".to_owned(),
                    false => known.join(", "),
                },
            });
        };
        self.keep_scheduled_action(group, kept)
    }

    fn keep_scheduled_action(&mut self, group: &str, kept: Kept) -> Result<(), CommandError> {
        self.ledger
            .store
            .keep_scheduled_action(group, &kept)
            .map_err(|error| CommandError::Store(error.to_string()))?;
        if let Some(journal) = self.schedules.get_mut(group) {
            journal.keep(kept);
        }
        Ok(())
    }

    fn schedule_of(&self, group: &str) -> Result<&ScheduleJournal, CommandError> {
        self.schedules
            .get(group)
            .ok_or_else(|| self.unknown_group(group))
    }

    pub(super) fn describe_schedule(&self, name: &str) -> Vec<ScheduledUpdateGroupAction> {
        let Some(journal) = self.schedules.get(name) else {
            return Vec::new();
        };
        let described = journal.describe().map(|(action, row, next_times)| {
            let spec = action.spec.clone();
            ScheduledUpdateGroupAction {
                auto_scaling_group_name: name.to_owned(),
                scheduled_action_name: action.name.clone(),
                changed_through_api: row.file.as_ref() != Some(&spec),
                recurrence: spec.recurrence,
                time_zone: spec.time_zone,
                start_time: spec.start_time,
                end_time: spec.end_time,
                min_size: spec.min_size,
                max_size: spec.max_size,
                desired_capacity: spec.desired_capacity,
                next_times: next_times.to_vec(),
                last_time: row.last_run,
            }
        });
        described.collect()
    }
}
