//! Observed state into lifecycle states: what the provider and the balancer show, applied to
//! what the group believes. Pure; returns what changed, for the record.

mod seed;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use itertools::{EitherOrBoth, Itertools};
use tokio::time::Instant;

pub(crate) use self::seed::SUCCESSION_TIME;
use crate::{
    config::{AutoScalingGroup, ForeignChanges},
    foreign_change::ForeignChange,
    group::{Group, Instance},
    instance::{InstanceId, LifecycleState},
    now::{Now, wall_since},
    provider::{ObservedInstance, ObservedState},
    scaling_process::ScalingProcess,
    target_health::{TargetHealthIndex, TargetsOfGroup},
};

/// Someone who restarts an instance (`docker restart`, `docker compose restart`) has it back
/// within this; one that stays away longer is lost.
const RESTART_GAP: Duration = Duration::from_secs(2);

/// One instance's step through its lifecycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Found by its mark; the store did not know it.
    Adopted(InstanceId),
    InService(InstanceId),
    /// It never came into service; what is left of it is to be removed.
    LaunchFailed(InstanceId, String),
    /// It was in service and no longer runs.
    Lost(InstanceId, String),
    /// It was in service, somebody else removed it, and the group follows.
    Removed(InstanceId),
    /// Nothing is left of it.
    Terminated(InstanceId),
    /// A container that Compose runs of the group's service.
    Joined(InstanceId),
    /// Compose ended it, and it takes part no longer: why.
    Left(InstanceId, String),
}

/// What a pass sees of one group.
#[derive(Debug)]
pub struct Sight<'a> {
    /// The group's instances on the provider.
    pub observed: &'a BTreeMap<InstanceId, ObservedInstance>,
    pub targets: &'a TargetHealthIndex<'a>,
    /// Instances with a call to the provider under way: their absence means nothing yet.
    pub busy: &'a BTreeSet<InstanceId>,
}

/// Brings `group` in line with what is there. Where the group is new, all that carries its mark
/// is its own.
pub fn observe(group: &mut Group, is_new: bool, sight: &Sight<'_>, now: Now) -> Vec<Change> {
    let foreign_changes = match group.retired {
        true => ForeignChanges::Revert,
        false => group.spec.foreign_changes,
    };
    let mut changes = if foreign_changes == ForeignChanges::Report && !is_new {
        group.uninvited = unknown(group, sight)
            .map(|observed| observed.instance_id.clone())
            .collect();
        Vec::new()
    } else {
        group.uninvited.clear();
        adopt(group, sight, now)
    };
    changes.extend(seed::admit(group, sight, now));
    let rules = Rules {
        targets: sight.targets.of_groups(&group.spec.target_groups),
        no_targets: TargetsOfGroup::default(),
        replaces_on_target_health: group.replaces_on_target_health(),
        grace: group.spec.health_check_grace_period,
        foreign_changes,
        retired: group.retired,
        checks_health: !group.suspends(ScalingProcess::HealthCheck),
        keeps_lost: group
            .suspended_processes
            .first_of(&[ScalingProcess::ReplaceUnhealthy, ScalingProcess::Terminate])
            .is_some(),
    };
    let instances = group.instances.values_mut();
    let pairs = instances.merge_join_by(sight.observed.values(), |instance, observed| {
        instance.id.cmp(&observed.instance_id)
    });
    for pair in pairs {
        let (Some(instance), observed) = pair.left_and_right() else {
            continue;
        };
        let change = match observed {
            _ if instance.is_seed() => seed::follow(instance, observed, sight, &rules, now.mono),
            Some(observed) => present(instance, observed, sight, &rules, now.mono),
            None if sight.busy.contains(&instance.id) => None,
            None => absent(instance, &rules, now.mono),
        };
        changes.extend(change);
    }
    changes
}

/// The group's settings that the lifecycle depends on.
struct Rules<'a> {
    targets: TargetsOfGroup<'a>,
    no_targets: TargetsOfGroup<'a>,
    replaces_on_target_health: bool,
    grace: Duration,
    foreign_changes: ForeignChanges,
    retired: bool,
    checks_health: bool,
    /// What no longer runs keeps its place, marked as unhealthy, for somebody to look into.
    keeps_lost: bool,
}

impl<'a> Rules<'a> {
    fn targets_for(&self, instance: &Instance) -> &TargetsOfGroup<'a> {
        match instance.kept_from_load_balancer {
            true => &self.no_targets,
            false => &self.targets,
        }
    }
}

fn adopt(group: &mut Group, sight: &Sight<'_>, now: Now) -> Vec<Change> {
    let adopted: Vec<Instance> = unknown(group, sight)
        .map(|observed| Instance::adopted(observed, &group.spec, now))
        .collect();
    let changes = adopted
        .iter()
        .map(|instance| Change::Adopted(instance.id.clone()))
        .collect();
    group.instances.extend(
        adopted
            .into_iter()
            .map(|instance| (instance.id.clone(), instance)),
    );
    changes
}

/// What carries the group's mark and is not one of its instances.
fn unknown<'a>(group: &Group, sight: &Sight<'a>) -> impl Iterator<Item = &'a ObservedInstance> {
    newcomers(group, sight).filter(|observed| {
        !observed.managed_by.is_compose() && !sight.busy.contains(&observed.instance_id)
    })
}

/// What is there and is not one of the group's instances.
fn newcomers<'a>(group: &Group, sight: &Sight<'a>) -> impl Iterator<Item = &'a ObservedInstance> {
    let pairs = group
        .instances
        .keys()
        .merge_join_by(sight.observed, |known, (id, _)| (*known).cmp(id));
    pairs.filter_map(|pair| match pair {
        EitherOrBoth::Right((_, observed)) => Some(observed),
        EitherOrBoth::Left(_) | EitherOrBoth::Both(..) => None,
    })
}

fn present(
    instance: &mut Instance,
    observed: &ObservedInstance,
    sight: &Sight<'_>,
    rules: &Rules<'_>,
    now: Instant,
) -> Option<Change> {
    instance.seen = true;
    instance.metric_ids = Arc::clone(&observed.metric_ids);
    instance.image.clone_from(&observed.image);
    take_address(instance, observed);
    match (instance.lifecycle_state, &observed.state) {
        (LifecycleState::Pending, ObservedState::Exited { detail }) => {
            Some(fail(instance, detail.clone(), now))
        }
        (LifecycleState::InService, ObservedState::Exited { .. })
            if rules.foreign_changes == ForeignChanges::Report
                && instance.foreign_change.is_some() =>
        {
            None
        }
        (LifecycleState::InService, ObservedState::Exited { .. }) if !rules.checks_health => {
            instance.stopped_since = None;
            None
        }
        (LifecycleState::InService, ObservedState::Exited { .. })
            if rules.keeps_lost
                && rules.foreign_changes != ForeignChanges::Report
                && instance.unhealthy.is_some() =>
        {
            instance.stopped_since = None;
            None
        }
        (LifecycleState::InService, ObservedState::Exited { detail }) => {
            let since = *instance.stopped_since.get_or_insert(now);
            if now - since < RESTART_GAP {
                return None;
            }
            if rules.foreign_changes == ForeignChanges::Report {
                instance.stopped_since = None;
                instance.foreign_change = Some(ForeignChange::Stopped(detail.clone()));
                return None;
            }
            if rules.keeps_lost {
                instance.stopped_since = None;
                instance.unhealthy = Some(format!("it does not run ({detail})"));
                return None;
            }
            Some(lose(instance, detail.clone()))
        }
        (LifecycleState::Pending, ObservedState::Running { .. }) => {
            boot(instance, sight, rules, now)
        }
        (
            LifecycleState::EnteringStandby | LifecycleState::Terminating,
            ObservedState::Running { .. },
        ) => {
            // After a restart the drain begins anew, with the first snapshot that tells of it.
            instance.draining_since.get_or_insert(now);
            None
        }
        (LifecycleState::InService, _) => {
            instance.stopped_since = None;
            instance.foreign_change = None;
            judge(instance, rules, now);
            None
        }
        // Nobody checks the health of what is in standby: one that stops there stays there.
        _ => None,
    }
}

fn take_address(instance: &mut Instance, observed: &ObservedInstance) {
    match &observed.state {
        ObservedState::Running { address } => {
            let known = instance.address.get_or_insert_default();
            known.clone_from(address);
        }
        ObservedState::Starting | ObservedState::Exited { .. } => instance.address = None,
    }
}

/// What its target groups make of an instance in service.
fn judge(instance: &mut Instance, rules: &Rules<'_>, now: Instant) {
    let targets = rules.targets_for(instance);
    let anomalous = targets.is_anomalous(&instance.id);
    instance.conduct = instance.conduct.after(anomalous, now);
    if !rules.checks_health {
        return;
    }
    instance.unhealthy = None;
    if !rules.replaces_on_target_health || now - instance.grace_since < rules.grace {
        return;
    }
    instance.unhealthy = targets.unhealthy(&instance.id);
    if instance.conduct.is_condemned() {
        let why = || "anomaly detection: it fails too many of its requests".to_owned();
        instance.unhealthy.get_or_insert_with(why);
    }
}

fn boot(
    instance: &mut Instance,
    sight: &Sight<'_>,
    rules: &Rules<'_>,
    now: Instant,
) -> Option<Change> {
    let targets = rules.targets_for(instance);
    if targets.serves(&instance.id) {
        instance.lifecycle_state = LifecycleState::InService;
        instance.in_service_since = Some(now);
        return Some(Change::InService(instance.id.clone()));
    }
    // Without a report nobody knows whether it is healthy, so it is not failing.
    let overdue = sight.targets.is_reported() && now - instance.grace_since >= rules.grace;
    let why = targets.unhealthy(&instance.id)?;
    (overdue && rules.checks_health).then(|| {
        let grace = rules.grace.as_secs();
        let why = format!("not healthy within the grace period of {grace} s: {why}");
        fail(instance, why, now)
    })
}

fn absent(instance: &mut Instance, rules: &Rules<'_>, now: Instant) -> Option<Change> {
    instance.address = None;
    match instance.lifecycle_state {
        // The intent is recorded and the launch has not happened: the plan repeats it.
        LifecycleState::Pending if !instance.seen => None,
        LifecycleState::Pending => {
            let why = "it was removed by someone else".to_owned();
            Some(fail(instance, why, now))
        }
        LifecycleState::InService if rules.foreign_changes == ForeignChanges::Report => {
            instance.foreign_change = Some(ForeignChange::Removed);
            None
        }
        LifecycleState::InService if rules.foreign_changes == ForeignChanges::Adopt => {
            instance.lifecycle_state = LifecycleState::Terminating;
            Some(Change::Removed(instance.id.clone()))
        }
        LifecycleState::InService if !rules.checks_health => None,
        LifecycleState::InService if rules.keeps_lost => {
            let why = || "it was removed by someone else".to_owned();
            instance.unhealthy.get_or_insert_with(why);
            None
        }
        LifecycleState::InService => {
            Some(lose(instance, "it was removed by someone else".to_owned()))
        }
        LifecycleState::EnteringStandby | LifecycleState::Standby => {
            let why = "it was removed by someone else while it was in standby".to_owned();
            Some(lose(instance, why))
        }
        LifecycleState::Terminating => {
            instance.lifecycle_state = LifecycleState::Terminated;
            Some(Change::Terminated(instance.id.clone()))
        }
        LifecycleState::Terminated => None,
    }
}

fn fail(instance: &mut Instance, why: String, now: Instant) -> Change {
    instance.lifecycle_state = LifecycleState::Terminating;
    // Where it runs it may have requests: where no target is healthy, all of them get some.
    instance.draining_since = Some(now);
    Change::LaunchFailed(instance.id.clone(), why)
}

fn lose(instance: &mut Instance, why: String) -> Change {
    instance.stopped_since = None;
    instance.foreign_change = None;
    instance.lifecycle_state = LifecycleState::Terminating;
    Change::Lost(instance.id.clone(), why)
}

impl Instance {
    /// An instance found by its mark, as far as the mark tells.
    pub(crate) fn adopted(observed: &ObservedInstance, spec: &AutoScalingGroup, now: Now) -> Self {
        let age = wall_since(now.wall, observed.launch_time);
        let mut instance = Self::pending(
            observed.instance_id.clone(),
            observed.availability_zone.clone(),
            observed.index,
            (
                observed.launch_template_name.clone(),
                observed.launch_template_version,
            ),
            observed.launch_time,
            now.mono.checked_sub(age).unwrap_or(now.mono),
        );
        instance.seen = true;
        instance.managed_by = observed.managed_by;
        instance.protected_from_scale_in = spec.new_instances_protected_from_scale_in;
        instance
    }
}
