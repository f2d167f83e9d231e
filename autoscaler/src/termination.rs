//! Whom to terminate. Scale-in that ends the busy instance is what users of every peer
//! complain of most, so ours narrows the candidates down by cost, one rule after another:
//! not in service yet, outdated template, fewest in flight, lowest CPU, fullest zone, newest.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    group::{Group, Instance},
    target_health::TargetHealthIndex,
};

/// Differences below these are noise: two idle instances count as equally idle.
const IN_FLIGHT_TOLERANCE: u64 = 4;
const CPU_TOLERANCE_PERCENT: f64 = 10.0;
const CPU_WINDOW: Duration = Duration::from_secs(30);

/// `count` of `candidates`, the cheapest to lose first.
pub fn choose_victims<'a>(
    group: &Group,
    candidates: &[&'a Instance],
    count: usize,
    targets: &TargetHealthIndex<'_>,
    now: Instant,
) -> Vec<&'a Instance> {
    let mut left = candidates.to_vec();
    let mut victims = Vec::new();
    while victims.len() < count && !left.is_empty() {
        let victim = choose_victim(group, &left, targets, now);
        left.retain(|instance| instance.id != victim.id);
        victims.push(victim);
    }
    victims
}

fn choose_victim<'a>(
    group: &Group,
    candidates: &[&'a Instance],
    targets: &TargetHealthIndex<'_>,
    now: Instant,
) -> &'a Instance {
    let mut left = candidates.to_vec();
    let prefer = |left: &mut Vec<&'a Instance>, test: &dyn Fn(&Instance) -> bool| {
        if left.iter().any(|instance| test(instance)) {
            left.retain(|instance| test(instance));
        }
    };
    prefer(&mut left, &|instance| !instance.is_in_service());
    prefer(&mut left, &|instance| is_outdated(group, instance));

    let in_flight =
        |instance: &Instance| targets.in_flight(&group.spec.target_groups, &instance.id);
    let fewest = left
        .iter()
        .map(|instance| in_flight(instance))
        .min()
        .unwrap_or_default();
    prefer(&mut left, &|instance| {
        in_flight(instance) <= fewest + IN_FLIGHT_TOLERANCE
    });

    // An instance without figures may be the busy one.
    let cpu = |instance: &Instance| {
        instance
            .cpu
            .mean(now, CPU_WINDOW, None)
            .map_or(100.0, |mean| mean.percent)
    };
    let lowest = left
        .iter()
        .map(|instance| cpu(instance))
        .fold(f64::INFINITY, f64::min);
    prefer(&mut left, &|instance| {
        cpu(instance) <= lowest + CPU_TOLERANCE_PERCENT
    });

    let in_zone = |instance: &Instance| {
        candidates
            .iter()
            .filter(|other| other.availability_zone == instance.availability_zone)
            .count()
    };
    let fullest = left
        .iter()
        .map(|instance| in_zone(instance))
        .max()
        .unwrap_or_default();
    prefer(&mut left, &|instance| in_zone(instance) == fullest);

    // `candidates` is never empty, and no rule empties the list.
    left.into_iter()
        .max_by_key(|instance| (instance.launched_at, &instance.id))
        .unwrap_or(candidates[0])
}

fn is_outdated(group: &Group, instance: &Instance) -> bool {
    let current = &group.launch_template;
    (
        instance.launch_template_name.as_str(),
        instance.launch_template_version,
    ) != (current.name.as_str(), current.version)
}
