use proptest::prelude::*;
use rand::{SeedableRng, rngs::SmallRng};

use super::*;
use crate::{
    config::TerminationPolicy::{
        ClosestToNextInstanceHour, Default as AwsDefault, LeastBusy, NewestInstance,
        OldestInstance, OldestLaunchTemplate,
    },
    group::sample,
    instance::LifecycleState,
};

const NONE: TargetHealthIndex<'static> = TargetHealthIndex::silent();

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Zone, age in minutes, template and version, by number from 1.
type Row = (&'static str, u64, &'static str, u64);

fn group(policies: &[TerminationPolicy], rows: &[Row], now: Instant) -> Group {
    let instances = (1..)
        .zip(rows)
        .map(|(number, (zone, age, template, version))| {
            let mut instance = sample::in_service(number, zone, minutes(*age), now);
            (*template).clone_into(&mut instance.launch_template_name);
            instance.launch_template_version = *version;
            instance
        });
    sample::group(policies, 0).with(instances)
}

fn victims(group: &Group, count: usize, now: Instant, seed: u64) -> Vec<u32> {
    let candidates: Vec<&Instance> = group.live().collect();
    let scene = Scene {
        group,
        targets: &NONE,
        now,
    };
    let mut rng = SmallRng::seed_from_u64(seed);
    let victims = choose_victims(scene, &candidates, count, &mut rng);
    victims.into_iter().map(|victim| victim.index).collect()
}

#[test]
fn policies_choose_as_documented() {
    let rows = [
        ("a", 50, "web", 3),
        ("a", 70, "web", 2),
        ("a", 59, "old", 9),
        ("b", 500, "old", 1),
    ];
    let now = Instant::now();
    for (policies, expected) in [
        // The zone with most instances goes before every policy.
        (vec![OldestInstance], 2),
        (vec![NewestInstance], 1),
        (vec![OldestLaunchTemplate], 3),
        // 10 min, 50 min and 1 min are left of the hour.
        (vec![ClosestToNextInstanceHour], 3),
        (vec![AwsDefault], 3),
    ] {
        let group = group(&policies, &rows, now);
        assert_eq!(victims(&group, 1, now, 1), [expected], "{policies:?}");
    }
}

#[test]
fn ties_go_to_the_next_policy_and_then_to_chance() {
    let rows = [("a", 70, "web", 2), ("a", 50, "web", 2), ("a", 5, "web", 3)];
    let now = Instant::now();
    let policies = [OldestLaunchTemplate, NewestInstance];
    assert_eq!(victims(&group(&policies, &rows, now), 3, now, 1), [2, 1, 3]);
    let twins = [("a", 7, "web", 3); 4];
    let twins = group(&[AwsDefault], &twins, now);
    let chosen: std::collections::BTreeSet<_> = (0..50)
        .map(|seed| victims(&twins, 1, now, seed)[0])
        .collect();
    assert_eq!(chosen.len(), 4, "any of them: {chosen:?}");
}

#[test]
fn zone_without_candidates_is_passed_over() {
    let now = Instant::now();
    let rows = [("a", 9, "web", 3), ("a", 8, "web", 3), ("b", 7, "web", 3)];
    let group = group(&[OldestInstance], &rows, now);
    let candidates: Vec<&Instance> = group
        .live()
        .filter(|instance| instance.availability_zone == "b")
        .collect();
    let scene = Scene {
        group: &group,
        targets: &NONE,
        now,
    };
    let mut rng = SmallRng::seed_from_u64(1);
    let victims = choose_victims(scene, &candidates, 1, &mut rng);
    assert_eq!(victims[0].index, 3);
}

#[test]
fn zone_that_the_group_left_empties_first() {
    let now = Instant::now();
    let rows = [
        ("a", 9, "web", 3),
        ("a", 8, "web", 3),
        ("gone", 1, "web", 3),
    ];
    for policy in TerminationPolicy::ALL {
        let group = group(&[policy], &rows, now);
        assert_eq!(victims(&group, 1, now, 1), [3], "{policy}");
    }
}

#[test]
fn instance_on_its_way_goes_before_one_that_serves() {
    let now = Instant::now();
    for policy in TerminationPolicy::ALL {
        let mut group = group(&[policy], &[("a", 50, "web", 3), ("b", 1, "web", 3)], now);
        for pending in [1, 2] {
            for (id, instance) in &mut group.instances {
                instance.lifecycle_state = match *id == sample::id(pending) {
                    true => LifecycleState::Pending,
                    false => LifecycleState::InService,
                };
            }
            assert_eq!(victims(&group, 1, now, 1), [pending], "{policy}");
        }
    }
}

#[test]
fn least_busy_prefers_what_costs_least() {
    let now = Instant::now();
    let rows = [("a", 70, "web", 3), ("a", 50, "web", 3), ("b", 5, "web", 2)];
    let group = group(&[LeastBusy], &rows, now);
    // An outdated one, though its zone has fewest.
    assert_eq!(victims(&group, 3, now, 1), [3, 2, 1]);
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::sample::select(vec!["a", "b", "c", "gone"]),
        0_u64..300,
        prop::sample::select(vec!["web", "old"]),
        1_u64..4,
    );
    prop::collection::vec(row, 0..12)
}

fn any_policies() -> impl Strategy<Value = Vec<TerminationPolicy>> {
    prop::sample::subsequence(TerminationPolicy::ALL.to_vec(), 1..4).prop_shuffle()
}

/// Largest and smallest number of instances in one of the group's zones.
fn difference(group: &Group) -> usize {
    let zones = &group.spec.availability_zones;
    let spread = Spread::over(zones, group.live());
    let least = zones.iter().map(|zone| spread.count(zone)).min();
    spread.most() - least.unwrap_or_default()
}

proptest! {
    #[test]
    fn victims_are_distinct_candidates_and_repeatable(
        rows in any_rows(), policies in any_policies(), count in 0_usize..14, seed: u64,
    ) {
        let now = Instant::now();
        let group = group(&policies, &rows, now);
        let chosen = victims(&group, count, now, seed);
        prop_assert_eq!(chosen.len(), count.min(rows.len()));
        let distinct: std::collections::BTreeSet<_> = chosen.iter().collect();
        prop_assert_eq!(distinct.len(), chosen.len());
        prop_assert_eq!(&victims(&group, count, now, seed), &chosen);
    }

    #[test]
    fn balanced_group_stays_balanced(
        rows in any_rows(), policies in any_policies(), seed: u64,
    ) {
        let now = Instant::now();
        let mut group = group(&policies, &rows, now);
        let tolerance = zone_tolerance(&policies);
        let mut was = difference(&group);
        for number in victims(&group, rows.len(), now, seed) {
            group.instances.remove(&sample::id(number));
            let is = difference(&group);
            prop_assert!(is <= was.max(tolerance), "{was} became {is}");
            was = is;
        }
    }

    #[test]
    fn zones_with_most_instances_go_first(rows in any_rows(), seed: u64) {
        let now = Instant::now();
        for policy in [AwsDefault, OldestInstance, NewestInstance, OldestLaunchTemplate] {
            let mut group = group(&[policy], &rows, now);
            for number in victims(&group, rows.len(), now, seed) {
                let spread = Spread::over(&group.spec.availability_zones, group.live());
                let fullest = group.live().map(|one| spread.fullness(&one.availability_zone));
                let victim = &group.instances[&sample::id(number)];
                prop_assert_eq!(Some(spread.fullness(&victim.availability_zone)), fullest.max());
                group.instances.remove(&sample::id(number));
            }
        }
    }
}
