//! From what a group is to what should be done about it. Pure: an [`Action`] is data, and
//! prints as the words that the log and the activity history use.

mod rebalance;
pub(crate) mod refresh;
mod scale_in;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, time::Duration};

use rand::Rng;
use tokio::time::Instant;

use crate::{
    group::{Group, Instance},
    instance::{InstanceId, LifecycleState},
    launch_backoff::Allowance,
    scaling_process::ScalingProcess,
    target_health::TargetHealthIndex,
    termination::is_outdated,
    zones::Spread,
};

/// A target that was just deregistered may have been picked by a request that is not
/// counted yet; no instance is ended before this has passed.
pub(crate) const LEAST_DRAIN: Duration = Duration::from_secs(1);

/// One step towards the desired capacity. Doing one twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Record a new instance and launch it.
    Launch {
        availability_zone: String,
        reason: LaunchReason,
    },
    /// Launch an instance whose intent is recorded and which the provider does not have.
    Relaunch { id: InstanceId },
    /// Put an instance that drains back into service.
    Recall { id: InstanceId },
    /// Ask it whether it may go, before it is taken out of service.
    AskBusy { id: InstanceId },
    /// Take it out of its target groups; it finishes what it has.
    Deregister {
        id: InstanceId,
        cause: String,
        /// It may be put back while it drains.
        recallable: bool,
    },
    /// It has drained, and is in standby from now on.
    EnterStandby { id: InstanceId },
    /// End it and remove what is left.
    Terminate { id: InstanceId },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launch {
                availability_zone, ..
            } => {
                write!(f, "launch an instance in zone {availability_zone}")
            }
            Self::Relaunch { id } => write!(f, "launch {id}, which is recorded but not there"),
            Self::Recall { id } => write!(f, "put {id} back into service"),
            Self::AskBusy { id } => write!(f, "ask {id} whether it may go"),
            Self::Deregister { id, cause, .. } => write!(f, "deregister {id}: {cause}"),
            Self::EnterStandby { id } => write!(f, "put {id} into standby"),
            Self::Terminate { id } => write!(f, "terminate {id}"),
        }
    }
}

/// What an instance is launched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchReason {
    /// There are fewer than wanted.
    Capacity,
    /// It takes over from one in a fuller zone.
    Rebalance,
    /// It takes over from one that is replaced.
    Refresh,
}

/// What should be done, and what should be and cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub held_back: Vec<HeldBack>,
    /// Why an instance refresh cannot go on for now.
    pub refresh_waits: Option<String>,
}

/// Why a group does not come to its desired capacity for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// As many instances as should go are left, and each is protected from scale-in.
    ProtectedFromScaleIn,
    /// These should go and say that they are at work.
    Busy(Vec<InstanceId>),
    /// The host has no room for another instance; why, in a sentence.
    HostSaturated(String),
    /// Somebody has suspended the process that would go on.
    ProcessSuspended(ScalingProcess),
}

impl Plan {
    /// Takes in what is wanted, unless one of the processes that it takes is suspended.
    fn admit(&mut self, wanted: Plan, group: &Group, takes: &[ScalingProcess]) {
        match group.suspended_processes.first_of(takes) {
            Some(_) if wanted == Plan::default() => {}
            Some(process) => {
                let suspended = group.suspended_processes.sentence(process);
                self.refresh_waits = wanted.refresh_waits.and(suspended);
                self.held_back.push(HeldBack::ProcessSuspended(process));
            }
            None => {
                self.refresh_waits = self.refresh_waits.take().or(wanted.refresh_waits);
                self.actions.extend(wanted.actions);
                self.held_back.extend(wanted.held_back);
            }
        }
    }
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProtectedFromScaleIn => {
                f.write_str("all remaining instances are protected from scale-in")
            }
            Self::Busy(ids) => {
                let ids: Vec<_> = ids.iter().map(InstanceId::as_str).collect();
                write!(f, "instances say that they are busy: {}", ids.join(", "))
            }
            Self::HostSaturated(why) => f.write_str(why),
            Self::ProcessSuspended(process) => write!(f, "process {process} is suspended"),
        }
    }
}

/// What a plan is made from, besides the group.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    pub targets: &'a TargetHealthIndex<'a>,
    /// Instances with a call to the provider under way: they get no second one.
    pub calls: &'a BTreeSet<InstanceId>,
    /// Why the host has no room for another instance, where it has none.
    pub host_saturated: Option<&'a str>,
    pub now: Instant,
}

/// What is to be done about `group` now.
pub fn plan(group: &Group, around: Circumstances<'_>, rng: &mut impl Rng) -> Plan {
    let kept = group.suspends_replacement();
    let (healthy, unhealthy): (Vec<&Instance>, Vec<&Instance>) = group
        .live()
        // A seed is nobody's to replace: it has its place, healthy or not.
        .partition(|one| one.unhealthy.is_none() || one.is_seed() || kept.is_some());
    let mut plan = if healthy.len() < group.capacity.desired_capacity as usize {
        grow(group, &healthy, &unhealthy, around)
    } else {
        shrink(group, &healthy, &unhealthy, around, rng)
    };
    if let Some(process) = kept
        && healthy
            .iter()
            .any(|one| one.unhealthy.is_some() && !one.is_seed())
    {
        plan.held_back.push(HeldBack::ProcessSuspended(process));
    }
    let waits = plan.held_back.first().map(ToString::to_string);
    let waits = waits.or_else(|| group.launch_template_fault.clone());
    plan.refresh_waits = plan.refresh_waits.take().or(waits);
    let is_given = |wanted: &Action| {
        let mut given = plan.actions.iter();
        given.any(|action| match (wanted, action) {
            // What is put back into service is not ended.
            (Action::Terminate { id }, Action::Recall { id: other })
            // What is recorded and not there need not be launched to be ended.
            | (Action::Relaunch { id }, Action::Deregister { id: other, .. }) => id == other,
            _ => false,
        })
    };
    let begun = finish_what_was_begun(group, around).into_iter();
    let begun = begun.filter(|action| !is_given(action));
    let begun: Vec<Action> = begun.chain(leave_nothing_behind(group)).collect();
    plan.actions = begun.into_iter().chain(plan.actions).collect();
    plan
}

fn grow(
    group: &Group,
    healthy: &[&Instance],
    unhealthy: &[&Instance],
    around: Circumstances<'_>,
) -> Plan {
    let mut plan = Plan::default();
    let mut missing = group.capacity.desired_capacity as usize - healthy.len();
    // An unhealthy instance may still serve (the balancer fails open), so its place is
    // given up only where max_size leaves no other.
    let mut room =
        (group.capacity.max_size as usize).saturating_sub(healthy.len() + unhealthy.len());
    let recalled = recallable(group, around.calls);
    let recalled = recalled.iter().take(missing.min(room));
    let recalled: Vec<Action> = recalled
        .map(|instance| Action::Recall {
            id: instance.id.clone(),
        })
        .collect();
    missing -= recalled.len();
    room -= recalled.len();
    if missing.min(room) > 0 && group.suspends(ScalingProcess::Launch) {
        let process = ScalingProcess::Launch;
        plan.held_back.push(HeldBack::ProcessSuspended(process));
    }
    let wanted = missing.min(room).min(allowed(group, around.now));
    let mut launches = wanted;
    if let Some(why) = around.host_saturated {
        // What the group must have at the least it gets: a full host serves better than none.
        let owed =
            (group.capacity.min_size as usize).saturating_sub(healthy.len() + recalled.len());
        launches = wanted.min(owed);
        if launches < wanted {
            plan.held_back.push(HeldBack::HostSaturated(why.to_owned()));
        }
    }
    plan.actions = recalled;
    plan.actions.extend(launch(group, launches, around.now));
    let give_up = missing.saturating_sub(room);
    let given_up = unhealthy.iter().take(give_up);
    plan.actions
        .extend(given_up.map(|instance| replace(instance)));
    plan
}

fn shrink(
    group: &Group,
    healthy: &[&Instance],
    unhealthy: &[&Instance],
    around: Circumstances<'_>,
    rng: &mut impl Rng,
) -> Plan {
    let desired = group.capacity.desired_capacity as usize;
    let mut plan = Plan::default();
    // Replacements are in service, not only on their way.
    let in_service = healthy.iter().filter(|instance| instance.is_in_service());
    if in_service.count() >= desired {
        let replaced = unhealthy.iter().map(|instance| replace(instance));
        plan.actions.extend(replaced);
    }
    if group.is_adopted() && !group.seeds_serve() {
        // While Compose is at work on them its clones are what serves.
        return plan;
    }
    let moving = rebalance::under_way(group, healthy) + refresh::under_way(group, healthy, around);
    let surplus = (healthy.len() - desired).saturating_sub(moving);
    // More seeds than wanted are Compose's wish.
    let clones = healthy.iter().filter(|instance| !instance.is_seed());
    let surplus = surplus.min(clones.count());
    if surplus > 0 {
        scale_in::plan(&mut plan, group, healthy, surplus, around, rng);
    } else if moving == 0 && unhealthy.is_empty() {
        use ScalingProcess::{AZRebalance, InstanceRefresh, Launch, Terminate};
        // It moves instances to where too few are as it goes.
        let mut refreshed = Plan::default();
        let refreshes = refresh::plan(&mut refreshed, group, healthy, around, rng);
        let refreshes = refreshes && !group.suspends(InstanceRefresh);
        plan.admit(refreshed, group, &[InstanceRefresh, Launch, Terminate]);
        if !refreshes {
            let mut moves = Plan::default();
            rebalance::plan(&mut moves, group, healthy, around, rng);
            plan.admit(moves, group, &[AZRebalance, Launch, Terminate]);
        }
    }
    plan
}

fn finish_what_was_begun(group: &Group, around: Circumstances<'_>) -> Vec<Action> {
    let idle = group
        .instances
        .values()
        .filter(|instance| !around.calls.contains(&instance.id));
    let begun = idle.filter_map(|instance| match instance.lifecycle_state {
        LifecycleState::Pending if !instance.seen => group.can_launch().then(|| Action::Relaunch {
            id: instance.id.clone(),
        }),
        LifecycleState::EnteringStandby if is_drained(group, instance, around) => {
            // As soon as the group ends it is ended.
            (!group.retired).then(|| Action::EnterStandby {
                id: instance.id.clone(),
            })
        }
        LifecycleState::Terminating if is_drained(group, instance, around) => {
            Some(Action::Terminate {
                id: instance.id.clone(),
            })
        }
        _ => None,
    });
    begun.collect()
}

/// Ends what is in standby, where nobody is left to put it back: it counts for nothing, so that
/// no difference of capacities does.
fn leave_nothing_behind(group: &Group) -> impl Iterator<Item = Action> {
    let standby = group.instances.values();
    let standby = standby.filter(|one| group.retired && one.lifecycle_state.is_standby());
    standby.map(|instance| Action::Deregister {
        id: instance.id.clone(),
        cause: format!(
            "an instance was taken out of service in response to the end of its group{}",
            group.because()
        ),
        recallable: false,
    })
}

fn is_drained(group: &Group, instance: &Instance, around: Circumstances<'_>) -> bool {
    let serves = instance.address.is_some() && !instance.kept_from_load_balancer;
    let Some(since) = instance.draining_since.filter(|_| serves) else {
        return true; // It does not run, or was never registered, so it serves nobody.
    };
    let target_groups = &group.spec.target_groups;
    let waited = around.now - since;
    let delay = match target_groups.is_empty() {
        true => group.deregistration_delay,
        false => group.deregistration_delay.max(LEAST_DRAIN),
    };
    waited >= delay
        || (waited >= LEAST_DRAIN
            && around.targets.is_reported_since(since)
            && around
                .targets
                .of_groups(target_groups)
                .is_drained(&instance.id))
}

/// Instances that drain and can serve again, the most fit first.
fn recallable<'a>(group: &'a Group, calls: &BTreeSet<InstanceId>) -> Vec<&'a Instance> {
    let mut recallable: Vec<&Instance> = group
        .instances
        .values()
        .filter(|instance| instance.is_recallable() && !calls.contains(&instance.id))
        .collect();
    recallable.sort_by_key(|instance| {
        let since = instance.draining_since;
        (is_outdated(group, instance), std::cmp::Reverse(since))
    });
    recallable
}

fn allowed(group: &Group, now: Instant) -> usize {
    if group.launch_template_fault.is_some() || !group.can_launch() {
        return 0;
    }
    let pending = group
        .live()
        .filter(|instance| !instance.is_in_service())
        .count();
    match group.launches.allowance(now) {
        Allowance::Unlimited => usize::MAX,
        Allowance::Single => 1_usize.saturating_sub(pending),
        Allowance::Delayed(_) | Allowance::Suspended(_) => 0,
    }
}

/// Spreads `count` launches over the zones, those already begun included; fewer where zones
/// refuse them.
fn launch(group: &Group, count: usize, now: Instant) -> Vec<Action> {
    let mut spread = Spread::over(&group.spec.availability_zones, group.live());
    let mut actions = Vec::new();
    for _ in 0..count {
        let Some(zone) = group.next_zone(&spread, now) else {
            break;
        };
        spread.add(zone);
        actions.push(Action::Launch {
            availability_zone: zone.to_owned(),
            reason: LaunchReason::Capacity,
        });
    }
    actions
}

fn replace(instance: &Instance) -> Action {
    let why = instance.unhealthy.as_deref().unwrap_or_default();
    Action::Deregister {
        id: instance.id.clone(),
        cause: format!(
            "an instance was taken out of service in response to an ELB system health check failure: {why}"
        ),
        recallable: false,
    }
}
