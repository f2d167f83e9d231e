//! Replacing the clones of an adopted service once Compose has recreated its container from
//! another image or with another configuration: one at a time, the new one first, so that the
//! group never has less than it should.

use super::{Action, Circumstances, HeldBack, LaunchReason, Plan};
use crate::{
    group::{Group, Instance},
    launch_backoff::Allowance,
    termination::is_outdated,
    zones::Spread,
};

/// By how many instances the group exceeds its desired capacity, and its maximum if need be.
const SURGE: usize = 1;

/// So many of `healthy` have been launched to take over from outdated clones and are not in
/// service yet: until they are, the others stay.
pub(super) fn under_way(group: &Group, healthy: &[&Instance]) -> usize {
    if !group.is_adopted() || outdated(group, healthy).next().is_none() {
        return 0;
    }
    let coming = healthy
        .iter()
        .filter(|one| !one.is_seed() && !one.is_in_service() && !is_outdated(group, one));
    coming.count().min(SURGE)
}

/// Launches a successor of one outdated clone in a group that is otherwise as it should be.
pub(super) fn plan(
    plan: &mut Plan,
    group: &Group,
    healthy: &[&Instance],
    around: Circumstances<'_>,
) {
    let at_rest = group.is_adopted()
        && !group.is_settling()
        && group.can_launch()
        && group.launch_template_fault.is_none()
        && group.launches.allowance(around.now) == Allowance::Unlimited;
    if !at_rest || outdated(group, healthy).next().is_none() {
        return;
    }
    if let Some(why) = around.host_saturated {
        plan.held_back.push(HeldBack::HostSaturated(why.to_owned()));
        return;
    }
    let spread = Spread::over(&group.spec.availability_zones, healthy.iter().copied());
    if let Some(zone) = group.next_zone(&spread, around.now) {
        plan.actions.push(Action::Launch {
            availability_zone: zone.to_owned(),
            reason: LaunchReason::Refresh,
        });
    }
}

/// The outdated clones among `candidates`, which go before all others; all of `candidates` where
/// there are none, or where nothing is refreshed.
pub(super) fn first_to_go<'a>(group: &Group, candidates: Vec<&'a Instance>) -> Vec<&'a Instance> {
    if !group.is_adopted() {
        return candidates;
    }
    let outdated: Vec<&Instance> = outdated(group, &candidates).collect();
    match outdated.is_empty() {
        true => candidates,
        false => outdated,
    }
}

fn outdated<'a>(group: &Group, among: &[&'a Instance]) -> impl Iterator<Item = &'a Instance> {
    let clones = among.iter().filter(|one| !one.is_seed());
    clones.copied().filter(|one| is_outdated(group, one))
}
