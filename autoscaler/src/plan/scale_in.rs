//! Which instances go, once those that may not have been set aside.

use std::collections::BTreeSet;

use rand::Rng;
use tokio::time::Instant;

use super::{Action, Circumstances, HeldBack, Plan, refresh};
use crate::{
    busy::Standing,
    group::{Group, Instance},
    instance::InstanceId,
    scaling_process::ScalingProcess,
    termination::{Scene, choose_victims},
    zones::Spread,
};

/// Takes `surplus` of `healthy` out of service, or asks them whether they may go.
pub(super) fn plan(
    plan: &mut Plan,
    group: &Group,
    healthy: &[&Instance],
    surplus: usize,
    around: Circumstances<'_>,
    rng: &mut impl Rng,
) {
    let unprotected: Vec<&Instance> = healthy
        .iter()
        .copied()
        .filter(|instance| !instance.is_seed())
        .filter(|instance| {
            !instance.protected_from_scale_in
                || group.retired
                || refresh::overrides_protection(group, instance)
        })
        // As at AWS, what has not come into service yet may go all the same.
        .filter(|one| !(one.is_in_service() && group.suspends(ScalingProcess::Terminate)))
        .collect();
    let wanted = unprotected.len();
    let first = refresh::first_to_go(group, healthy, unprotected, around);
    let unprotected = first.candidates;
    let surplus = match first.most < wanted {
        true => surplus.min(first.most),
        false => surplus,
    };
    // What somebody else has ended already costs nothing more.
    let (gone, there): (Vec<&Instance>, Vec<&Instance>) = unprotected
        .iter()
        .partition(|instance| instance.foreign_change.is_some());
    let gone: Vec<&Instance> = gone.into_iter().take(surplus).collect();
    let mut chosen = choose(group, &there, surplus - gone.len(), around, rng);
    chosen.ready.extend(gone);
    let spread = Spread::over(&group.spec.availability_zones, healthy.iter().copied());
    let desired = group.capacity.desired_capacity;
    for victim in &chosen.ready {
        if group.is_to_be_replaced(victim) {
            plan.actions.push(refresh::take_out(group, victim));
            continue;
        }
        let cause = format!(
            "an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from {} to {desired}{}",
            healthy.len(),
            group.because()
        );
        plan.actions.push(Action::Deregister {
            id: victim.id.clone(),
            cause,
            recallable: !spread.is_left_behind(&victim.availability_zone),
        });
    }
    plan.actions.extend(chosen.questions());
    if unprotected.len() < surplus && group.suspends(ScalingProcess::Terminate) {
        let process = ScalingProcess::Terminate;
        plan.held_back.push(HeldBack::ProcessSuspended(process));
    } else if unprotected.len() < surplus {
        plan.held_back.push(HeldBack::ProtectedFromScaleIn);
    } else if chosen.ready.len() + chosen.asked.len() < surplus {
        plan.held_back.push(HeldBack::Busy(chosen.busy));
    }
}

/// Who goes, as far as they have been asked.
#[derive(Debug, Default)]
pub(super) struct Chosen<'a> {
    /// They may go.
    pub(super) ready: Vec<&'a Instance>,
    /// They are to go, and have not answered yet or not lately.
    asked: Vec<&'a Instance>,
    pub(super) busy: Vec<InstanceId>,
    /// Of `asked`, those with a question under way.
    pending: BTreeSet<InstanceId>,
}

impl Chosen<'_> {
    pub(super) fn questions(&self) -> impl Iterator<Item = Action> {
        let unasked = self.asked.iter();
        let unasked = unasked.filter(|instance| !self.pending.contains(&instance.id));
        unasked.map(|instance| Action::AskBusy {
            id: instance.id.clone(),
        })
    }
}

/// `count` of `candidates`; those at work are passed over.
pub(super) fn choose<'a>(
    group: &Group,
    candidates: &[&'a Instance],
    count: usize,
    around: Circumstances<'_>,
    rng: &mut impl Rng,
) -> Chosen<'a> {
    let now = around.now;
    let mut chosen = Chosen::default();
    let mut left = Vec::new();
    for candidate in candidates {
        match standing(group, candidate, now) {
            Standing::Busy => chosen.busy.push(candidate.id.clone()),
            // It was chosen when it was asked: a policy that leaves it to chance would
            // choose another now, and ask everybody.
            Standing::Asked => {
                chosen.asked.push(candidate);
                chosen.pending.insert(candidate.id.clone());
            }
            Standing::MayGo | Standing::Unknown => left.push(*candidate),
        }
    }
    let scene = Scene {
        group,
        targets: around.targets,
        now,
    };
    let count = count.saturating_sub(chosen.asked.len());
    let may_go = |instance: &&Instance| {
        group.spec.busy_check.is_some() && standing(group, instance, now) == Standing::MayGo
    };
    let cleared: Vec<&Instance> = left.iter().copied().filter(may_go).collect();
    chosen.ready = choose_victims(scene, &cleared, count, rng);
    left.retain(|instance| !chosen.ready.iter().any(|ready| ready.id == instance.id));
    let rest = choose_victims(scene, &left, count - chosen.ready.len(), rng);
    for victim in rest {
        match standing(group, victim, now) {
            Standing::MayGo => chosen.ready.push(victim),
            _ => chosen.asked.push(victim),
        }
    }
    chosen
}

/// An instance that serves nobody yet, or whose group asks nobody, may go unasked.
fn standing(group: &Group, instance: &Instance, now: Instant) -> Standing {
    match &group.spec.busy_check {
        Some(check) if !group.retired && instance.is_in_service() && instance.address.is_some() => {
            instance.busyness.standing(check, now)
        }
        _ => Standing::MayGo,
    }
}
