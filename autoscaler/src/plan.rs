//! From what a group is to what should be done about it. Pure: an [`Action`] is data, and
//! prints as the words that the log and the activity history use.

use std::{collections::BTreeSet, fmt, time::Duration};

use tokio::time::Instant;

use crate::{
    group::{Group, Instance},
    instance::{InstanceId, LifecycleState},
    launch_backoff::Allowance,
    target_health::TargetHealthIndex,
    termination::choose_victims,
};

/// A target that was just deregistered may have been picked by a request that is not
/// counted yet; no instance is ended before this has passed.
pub(crate) const LEAST_DRAIN: Duration = Duration::from_secs(1);

/// One step towards the desired capacity. Doing one twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Record a new instance and launch it.
    Launch { availability_zone: String },
    /// Launch an instance whose intent is recorded and which the provider does not have.
    Relaunch { id: InstanceId },
    /// Take it out of its target groups; it finishes what it has.
    Deregister { id: InstanceId, cause: String },
    /// End it and remove what is left.
    Terminate { id: InstanceId },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launch { availability_zone } => {
                write!(f, "launch an instance in zone {availability_zone}")
            }
            Self::Relaunch { id } => write!(f, "launch {id}, which is recorded but not there"),
            Self::Deregister { id, cause } => write!(f, "deregister {id}: {cause}"),
            Self::Terminate { id } => write!(f, "terminate {id}"),
        }
    }
}

/// What is to be done about `group` now. An instance with a call under way gets no second one.
pub fn plan(
    group: &Group,
    targets: &TargetHealthIndex<'_>,
    busy: &BTreeSet<InstanceId>,
    now: Instant,
) -> Vec<Action> {
    let mut actions = finish_what_was_begun(group, targets, busy, now);
    let healthy: Vec<&Instance> = group
        .live()
        .filter(|instance| instance.unhealthy.is_none())
        .collect();
    let unhealthy: Vec<&Instance> = group
        .live()
        .filter(|instance| instance.unhealthy.is_some())
        .collect();
    let desired = group.capacity.desired_capacity as usize;
    if healthy.len() < desired {
        let missing = desired - healthy.len();
        // An unhealthy instance may still serve (the balancer fails open), so its place is
        // given up only where max_size leaves no other.
        let room =
            (group.capacity.max_size as usize).saturating_sub(healthy.len() + unhealthy.len());
        let launches = missing.min(room).min(allowed(group, now));
        actions.extend(launch(group, launches));
        let give_up = missing.saturating_sub(room);
        actions.extend(
            unhealthy
                .iter()
                .take(give_up)
                .map(|instance| replace(instance)),
        );
        return actions;
    }
    // Replacements are in service, not only on their way.
    if healthy
        .iter()
        .filter(|instance| instance.is_in_service())
        .count()
        >= desired
    {
        actions.extend(unhealthy.iter().map(|instance| replace(instance)));
    }
    let surplus = healthy.len() - desired;
    for victim in choose_victims(group, &healthy, surplus, targets, now) {
        // What is recorded and not there need not be launched to be ended.
        actions.retain(|action| !matches!(action, Action::Relaunch { id } if *id == victim.id));
        actions.push(Action::Deregister {
            id: victim.id.clone(),
            cause: format!(
                "an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {} to {desired}{}",
                healthy.len(),
                group.because()
            ),
        });
    }
    actions
}

fn finish_what_was_begun(
    group: &Group,
    targets: &TargetHealthIndex<'_>,
    busy: &BTreeSet<InstanceId>,
    now: Instant,
) -> Vec<Action> {
    let idle = group
        .instances
        .values()
        .filter(|instance| !busy.contains(&instance.id));
    let begun = idle.filter_map(|instance| match instance.lifecycle_state {
        LifecycleState::Pending if !instance.seen => Some(Action::Relaunch {
            id: instance.id.clone(),
        }),
        LifecycleState::Terminating if is_drained(group, instance, targets, now) => {
            Some(Action::Terminate {
                id: instance.id.clone(),
            })
        }
        _ => None,
    });
    begun.collect()
}

fn is_drained(
    group: &Group,
    instance: &Instance,
    targets: &TargetHealthIndex<'_>,
    now: Instant,
) -> bool {
    let Some(since) = instance
        .terminating_since
        .filter(|_| instance.address.is_some())
    else {
        return true; // It does not run, so it serves nobody.
    };
    let target_groups = &group.spec.target_groups;
    let waited = now - since;
    let delay = match target_groups.is_empty() {
        true => group.deregistration_delay,
        false => group.deregistration_delay.max(LEAST_DRAIN),
    };
    waited >= delay || (waited >= LEAST_DRAIN && targets.is_drained(target_groups, &instance.id))
}

fn allowed(group: &Group, now: Instant) -> usize {
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

/// Spreads `count` launches over the zones, those already begun included.
fn launch(group: &Group, count: usize) -> Vec<Action> {
    let mut live: Vec<&str> = group
        .live()
        .map(|instance| instance.availability_zone.as_str())
        .collect();
    let mut actions = Vec::new();
    for _ in 0..count {
        let zones = group.spec.availability_zones.iter();
        let Some(zone) = zones.min_by_key(|zone| live.iter().filter(|used| *used == zone).count())
        else {
            break;
        };
        live.push(zone);
        actions.push(Action::Launch {
            availability_zone: zone.clone(),
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
    }
}
