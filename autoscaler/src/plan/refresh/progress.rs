//! How far a group's instance refresh has come, and whether it has ended.

use super::{Terms, is_kept, under_way};
use crate::{
    group::{Group, Instance},
    instance::LifecycleState,
    instance_refresh::{ActiveRefresh, InstanceRefreshStatus, ScaleInProtectedInstances},
    plan::Circumstances,
};

/// Where a refresh stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) status: InstanceRefreshStatus,
    /// Why it ended as it did, or what the last pass says that it waits for.
    pub(crate) status_reason: Option<String>,
    pub(crate) instances_to_update: usize,
    pub(crate) percentage_complete: u8,
}

/// Where the refresh of `group` stands, if there is one.
pub(crate) fn progress(group: &Group, around: Circumstances<'_>) -> Option<Progress> {
    let active = group.instance_refreshes.active.as_ref()?;
    let replaced = |one: &&Instance| active.replaces(one);
    let left: Vec<&Instance> = group.live().filter(replaced).collect();
    let total = active.record.replaces.len();
    let (status, status_reason) = standing(group, active, &left, around);
    Some(Progress {
        status,
        status_reason,
        instances_to_update: left.len(),
        percentage_complete: percentage(total, left.len()),
    })
}

fn percentage(total: usize, left: usize) -> u8 {
    let done = total.saturating_sub(left);
    u8::try_from((100 * done).checked_div(total).unwrap_or(100)).unwrap_or(100)
}

fn standing(
    group: &Group,
    active: &ActiveRefresh,
    left: &[&Instance],
    around: Circumstances<'_>,
) -> (InstanceRefreshStatus, Option<String>) {
    use InstanceRefreshStatus::{Cancelled, Cancelling, Failed, InProgress, Successful};
    let reason = active.record.refresh.status_reason.clone();
    let is_cancelled = active.status() == Cancelling;
    if group.retired {
        let why = "the group was removed from the configuration".to_owned();
        return (Cancelled, Some(why));
    }
    let ignores =
        active.preferences().scale_in_protected_instances == ScaleInProtectedInstances::Ignore;
    let open = left.iter().filter(|one| !(ignores && is_kept(group, one)));
    let open = open.count();
    if open == 0 && !is_cancelled && has_taken_over(group, active, around) {
        let ignored = (!left.is_empty()).then(|| {
            format!(
                "{} instance(s) that are protected from scale-in stay as they are",
                left.len()
            )
        });
        return (Successful, ignored);
    }
    let given_up = if group.launches.is_exhausted() {
        Some(format!(
            "launches keep failing: {}",
            group.launches.last_error()
        ))
    } else if active.has_lost_patience(around.now) {
        let what = reason.clone().unwrap_or_default();
        Some(format!("it could not go on for an hour: {what}"))
    } else {
        None
    };
    match given_up {
        Some(why) if is_cancelled => (Cancelled, Some(why)),
        Some(why) => (
            Failed,
            Some(format!(
                "{why}; {} instance(s) were not replaced",
                left.len()
            )),
        ),
        None if is_cancelled && is_at_rest(group, around) => (Cancelled, None),
        None if is_cancelled => (Cancelling, reason),
        None => (InProgress, reason),
    }
}

/// What it replaces is gone, and as many as are still wanted serve in its place. Whether the
/// group can grow meanwhile is another matter.
fn has_taken_over(group: &Group, active: &ActiveRefresh, around: Circumstances<'_>) -> bool {
    let terms = Terms::of(group);
    let gone = group
        .instances
        .values()
        .all(|one| one.lifecycle_state != LifecycleState::Terminating || !active.replaces(one));
    let (ready, coming): (Vec<&Instance>, Vec<&Instance>) = group
        .live()
        .partition(|one| one.unhealthy.is_none() && terms.is_ready(group, one, around));
    let wanted = active.record.replaces.len();
    let wanted = wanted.min(group.capacity.desired_capacity as usize);
    let is_failing = group.launches.consecutive_failures() > 0;
    gone && !is_failing && coming.iter().all(|one| one.is_seed()) && ready.len() >= wanted
}

/// Nothing that was begun is under way any more.
fn is_at_rest(group: &Group, around: Circumstances<'_>) -> bool {
    let live: Vec<&Instance> = group.live().collect();
    let seeds = group.seeds().count();
    let wanted = seeds.max(group.capacity.desired_capacity as usize);
    !group.is_settling() && live.len() <= wanted && under_way(group, &live, around) == 0
}
