//! The instance in service whose loss costs least, one rule after another: outdated template,
//! fewest in flight, lowest CPU, fullest zone, newest.

use std::{cmp::Reverse, time::Duration};

use super::{Scene, is_outdated, keep_least};
use crate::{group::Instance, zones::Spread};

/// Differences below these are noise: two idle instances count as equally idle.
const IN_FLIGHT_TOLERANCE: u64 = 4;
const CPU_TOLERANCE_PERCENT: f64 = 10.0;
const CPU_WINDOW: Duration = Duration::from_secs(30);

pub(super) fn narrow(left: &mut Vec<&Instance>, scene: Scene<'_>, spread: &Spread<'_>) {
    keep_least(left, |instance| !is_outdated(scene.group, instance));

    let targets = scene.targets.of_groups(&scene.group.spec.target_groups);
    let in_flight = |instance: &Instance| targets.in_flight(&instance.id);
    let fewest = left.iter().map(|instance| in_flight(instance)).min();
    let enough = fewest.unwrap_or_default() + IN_FLIGHT_TOLERANCE;
    left.retain(|instance| in_flight(instance) <= enough);

    // An instance without figures may be the busy one.
    let cpu = |instance: &Instance| {
        let mean = instance.cpu.mean(scene.now, CPU_WINDOW, None);
        mean.map_or(100.0, |mean| mean.percent)
    };
    let lowest = left.iter().map(|instance| cpu(instance));
    let enough = lowest.fold(f64::INFINITY, f64::min) + CPU_TOLERANCE_PERCENT;
    left.retain(|instance| cpu(instance) <= enough);

    keep_least(left, |instance| {
        Reverse(spread.count(&instance.availability_zone))
    });
    keep_least(left, |instance| {
        Reverse((instance.launched_at, instance.id.clone()))
    });
}
