//! Groups of clones around containers that Compose runs.

use super::*;
use crate::{instance::ManagedBy, launch_template::ComposeService};

/// A group that adopts a service: seeds in service, then clones of it, `outdated` first.
fn adopted(desired: u32, seeds: u32, outdated: u32, current: u32) -> World {
    let count = (seeds + outdated + current) as usize;
    let mut world = World::new(&[TerminationPolicy::LeastBusy], desired, &vec!["a"; count]);
    world.group.spec.availability_zones = vec!["a".to_owned()];
    world.group.launch_template.clone_of = Some(ComposeService {
        project: "shop".to_owned(),
        service: "api".to_owned(),
        network: "shop_default".to_owned(),
        config_hash: "abc".to_owned(),
    });
    for instance in world.group.instances.values_mut() {
        if instance.index <= seeds {
            instance.managed_by = ManagedBy::Compose;
        } else if instance.index <= seeds + outdated {
            instance.launch_template_version -= 1;
        }
    }
    world
}

fn seed(world: &mut World) -> &mut Instance {
    world.group.instances.get_mut(&sample::id(1)).unwrap()
}

fn up_to_date(world: &World) -> usize {
    let live = world.group.live();
    live.filter(|one| !is_outdated(&world.group, one)).count()
}

#[test]
fn outdated_clones_are_replaced_one_by_one() {
    let mut world = adopted(4, 1, 3, 0);
    world.group.capacity.max_size = 4;
    for _ in 0..20 {
        world.step();
        let serving = world.group.live().filter(|one| one.is_in_service());
        assert!(serving.count() >= 4, "the new one serves first");
        assert!(world.group.live().count() <= 5, "one more than wanted");
    }
    assert_eq!((up_to_date(&world), world.group.live().count()), (4, 4));
    assert!(seed(&mut world).is_live());
    assert!(world.rests());
}

#[test]
fn what_shrinks_loses_outdated_clones_first() {
    let mut world = adopted(3, 1, 1, 2);
    world.step();
    world.step();
    assert_eq!((up_to_date(&world), world.group.live().count()), (3, 3));
    assert!(world.rests());
}

#[test]
fn nothing_is_refreshed_launched_or_ended_while_the_seed_is_away() {
    for desired in [1, 3, 4] {
        let mut world = adopted(desired, 1, 1, 1);
        let now = world.now;
        let seed = seed(&mut world);
        seed.stopped_since = Some(now);
        seed.address = None;
        assert_eq!(world.plan().actions, [], "{desired}");
    }
}

#[test]
fn clones_serve_until_the_next_seed_does() {
    let mut world = adopted(1, 1, 0, 1);
    seed(&mut world).lifecycle_state = LifecycleState::Pending;
    assert_eq!(world.plan().actions, []);
    seed(&mut world).lifecycle_state = LifecycleState::InService;
    seed(&mut world).unhealthy = Some("connection refused".to_owned());
    assert_eq!(world.plan().actions, []);
    seed(&mut world).unhealthy = None;
    world.step();
    world.step();
    assert_eq!(world.group.live().count(), 1);
}

#[test]
fn clone_that_is_recorded_waits_for_a_seed() {
    let mut world = adopted(2, 1, 0, 1);
    let clone = world.group.instances.get_mut(&sample::id(2)).unwrap();
    clone.lifecycle_state = LifecycleState::Pending;
    clone.seen = false;
    let relaunch = Action::Relaunch { id: sample::id(2) };
    assert_eq!(world.plan().actions, [relaunch]);
    let now = world.now;
    seed(&mut world).stopped_since = Some(now);
    assert_eq!(world.plan().actions, []);
}

proptest! {
    #[test]
    fn seed_is_never_touched(
        desired in 0_u32..6, seeds in 1_u32..4, outdated in 0_u32..4, current in 0_u32..4,
        unhealthy: bool, retired: bool,
    ) {
        let mut world = adopted(desired, seeds, outdated, current);
        world.group.retired = retired;
        if unhealthy {
            seed(&mut world).unhealthy = Some("connection refused".to_owned());
        }
        for _ in 0..30 {
            world.step();
            let alive = world.group.seeds().filter(|seed| seed.is_live());
            prop_assert_eq!(alive.count(), seeds as usize);
        }
        let clones = world.group.live().filter(|one| !one.is_seed()).count();
        if retired {
            prop_assert_eq!(clones, desired.saturating_sub(seeds) as usize);
        } else if !unhealthy {
            prop_assert_eq!(clones, desired.saturating_sub(seeds) as usize);
            prop_assert_eq!(up_to_date(&world), clones + seeds as usize);
        }
    }
}
