//! Whom to terminate when a group scales in. Pure; chance comes in with the generator.
//!
//! AWS's policies choose within the zone that has most instances, and so does whatever stands
//! after them. [`LeastBusy`](TerminationPolicy::LeastBusy) chooses by what the loss costs:
//! scale-in that ends the busy instance is what users of every peer complain of most. It
//! minds zones only so far as not to set off a rebalancing ([`zone_tolerance`]).

mod least_busy;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::time::Instant;

use crate::{
    config::TerminationPolicy,
    group::{Group, Instance},
    target_health::TargetHealthIndex,
    zones::Spread,
};

const HOUR: Duration = Duration::from_secs(3600);

/// What the policies look at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub group: &'a Group,
    pub targets: &'a TargetHealthIndex<'a>,
    pub now: Instant,
}

/// `count` of `candidates` in the order in which they should go, or all where there are fewer.
pub fn choose_victims<'a>(
    scene: Scene<'_>,
    candidates: &[&'a Instance],
    count: usize,
    rng: &mut impl Rng,
) -> Vec<&'a Instance> {
    let mut spread = Spread::over(&scene.group.spec.availability_zones, scene.group.live());
    let mut left = candidates.to_vec();
    let mut victims = Vec::new();
    while victims.len() < count && !left.is_empty() {
        let victim = choose_victim(scene, &left, &spread, rng);
        left.retain(|instance| instance.id != victim.id);
        spread.remove(&victim.availability_zone);
        victims.push(victim);
    }
    victims
}

/// By how much two zones may differ before the group moves an instance.
pub fn zone_tolerance(policies: &[TerminationPolicy]) -> usize {
    match policies.first() {
        Some(TerminationPolicy::LeastBusy) => 2,
        _ => 1,
    }
}

/// Whether `instance` was launched from another template, or another version, than the next
/// one will be.
pub fn is_outdated(group: &Group, instance: &Instance) -> bool {
    let current = &group.launch_template;
    (
        instance.launch_template_name.as_str(),
        instance.launch_template_version,
    ) != (current.name.as_str(), current.version)
}

/// `candidates` is never empty, and no rule empties it.
fn choose_victim<'a>(
    scene: Scene<'_>,
    candidates: &[&'a Instance],
    spread: &Spread<'_>,
    rng: &mut impl Rng,
) -> &'a Instance {
    let policies = &scene.group.spec.termination_policies;
    let mut left = in_zones(candidates, spread, policies);
    keep_least(&mut left, |one| {
        !spread.is_left_behind(&one.availability_zone)
    });
    // AWS does not say what becomes of those on their way. They serve nobody yet, so their
    // loss is no outage.
    keep_least(&mut left, |one| one.is_in_service());
    for policy in policies {
        narrow(*policy, &mut left, scene, spread);
    }
    left.get(rng.random_range(0..left.len().max(1)))
        .copied()
        .unwrap_or(candidates[0])
}

/// Those whose zone can do without them: of the fullest zone, or under
/// [`LeastBusy`](TerminationPolicy::LeastBusy) of any that its loss leaves near enough to it.
fn in_zones<'a>(
    candidates: &[&'a Instance],
    spread: &Spread<'_>,
    policies: &[TerminationPolicy],
) -> Vec<&'a Instance> {
    let zone = |instance: &Instance| spread.fullness(&instance.availability_zone);
    let fullest = candidates.iter().map(|candidate| zone(candidate)).max();
    let fullest = fullest.unwrap_or_default();
    let tolerance = match policies.first() {
        Some(TerminationPolicy::LeastBusy) => zone_tolerance(policies),
        _ => 0,
    };
    let can_go = |instance: &Instance| {
        let of_zone = zone(instance);
        of_zone == fullest || (tolerance > 0 && spread.most().saturating_sub(of_zone) < tolerance)
    };
    let left = candidates.iter().copied();
    left.filter(|candidate| can_go(candidate)).collect()
}

fn narrow(
    policy: TerminationPolicy,
    left: &mut Vec<&Instance>,
    scene: Scene<'_>,
    spread: &Spread<'_>,
) {
    match policy {
        TerminationPolicy::OldestInstance => keep_least(left, |one| one.launched_at),
        TerminationPolicy::NewestInstance => {
            keep_least(left, |one| std::cmp::Reverse(one.launched_at));
        }
        TerminationPolicy::OldestLaunchTemplate => {
            keep_least(left, |one| template_age(scene.group, one));
        }
        TerminationPolicy::ClosestToNextInstanceHour => {
            keep_least(left, |one| until_next_hour(one, scene.now));
        }
        TerminationPolicy::Default => {
            keep_least(left, |one| template_age(scene.group, one));
            keep_least(left, |one| until_next_hour(one, scene.now));
        }
        TerminationPolicy::LeastBusy => least_busy::narrow(left, scene, spread),
    }
}

/// Keeps those for which `key` is least.
fn keep_least<K: Ord>(left: &mut Vec<&Instance>, key: impl Fn(&Instance) -> K) {
    let least = left.iter().map(|instance| key(instance)).min();
    left.retain(|instance| Some(key(instance)) == least);
}

/// Less is older: another template than the group's, then the group's by version.
fn template_age(group: &Group, instance: &Instance) -> (bool, u64) {
    match instance.launch_template_name == group.launch_template.name {
        true => (true, instance.launch_template_version),
        false => (false, 0),
    }
}

/// Instance hours count from launch.
fn until_next_hour(instance: &Instance, now: Instant) -> Duration {
    let age = now.saturating_duration_since(instance.launched_at);
    HOUR - Duration::from_secs(age.as_secs() % HOUR.as_secs())
}
