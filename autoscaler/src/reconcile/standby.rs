//! Taking instances out of service without ending them, and putting them back.

use std::collections::BTreeSet;

use tokio::time::Instant;
use tracing::info;

use super::{Reconciler, protection::unmanaged};
use crate::{
    busy::Busyness,
    capacity::{Capacity, CapacityRecord},
    command::{CommandError, EnterStandby, ExitStandby},
    conduct::Conduct,
    crash_point::CrashPoint,
    describe::{Activity, ActivityStatus},
    group::{Group, Instance},
    instance::{InstanceId, LifecycleState},
    metrics::ScalingCause,
    now::{Clock, Now},
    provider::InstanceProvider,
    scaling_process::ScalingProcess,
};

/// Of AWS's `EnterStandby` and `ExitStandby`.
const MOST_INSTANCES: usize = 20;

/// What a request comes to: instances as they are from then on, and what is told of each.
struct Move {
    instances: Vec<(Instance, Activity)>,
    capacity: Capacity,
    cause: String,
}

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Lets the instances drain: all of them, or none where one cannot. They are in standby
    /// once they have finished what they hold.
    pub(super) fn enter_standby(
        &mut self,
        name: &str,
        request: &EnterStandby,
        now: Now,
    ) -> Result<Vec<Activity>, CommandError> {
        let draining_since = self.drains_from(now);
        let group = self.live_group(name)?;
        let ids = named(&request.instance_ids)?;
        let instances = in_state(group, &ids, LifecycleState::InService)?;
        if let Some(seed) = instances.iter().find(|instance| instance.is_seed()) {
            return Err(CommandError::Validation(format!(
                "the instance {} is a container that Docker Compose runs: it takes part as long as it runs; use docker compose stop",
                seed.id
            )));
        }
        let before = group.capacity;
        let after = match request.should_decrement_desired_capacity {
            true => lowered(group, ids.len())?,
            false => before,
        };
        let drains = !group.spec.target_groups.is_empty();
        let shrinking = shift("shrinking", before, after);
        let activities = instances.into_iter().map(|mut instance| {
            let id = instance.id.clone();
            let cause = format!(
                "At {:.0} instance {id} was moved to standby in response to a user request{shrinking}.",
                now.wall
            );
            let rng = &mut self.rng;
            let activity = Activity::enter_standby(name, &id, cause, drains, now.wall, rng);
            instance.drain_into_standby(draining_since, &activity);
            (instance, activity)
        });
        let moved = Move {
            instances: activities.collect(),
            capacity: after,
            cause: cause("moved to standby", &ids, &shrinking),
        };
        let begun = self.carry_out(name, moved, now)?;
        CrashPoint::DeregistrationRecorded.reached(self.crash_at);
        Ok(begun)
    }

    /// Registers the instances again; the desired capacity rises by as many.
    pub(super) fn exit_standby(
        &mut self,
        name: &str,
        request: &ExitStandby,
        now: Now,
    ) -> Result<Vec<Activity>, CommandError> {
        let group = self.live_group(name)?;
        let ids = named(&request.instance_ids)?;
        let instances = in_state(group, &ids, LifecycleState::Standby)?;
        if let Some(stopped) = instances.iter().find(|one| one.address.is_none()) {
            return Err(CommandError::Validation(format!(
                "the instance {} does not run: start it, or terminate it",
                stopped.id
            )));
        }
        if let Some(suspended) = group.suspended_processes.sentence(ScalingProcess::Launch) {
            return Err(CommandError::Validation(format!(
                "{suspended}: no instance leaves standby before minicloud resume {name} Launch"
            )));
        }
        let before = group.capacity;
        let after = raised(group, ids.len())?;
        let unregistered = group.suspends(ScalingProcess::AddToLoadBalancer);
        let increasing = shift("increasing", before, after);
        let activities = instances.into_iter().map(|mut instance| {
            let id = instance.id.clone();
            let cause = format!(
                "At {:.0} instance {id} was moved out of standby in response to a user request{increasing}.",
                now.wall
            );
            let rng = &mut self.rng;
            let activity = Activity::exit_standby(name, &id, cause, now.wall, rng);
            instance.return_from_standby(now, &activity);
            instance.kept_from_load_balancer = unregistered;
            (instance, activity)
        });
        let moved = Move {
            instances: activities.collect(),
            capacity: after,
            cause: cause("moved out of standby", &ids, &increasing),
        };
        self.carry_out(name, moved, now)
    }

    /// The record goes first, instances and capacity at once: killed in between, no other
    /// instance goes or comes in the place of these.
    fn carry_out(
        &mut self,
        name: &str,
        moved: Move,
        now: Now,
    ) -> Result<Vec<Activity>, CommandError> {
        let (instances, activities): (Vec<Instance>, Vec<Activity>) =
            moved.instances.into_iter().unzip();
        for activity in &activities {
            self.ledger.begin(activity.clone());
        }
        let record = CapacityRecord {
            capacity: moved.capacity,
            file: self.file_capacity(name).unwrap_or(moved.capacity),
            cause: moved.cause.clone(),
        };
        if let Err(error) = self.ledger.record_together(name, &instances, &record) {
            let why = error.to_string();
            for activity in &activities {
                let id = Some(activity.activity_id.as_str());
                let status = ActivityStatus::Failed;
                self.ledger
                    .end(name, id, status, Some(why.clone()), now.wall);
            }
            return Err(CommandError::Store(why));
        }
        info!(asg.name = name, cause = moved.cause, "standby on request");
        if let Some(group) = self.groups.get_mut(name) {
            let ids = instances.iter().map(|instance| instance.id.clone());
            group.instances.extend(ids.zip(instances.clone()));
        }
        self.take_capacity(name, moved.capacity, moved.cause, ScalingCause::User, now);
        Ok(activities)
    }

    /// The instance holds nothing any more.
    pub(super) fn conclude_standby(&mut self, name: &str, id: &InstanceId, now: Now) {
        let group = self.groups.get_mut(name);
        let Some(instance) = group.and_then(|group| group.instances.get_mut(id)) else {
            return;
        };
        CrashPoint::Drained.reached(self.crash_at);
        instance.lifecycle_state = LifecycleState::Standby;
        instance.draining_since = None;
        self.ledger.record_instance(name, instance);
        self.ledger.end(
            name,
            instance.activity_id.as_deref(),
            ActivityStatus::Successful,
            None,
            now.wall,
        );
    }
}

impl Instance {
    /// What was found out about it in service is nothing to hold against it later.
    fn drain_into_standby(&mut self, since: Option<Instant>, activity: &Activity) {
        self.lifecycle_state = LifecycleState::EnteringStandby;
        self.draining_since = since;
        self.in_service_since = None;
        self.stopped_since = None;
        self.foreign_change = None;
        self.unhealthy = None;
        self.conduct = Conduct::default();
        self.busyness = Busyness::default();
        self.activity_id = Some(activity.activity_id.clone());
    }

    fn return_from_standby(&mut self, now: Now, activity: &Activity) {
        self.lifecycle_state = LifecycleState::Pending;
        self.grace_since = now.mono;
        self.activity_id = Some(activity.activity_id.clone());
    }
}

fn named(ids: &[InstanceId]) -> Result<BTreeSet<&InstanceId>, CommandError> {
    match ids.len() {
        1..=MOST_INSTANCES => Ok(ids.iter().collect()),
        count => Err(CommandError::Validation(format!(
            "instance_ids: {count} instances are named; name 1 to {MOST_INSTANCES}"
        ))),
    }
}

fn in_state(
    group: &Group,
    ids: &BTreeSet<&InstanceId>,
    state: LifecycleState,
) -> Result<Vec<Instance>, CommandError> {
    let instances = ids.iter().map(|id| {
        let instance = group.instances.get(*id).ok_or_else(|| unmanaged(id))?;
        match instance.lifecycle_state {
            is if is == state => Ok(instance.clone()),
            is => Err(CommandError::Validation(format!(
                "the instance {id} is not in {state}: it is {is}"
            ))),
        }
    });
    instances.collect()
}

fn lowered(group: &Group, count: usize) -> Result<Capacity, CommandError> {
    let by = u32::try_from(count).unwrap_or(u32::MAX);
    let desired = group.capacity.desired_capacity.checked_sub(by);
    let desired = desired.filter(|desired| *desired >= group.capacity.min_size);
    with_desired(group, desired, "place into", count)
}

fn raised(group: &Group, count: usize) -> Result<Capacity, CommandError> {
    let by = u32::try_from(count).unwrap_or(u32::MAX);
    let desired = group.capacity.desired_capacity.checked_add(by);
    let desired = desired.filter(|desired| *desired <= group.capacity.max_size);
    with_desired(group, desired, "remove from", count)
}

/// Where the bounds leave no such desired capacity, AWS's words.
fn with_desired(
    group: &Group,
    desired_capacity: Option<u32>,
    deed: &str,
    count: usize,
) -> Result<Capacity, CommandError> {
    let Capacity {
        min_size,
        max_size,
        desired_capacity: desired,
    } = group.capacity;
    let name = &group.spec.name;
    let desired_capacity = desired_capacity.ok_or_else(|| {
        CommandError::Validation(format!(
            "AutoScalingGroup {name} has min-size={min_size}, max-size={max_size}, and desired-size={desired}. To {deed} standby {count} instance(s), please update the AutoScalingGroup sizes appropriately"
        ))
    })?;
    Ok(Capacity {
        desired_capacity,
        ..group.capacity
    })
}

/// `, shrinking the capacity from 4 to 3`; nothing where it stays.
fn shift(how: &str, before: Capacity, after: Capacity) -> String {
    let (before, after) = (before.desired_capacity, after.desired_capacity);
    match before == after {
        true => String::new(),
        false => format!(", {how} the capacity from {before} to {after}"),
    }
}

fn cause(deed: &str, ids: &BTreeSet<&InstanceId>, shift: &str) -> String {
    let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    format!("a user request {deed} {}{shift}", ids.join(", "))
}
