//! Carrying out a plan, and writing down what came of it. The record always goes first.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Reconciler, key_pairs::missing_key_pair};
use crate::{
    crash_point::CrashPoint,
    describe::{Activity, ActivityStatus, ConditionKind},
    group::{Group, Instance},
    instance::{InstanceId, LifecycleState},
    launch_backoff::Allowance,
    now::{Clock, Now, wall_since},
    observe::Change,
    operations::Outcome,
    plan::{Action, LaunchReason},
    provider::{InstanceProvider, LaunchError, LaunchRequest},
    scaling_process::ScalingProcess,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    pub(super) fn execute(&mut self, group: &str, action: Action, now: Now) {
        if !matches!(action, Action::Relaunch { .. } | Action::AskBusy { .. }) {
            info!(asg.name = group, %action, "acting");
        }
        match action {
            Action::Launch {
                availability_zone,
                reason,
            } => self.launch(group, availability_zone, reason, now),
            Action::Recall { id } => self.recall(group, &id, now),
            Action::AskBusy { id } => self.ask_busy(group, &id, now),
            Action::Relaunch { id } => self.call_launch(group, &id),
            Action::Deregister {
                id,
                cause,
                recallable,
            } => self.deregister(group, &id, cause, recallable, now),
            Action::EnterStandby { id } => self.conclude_standby(group, &id, now),
            Action::Terminate { id } => self.terminate(group, id, now),
        }
    }

    fn launch(&mut self, name: &str, availability_zone: String, reason: LaunchReason, now: Now) {
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let id = InstanceId::random(&mut self.rng);
        let live = group.live().count();
        let cause = match reason {
            LaunchReason::Rebalance => format!(
                "At {:.0} instances were launched to balance instances in zones {availability_zone} with other zones resulting in more than desired number of instances in the group.",
                now.wall
            ),
            LaunchReason::Refresh if group.instance_refreshes.active.is_some() => format!(
                "At {:.0} an instance was launched in response to an instance refresh.",
                now.wall
            ),
            LaunchReason::Refresh => format!(
                "At {:.0} an instance was launched in response to an instance refresh: it takes over from one that was cloned from what its service was before.",
                now.wall
            ),
            LaunchReason::Capacity => format!(
                "At {:.0} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {live} to {}{}",
                now.wall,
                live + 1,
                group.because()
            ),
        };
        let activity = Activity::launch(name, &id, cause, now.wall, &mut self.rng);
        let template = &group.launch_template;
        let key_pair = self.key_pair_of(template);
        let mut instance = Instance::pending(
            id.clone(),
            availability_zone,
            group.next_index(),
            (template.name.clone(), template.version),
            now.wall,
            now.mono,
        );
        instance.protected_from_scale_in = group.spec.new_instances_protected_from_scale_in;
        instance.kept_from_load_balancer = group.suspends(ScalingProcess::AddToLoadBalancer);
        instance.activity_id = Some(self.ledger.begin(activity));
        instance.key_pair = key_pair;
        self.ledger.record_key_pair(&instance);
        self.ledger.record_instance(name, &instance);
        if let Some(group) = self.groups.get_mut(name) {
            group.instances.insert(id.clone(), instance);
        }
        CrashPoint::LaunchRecorded.reached(self.crash_at);
        self.call_launch(name, &id);
    }

    fn call_launch(&mut self, name: &str, id: &InstanceId) {
        self.update_clone(name, id);
        let Some(group) = self.groups.get(name) else {
            return;
        };
        let Some(instance) = group.instances.get(id) else {
            return;
        };
        let current = &group.launch_template;
        let wanted = (
            instance.launch_template_name.as_str(),
            instance.launch_template_version,
        );
        let launch_template =
            if current.clone_of.is_some() || wanted == (current.name.as_str(), current.version) {
                current.clone()
            } else {
                // Recorded under an older version: that one is still in the store.
                self.launch_template_version(wanted.0, wanted.1)
                    .unwrap_or_else(|| current.clone())
            };
        if let Some(error) = missing_key_pair(&launch_template, instance) {
            self.conclude(Outcome::Launched(id.clone(), Err(error)));
            return;
        }
        let seed = self.seed_to_clone(name);
        if launch_template.clone_of.is_some() && seed.is_none() {
            return;
        }
        let request = LaunchRequest {
            seed,
            networks: self.networks_of(&launch_template),
            instance_id: id.clone(),
            auto_scaling_group: name.to_owned(),
            availability_zone: instance.availability_zone.clone(),
            index: instance.index,
            launch_template,
        };
        self.operations.launch(Arc::clone(&self.provider), request);
    }

    /// A clone is made from what Compose runs now, whatever that was when it was recorded.
    fn update_clone(&mut self, name: &str, id: &InstanceId) {
        let Some(group) = self.groups.get_mut(name).filter(|group| group.is_adopted()) else {
            return;
        };
        let current = group.launch_template.version;
        let instance = group.instances.get_mut(id);
        if let Some(instance) = instance.filter(|one| one.launch_template_version != current) {
            instance.launch_template_version = current;
            self.ledger.record_instance(name, instance);
        }
    }

    /// When a drain that is asked for now begins. Before the provider has been seen no snapshot
    /// tells of it: then with the first look at the instance, as after any restart.
    pub(super) fn drains_from(&self, now: Now) -> Option<Instant> {
        self.observation.at.map(|_| now.mono)
    }

    pub(super) fn deregister(
        &mut self,
        name: &str,
        id: &InstanceId,
        cause: String,
        recallable: bool,
        now: Now,
    ) {
        let draining_since = self.drains_from(now);
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let drains = !group.spec.target_groups.is_empty();
        let Some(instance) = group.instances.get_mut(id) else {
            return;
        };
        // A launch that is not wanted any more has ended as well.
        let message = Some("no longer needed".to_owned());
        self.ledger.end(
            name,
            instance.activity_id.as_deref(),
            ActivityStatus::Cancelled,
            message,
            now.wall,
        );
        instance.lifecycle_state = LifecycleState::Terminating;
        instance.draining_since = draining_since;
        instance.recallable = recallable;
        let cause = format!("At {:.0} {cause}", now.wall);
        let activity = Activity::terminate(name, id, cause, drains, now.wall, &mut self.rng);
        instance.activity_id = Some(self.ledger.begin(activity));
        self.ledger.record_instance(name, instance);
        CrashPoint::DeregistrationRecorded.reached(self.crash_at);
    }

    fn terminate(&mut self, name: &str, id: InstanceId, now: Now) {
        let instance = self
            .groups
            .get_mut(name)
            .and_then(|group| group.instances.get_mut(&id));
        let activity = instance.and_then(|instance| {
            // From here on it may have had its SIGTERM.
            if std::mem::take(&mut instance.recallable) {
                self.ledger.record_instance(name, instance);
            }
            instance.activity_id.clone()
        });
        self.ledger
            .update(name, activity.as_deref(), now.wall, |activity| {
                activity.status_code = ActivityStatus::InProgress;
                activity.progress = 50;
            });
        CrashPoint::Drained.reached(self.crash_at);
        self.operations.terminate(Arc::clone(&self.provider), id);
    }

    /// A call to the provider has ended. What it did shows in the next observation; only a
    /// launch that was refused is known from here alone.
    pub(super) fn conclude(&mut self, outcome: Outcome) {
        let now = self.clock.now();
        self.observation.due |= !matches!(outcome, Outcome::Answered(..));
        let (Outcome::Launched(id, _) | Outcome::Terminated(id, _) | Outcome::Answered(id, _)) =
            &outcome;
        let of_instance = |group: &Group| group.instances.contains_key(id);
        let name = self.groups.iter().find(|(_, group)| of_instance(group));
        let Some(name) = name.map(|(name, _)| name.clone()) else {
            return;
        };
        self.attention.call(&name);
        match outcome {
            Outcome::Answered(id, answer) => self.take_busy_answer(&id, answer, now),
            Outcome::Launched(id, Ok(())) => {
                CrashPoint::Launched.reached(self.crash_at);
                self.note_launched(&id, now);
            }
            Outcome::Launched(_, Err(LaunchError::Unreachable(error))) => {
                self.provider_failed(&error, now)
            }
            Outcome::Launched(id, Err(LaunchError::SeedGone(error))) => {
                debug!(instance.id = %id, error, "the launch waits for a container to clone");
            }
            Outcome::Launched(id, Err(LaunchError::InsufficientInstanceCapacity(error))) => {
                self.zone_refused(&id, &error, now);
            }
            Outcome::Launched(id, Err(error)) => {
                let group = self.groups.get_mut(&name);
                let instance = group.and_then(|group| group.instances.get_mut(&id));
                let is_launching = |instance: &&mut Instance| {
                    instance.lifecycle_state == LifecycleState::Pending
                        && instance.address.is_none()
                };
                let Some(instance) = instance.filter(is_launching) else {
                    // What runs has been launched, whatever the call says of it.
                    warn!(instance.id = %id, %error, "the launch was answered late or not at all");
                    return;
                };
                instance.lifecycle_state = LifecycleState::Terminating;
                self.record_change(&name, Change::LaunchFailed(id, error.to_string()), now);
            }
            Outcome::Terminated(_, Ok(())) => CrashPoint::Terminated.reached(self.crash_at),
            Outcome::Terminated(id, Err(error)) => {
                warn!(instance.id = %id, %error, "the instance could not be terminated; it is tried again");
                let mut groups = self.groups.iter();
                let found = groups.find_map(|(name, group)| {
                    let instance = group.instances.get(&id)?;
                    Some((name.clone(), instance.activity_id.clone()))
                });
                if let Some((name, activity)) = found {
                    let why = error.to_string();
                    self.ledger
                        .fail_try(&name, activity.as_deref(), &why, now.wall);
                }
                self.provider_failed(&error.to_string(), now);
            }
        }
    }

    /// It exists: from here on it is the health checks that are waited for.
    fn note_launched(&mut self, id: &InstanceId, now: Now) {
        let pending = |group: &Group| {
            let instance = group.instances.get(id)?;
            let launching = instance.lifecycle_state == LifecycleState::Pending;
            instance.activity_id.clone().filter(|_| launching)
        };
        let mut groups = self.groups.iter();
        let found = groups.find_map(|(name, group)| Some((name.clone(), pending(group)?)));
        let Some((name, activity)) = found else {
            return;
        };
        self.ledger
            .update(&name, Some(&activity), now.wall, |activity| {
                activity.status_code = ActivityStatus::PreInService;
                activity.progress = 30;
            });
    }

    pub(super) fn record_change(&mut self, name: &str, change: Change, now: Now) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        let (Change::Adopted(id)
        | Change::InService(id)
        | Change::LaunchFailed(id, _)
        | Change::Lost(id, _)
        | Change::Removed(id)
        | Change::Terminated(id)
        | Change::Joined(id)
        | Change::Left(id, _)) = &change;
        let Some(instance) = group.instances.get_mut(id) else {
            return;
        };
        let activity_id = instance.activity_id.clone();
        let activity_id = activity_id.as_deref();
        let returns = self.ledger.returns_from_standby(name, activity_id);
        match &change {
            Change::Adopted(_) => {
                info!(asg.name = name, instance.id = %id, "adopted an instance by its mark");
                self.ledger
                    .begin(Activity::adopt(name, id, now.wall, &mut self.rng));
                self.ledger.record_instance(name, instance);
            }
            Change::InService(_) => {
                let took = wall_since(now.wall, instance.launch_time);
                info!(asg.name = name, instance.id = %id, duration_ms = took.as_millis() as u64, "in service");
                if !instance.is_seed() && !returns {
                    self.metrics.observe_launch(name, took);
                }
                group.zone_refusals.remove(&instance.availability_zone);
                self.ledger.record_instance(name, instance);
                CrashPoint::InServiceRecorded.reached(self.crash_at);
                self.ledger.end(
                    name,
                    activity_id,
                    ActivityStatus::Successful,
                    None,
                    now.wall,
                );
            }
            Change::LaunchFailed(_, why) => {
                warn!(asg.name = name, instance.id = %id, why, "the launch failed");
                self.metrics.count_launch_failure(name);
                self.ledger.end(
                    name,
                    activity_id,
                    ActivityStatus::Failed,
                    Some(why.clone()),
                    now.wall,
                );
                self.ledger.record_instance(name, instance);
                group.launches.record_failure(now.mono, why, &mut self.rng);
            }
            Change::Lost(_, why) => {
                let young = now.mono - instance.launched_at < group.spec.health_check_grace_period;
                if young && instance.in_service_since.is_some() {
                    // It passed one check and fell over: launching it again and again is a loop.
                    group.launches.record_failure(now.mono, why, &mut self.rng);
                }
                warn!(asg.name = name, instance.id = %id, why, "an instance in service is lost");
                // Of one that was on its way into standby.
                let status = ActivityStatus::Cancelled;
                self.ledger
                    .end(name, activity_id, status, Some(why.clone()), now.wall);
                let cause = format!(
                    "At {:.0} an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped: {why}",
                    now.wall
                );
                let activity = Activity::terminate(name, id, cause, false, now.wall, &mut self.rng);
                instance.activity_id = Some(self.ledger.begin(activity));
                self.ledger.record_instance(name, instance);
            }
            Change::Removed(id) => self.follow_removal(name, id, now),
            Change::Terminated(_) => {
                info!(asg.name = name, instance.id = %id, "terminated");
                self.ledger.end(
                    name,
                    activity_id,
                    ActivityStatus::Successful,
                    None,
                    now.wall,
                );
                self.ledger.forget_instance(instance);
                let id = id.clone();
                group.instances.remove(&id);
            }
            Change::Joined(id) => {
                info!(asg.name = name, instance.id = %id, "a container of the group's service takes part");
                let activity = Activity::join(name, id, now.wall, &mut self.rng);
                self.ledger.begin(activity);
            }
            Change::Left(id, why) => {
                info!(asg.name = name, instance.id = %id, why, "a container of the group's service takes part no longer");
                let activity = Activity::leave(name, id, why, now.wall, &mut self.rng);
                self.ledger.begin(activity);
                group.instances.remove(id);
            }
        }
    }

    pub(super) fn report_launches(&mut self, name: &str, now: Now) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        if group.has_proven_itself(now.mono) {
            group.launches.reset();
        }
        let launches = &group.launches;
        let error = launches.last_error();
        let (suspended, failing) = match launches.allowance(now.mono) {
            Allowance::Unlimited => (None, None),
            Allowance::Suspended(left) => {
                let minutes = left.as_secs().div_ceil(60);
                (
                    Some(format!(
                        "launches keep failing ({error}); the next try is in {minutes} min, or as soon as the launch template or the capacity changes"
                    )),
                    None,
                )
            }
            Allowance::Delayed(_) | Allowance::Single => {
                let count = launches.consecutive_failures();
                (
                    None,
                    Some(format!(
                        "{count} launch(es) in a row failed, the last: {error}; the next is delayed"
                    )),
                )
            }
        };
        self.conditions
            .set(name, ConditionKind::LaunchSuspended, suspended, now.wall);
        self.conditions
            .set(name, ConditionKind::LaunchFailing, failing, now.wall);
    }
}
