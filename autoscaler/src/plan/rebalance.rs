//! Moving instances from zones that have too many to zones that have too few, AWS's
//! `AZRebalance`: the new one first, so that the group never has less than it should.

use rand::Rng;

use super::{Action, Circumstances, HeldBack, LaunchReason, Plan, scale_in};
use crate::{
    group::{Group, Instance},
    launch_backoff::Allowance,
    termination::zone_tolerance,
    zones::Spread,
};

/// So many instances of `healthy` have been launched to take over from others and are not in
/// service yet: until they are, the others stay.
pub(super) fn under_way(group: &Group, healthy: &[&Instance]) -> usize {
    let (serving, coming): (Vec<&Instance>, Vec<&Instance>) = healthy
        .iter()
        .partition(|instance| instance.is_in_service());
    if coming.is_empty() {
        return 0;
    }
    let spread = Spread::over(&group.spec.availability_zones, serving.iter().copied());
    let tolerance = zone_tolerance(&group.spec.termination_policies);
    let moves = |instance: &&&Instance| {
        let zone = instance.availability_zone.as_str();
        let outgrown = |other: &&Instance| {
            spread.is_left_behind(&other.availability_zone)
                || spread.count(&other.availability_zone) > spread.count(zone) + tolerance
        };
        !spread.is_left_behind(zone) && serving.iter().any(outgrown)
    };
    coming.iter().filter(moves).count().min(margin(group))
}

/// Launches where too few are, in a group that is otherwise as it should be.
pub(super) fn plan(
    plan: &mut Plan,
    group: &Group,
    healthy: &[&Instance],
    around: Circumstances<'_>,
    rng: &mut impl Rng,
) {
    let at_rest = !group.is_settling()
        && healthy.len() == group.capacity.desired_capacity as usize
        && group.launches.allowance(around.now) == Allowance::Unlimited;
    if !at_rest {
        return;
    }
    let tolerance = zone_tolerance(&group.spec.termination_policies);
    let mut spread = Spread::over(&group.spec.availability_zones, healthy.iter().copied());
    let mut movable: Vec<&Instance> = healthy
        .iter()
        .copied()
        .filter(|instance| !instance.protected_from_scale_in && !instance.is_seed())
        .collect();
    for _ in 0..margin(group) {
        let Some(zone) = group.next_zone(&spread, around.now) else {
            break;
        };
        let enough = spread.count(zone) + tolerance;
        let too_many: Vec<&Instance> = movable
            .iter()
            .copied()
            .filter(|instance| spread.fullness(&instance.availability_zone) > enough)
            .collect();
        if too_many.is_empty() {
            break;
        }
        // One that is at work would keep its place, and the new one would be one too many.
        let chosen = scale_in::choose(group, &too_many, 1, around, rng);
        plan.actions.extend(chosen.questions());
        let Some(leaver) = chosen.ready.first() else {
            break;
        };
        if let Some(why) = around.host_saturated {
            plan.held_back.push(HeldBack::HostSaturated(why.to_owned()));
            break;
        }
        movable.retain(|instance| instance.id != leaver.id);
        spread.remove(&leaver.availability_zone);
        spread.add(zone);
        plan.actions.push(Action::Launch {
            availability_zone: zone.to_owned(),
            reason: LaunchReason::Rebalance,
        });
    }
}

/// By how many instances a group may exceed its maximum while it rebalances: "10 percent of
/// the group's maximum size or 1 instance, whichever is greater".
fn margin(group: &Group) -> usize {
    (group.capacity.max_size as usize / 10).max(1)
}
