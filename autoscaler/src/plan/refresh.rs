//! Replacing instances: those that an instance refresh names, and the clones of an adopted
//! service once Compose has recreated its container from another image or with another
//! configuration. The new ones first, so that no fewer serve than should; only a refresh that
//! asks for less takes some out before.

mod progress;

use std::time::Duration;

use rand::Rng;

pub(crate) use self::progress::progress;
use super::{Action, Circumstances, HeldBack, LaunchReason, Plan, allowed, scale_in};
use crate::{
    group::{Group, Instance},
    instance_refresh::{InstanceRefreshStatus, ScaleInProtectedInstances},
    termination::is_outdated,
    zones::Spread,
};

/// How the instances of a group are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Terms {
    /// So many stay in service.
    least_in_service: usize,
    /// By how many the group exceeds its desired capacity, and its maximum if need be.
    surge: usize,
    /// So long in service, and an instance may take over.
    warmup: Duration,
}

impl Terms {
    /// Clones of an adopted service are replaced one at a time.
    fn of(group: &Group) -> Self {
        let desired = group.capacity.desired_capacity as usize;
        let Some(active) = &group.instance_refreshes.active else {
            return Self {
                least_in_service: desired,
                surge: 1,
                warmup: Duration::ZERO,
            };
        };
        let preferences = active.preferences();
        let percent = |percent: u8| (desired * usize::from(percent)).div_ceil(100);
        let least_in_service = percent(preferences.min_healthy_percentage);
        let surge = percent(preferences.max_healthy_percentage.saturating_sub(100));
        let must_surge = least_in_service >= desired;
        Self {
            least_in_service,
            surge: surge.max(usize::from(must_surge)),
            warmup: preferences.warmup(),
        }
    }

    /// It serves as it should: what is to be replaced has long done so.
    fn is_ready(&self, group: &Group, instance: &Instance, around: Circumstances<'_>) -> bool {
        let is_settled = || instance.is_seed() || group.is_to_be_replaced(instance);
        let is_warm = || instance.warm_since(self.warmup, around.now).is_some();
        instance.is_in_service() && (is_settled() || is_warm())
    }
}

/// So many of `healthy` have been launched to take over and do not yet: until they do, the
/// others stay.
pub(super) fn under_way(group: &Group, healthy: &[&Instance], around: Circumstances<'_>) -> usize {
    match is_refreshing(group) {
        true => coming(group, healthy, around).min(Terms::of(group).surge),
        false => 0,
    }
}

fn coming(group: &Group, healthy: &[&Instance], around: Circumstances<'_>) -> usize {
    let terms = Terms::of(group);
    let coming = healthy.iter().filter(|one| {
        let newcomer = !one.is_seed() && !group.is_to_be_replaced(one);
        newcomer && !terms.is_ready(group, one, around)
    });
    coming.count()
}

/// Some of the group's instances are to be replaced.
fn is_refreshing(group: &Group) -> bool {
    group.live().any(|one| group.is_to_be_replaced(one))
}

/// Launches successors, in a group that is otherwise as it should be, and takes out as many as
/// it may do without. False where nothing is left that could be replaced now.
pub(super) fn plan(
    plan: &mut Plan,
    group: &Group,
    healthy: &[&Instance],
    around: Circumstances<'_>,
    rng: &mut impl Rng,
) -> bool {
    let (due, kept): (Vec<&Instance>, Vec<&Instance>) = healthy
        .iter()
        .filter(|one| is_replaced_next(group, one))
        .partition(|one| !is_kept(group, one));
    if due.is_empty() {
        plan.refresh_waits = waits_for_protected(group, &kept);
        return false;
    }
    if !group.is_settling() && coming(group, healthy, around) == 0 {
        replace(plan, group, healthy, &due, around, rng);
    }
    true
}

fn replace(
    plan: &mut Plan,
    group: &Group,
    healthy: &[&Instance],
    due: &[&Instance],
    around: Circumstances<'_>,
    rng: &mut impl Rng,
) {
    if let Some(why) = around.host_saturated {
        plan.held_back.push(HeldBack::HostSaturated(why.to_owned()));
        return;
    }
    let terms = Terms::of(group);
    let serving = healthy.iter().filter(|one| one.is_in_service()).count();
    let away = serving.saturating_sub(terms.least_in_service);
    let allowed = allowed(group, around.now);
    if allowed == 0 {
        return;
    }
    // One that is at work would keep its place, and the new one would be one too many.
    let count = (away + terms.surge).min(allowed);
    let chosen = scale_in::choose(group, due, count, around, rng);
    plan.actions.extend(chosen.questions());
    let mut spread = Spread::over(&group.spec.availability_zones, healthy.iter().copied());
    let mut launched = 0;
    while launched < chosen.ready.len()
        && let Some(zone) = group.next_zone(&spread, around.now)
    {
        spread.add(zone);
        launched += 1;
        plan.actions.push(Action::Launch {
            availability_zone: zone.to_owned(),
            reason: LaunchReason::Refresh,
        });
    }
    let leaving = chosen.ready.iter().take(away.min(launched));
    plan.actions.extend(leaving.map(|one| take_out(group, one)));
    if launched == 0 {
        plan.refresh_waits = Some(match (chosen.ready.is_empty(), chosen.busy.is_empty()) {
            (false, _) => "the group's zones refuse launches".to_owned(),
            (true, false) => HeldBack::Busy(chosen.busy).to_string(),
            (true, true) => "instances are asked whether they may go".to_owned(),
        });
    }
}

/// Who goes first where a group has too many, and how many of them at the most.
pub(super) struct FirstToGo<'a> {
    pub(super) candidates: Vec<&'a Instance>,
    pub(super) most: usize,
}

/// What is to be replaced goes before all others, as far as enough stay in service: the others
/// have their turn in another pass. All of `candidates` where nothing is to be replaced.
pub(super) fn first_to_go<'a>(
    group: &Group,
    healthy: &[&Instance],
    candidates: Vec<&'a Instance>,
    around: Circumstances<'_>,
) -> FirstToGo<'a> {
    if !is_refreshing(group) {
        let most = candidates.len();
        return FirstToGo { candidates, most };
    }
    let terms = Terms::of(group);
    let ready = |one: &&&Instance| terms.is_ready(group, one, around);
    let spare = healthy.iter().filter(ready).count();
    let spare = spare.saturating_sub(terms.least_in_service);
    let (due, others): (Vec<&Instance>, Vec<&Instance>) = candidates
        .into_iter()
        .partition(|one| group.is_to_be_replaced(one));
    let (serving, coming): (Vec<&Instance>, Vec<&Instance>) =
        due.into_iter().partition(|one| one.is_in_service());
    let (candidates, most) = match (coming.len(), spare.min(serving.len())) {
        (0, 0) => (others, usize::MAX),
        (0, most) => (serving, most),
        _ => (coming, usize::MAX),
    };
    let most = most.min(candidates.len());
    FirstToGo { candidates, most }
}

/// Takes an instance out of service for good: another takes over, or has.
pub(super) fn take_out(group: &Group, instance: &Instance) -> Action {
    let why = match &group.instance_refreshes.active {
        Some(_) => "",
        None => {
            ": Compose runs its service from another image, or with another configuration, than it was cloned from"
        }
    };
    Action::Deregister {
        id: instance.id.clone(),
        cause: format!(
            "an instance was taken out of service in response to an instance refresh{why}"
        ),
        recallable: false,
    }
}

/// It does not stand in a refresh's way that the instance is protected from scale-in.
pub(super) fn overrides_protection(group: &Group, instance: &Instance) -> bool {
    let active = group.instance_refreshes.active.as_ref();
    active.is_some_and(|active| {
        let preference = active.preferences().scale_in_protected_instances;
        preference == ScaleInProtectedInstances::Refresh && active.replaces(instance)
    })
}

fn is_kept(group: &Group, instance: &Instance) -> bool {
    instance.protected_from_scale_in && !overrides_protection(group, instance)
}

/// A cancelled refresh begins nothing more.
fn is_replaced_next(group: &Group, instance: &Instance) -> bool {
    let active = group.instance_refreshes.active.as_ref();
    let is_cancelled = active.is_some_and(|it| it.status() == InstanceRefreshStatus::Cancelling);
    let is_outdated_clone = || group.is_adopted() && is_outdated(group, instance);
    group.is_to_be_replaced(instance) && (!is_cancelled || is_outdated_clone())
}

fn waits_for_protected(group: &Group, kept: &[&Instance]) -> Option<String> {
    let preferences = group.instance_refreshes.active.as_ref()?.preferences();
    let ids: Vec<_> = kept.iter().map(|one| one.id.as_str()).collect();
    let waits = preferences.scale_in_protected_instances == ScaleInProtectedInstances::Wait;
    (waits && !ids.is_empty()).then(|| {
        format!(
            "instances are protected from scale-in: {}; take their protection away",
            ids.join(", ")
        )
    })
}
