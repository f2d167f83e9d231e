//! Groups whose instances an instance refresh replaces.

use jiff::Timestamp;

use super::*;
use crate::{
    instance::ManagedBy,
    instance_refresh::{
        InstanceRefreshRecord, InstanceRefreshStatus, RefreshPreferences, ScaleInProtectedInstances,
    },
    launch_template::ComposeService,
};

const WARMUP: Duration = Duration::from_secs(6);

fn preferences(min: u8, max: u8) -> RefreshPreferences {
    RefreshPreferences {
        min_healthy_percentage: min,
        max_healthy_percentage: max,
        instance_warmup: Some(WARMUP.as_secs() as u32),
        ..RefreshPreferences::default()
    }
}

/// A group at its desired capacity and its maximum that begins a refresh. In one zone, for
/// rebalancing would have a surge of its own afterwards.
fn refreshing(desired: u32, preferences: RefreshPreferences) -> World {
    let zones = vec!["a"; desired as usize];
    let mut world = World::new(&[TerminationPolicy::Default], desired, &zones);
    world.group.spec.availability_zones = vec!["a".to_owned()];
    world.group.capacity.max_size = desired;
    let id = "refresh".to_owned();
    let record = InstanceRefreshRecord::begin(id, &world.group, preferences, Timestamp::UNIX_EPOCH);
    world.group.instance_refreshes.begin(record);
    world
}

impl World {
    fn old(&self) -> Vec<InstanceId> {
        let live = self.group.live();
        let old = live.filter(|one| self.group.is_to_be_replaced(one));
        old.map(|one| one.id.clone()).collect()
    }

    /// In service and, unless it was when the refresh began, warm.
    fn ready(&self) -> usize {
        let is_ready = |one: &&Instance| {
            let warm = one.warm_since(WARMUP, self.now).is_some();
            one.is_in_service() && (warm || self.group.is_to_be_replaced(one))
        };
        self.group.live().filter(is_ready).count()
    }

    fn progress(&self) -> InstanceRefreshStatus {
        let around = Circumstances {
            targets: &NONE,
            calls: &BTreeSet::new(),
            host_saturated: None,
            now: self.now,
        };
        crate::plan::refresh::progress(&self.group, around)
            .unwrap()
            .status
    }
}

#[test]
fn one_at_a_time_unless_more_is_asked_for() {
    for (desired, min, max, launched, taken_out) in [
        (1, 100, 110, 1, 0),
        (3, 100, 100, 1, 0),
        (3, 100, 110, 1, 0),
        (4, 100, 150, 2, 0),
        (4, 100, 200, 4, 0),
        (4, 50, 100, 2, 2),
        (4, 75, 125, 2, 1),
        (3, 90, 100, 1, 0),
        (2, 0, 100, 2, 2),
    ] {
        let plan = refreshing(desired, preferences(min, max)).plan();
        let is_end = |action: &&Action| matches!(action, Action::Deregister { .. });
        let ends = plan.actions.iter().filter(is_end).count();
        let found = (launches(&plan).len(), ends);
        assert_eq!(found, (launched, taken_out), "{desired} {min} {max}");
    }
}

#[test]
fn what_is_taken_out_is_not_called_back() {
    let mut world = refreshing(2, preferences(50, 100));
    let plan = world.step();
    let recallable = plan.actions.iter().any(|action| {
        matches!(
            action,
            Action::Deregister {
                recallable: true,
                ..
            }
        )
    });
    assert!(!recallable, "{plan:?}");
}

#[test]
fn busy_instances_are_asked_before_anything_is_launched() {
    let mut world = refreshing(2, preferences(100, 110));
    world.group.spec.busy_check = Some(BusyCheck {
        question: BusyQuestion::Path("/busy".to_owned()),
        timeout: Duration::from_secs(1),
        interval: Duration::from_secs(20),
    });
    world.busy = [1, 2].map(sample::id).into();
    for _ in 0..30 {
        assert_eq!(launches(&world.step()), [""; 0]);
    }
    let waits = world.plan().refresh_waits.unwrap_or_default();
    assert!(waits.contains("busy"), "{waits}");
    world.busy.clear();
    for _ in 0..60 {
        world.step();
    }
    assert_eq!(world.old(), []);
}

#[test]
fn full_host_holds_a_refresh_up() {
    let mut world = refreshing(2, preferences(50, 110));
    world.host_saturated = Some("no core is free");
    let plan = world.step();
    assert_eq!(plan.actions, []);
    assert_eq!(plan.refresh_waits.as_deref(), Some("no core is free"));
    world.host_saturated = None;
    assert_ne!(world.plan().actions, []);
}

#[test]
fn what_keeps_the_group_from_growing_holds_a_refresh_up_too() {
    let mut world = refreshing(2, preferences(100, 110));
    world.group.capacity.desired_capacity = 3;
    world.group.capacity.max_size = 3;
    world.host_saturated = Some("no core is free");
    let waits = world.plan().refresh_waits;
    assert_eq!(waits.as_deref(), Some("no core is free"));
    world.host_saturated = None;
    world.group.launch_template_fault = Some("there is no version 7".to_owned());
    let plan = world.plan();
    assert_eq!(plan.actions, []);
    assert_eq!(plan.refresh_waits.as_deref(), Some("there is no version 7"));
}

#[test]
fn group_that_cannot_grow_has_been_refreshed_all_the_same() {
    let mut world = refreshing(2, preferences(100, 110));
    while !world.old().is_empty() {
        world.step();
    }
    world.host_saturated = Some("no core is free");
    world.group.capacity.desired_capacity = 5;
    for _ in 0..5 {
        world.step();
    }
    assert_eq!(world.group.live().count(), 2);
    assert_eq!(world.progress(), InstanceRefreshStatus::Successful);
}

#[test]
fn successor_that_was_launched_at_once_is_waited_for() {
    let mut world = refreshing(2, preferences(0, 100));
    world.step();
    world.step();
    assert_eq!(world.old(), []);
    assert_eq!(world.progress(), InstanceRefreshStatus::InProgress);
    world.group.instances.clear();
    let refused = world.progress();
    assert_eq!(
        refused,
        InstanceRefreshStatus::InProgress,
        "none is in its place"
    );
}

#[test]
fn protected_instances_are_replaced_where_the_preference_says_so() {
    use ScaleInProtectedInstances::{Ignore, Refresh, Wait};
    for (preference, left) in [(Refresh, 0), (Ignore, 1), (Wait, 1)] {
        let mut world = refreshing(
            3,
            RefreshPreferences {
                scale_in_protected_instances: preference,
                ..preferences(100, 110)
            },
        );
        let one = world.group.instances.get_mut(&sample::id(2)).unwrap();
        one.protected_from_scale_in = true;
        for _ in 0..60 {
            world.step();
        }
        assert_eq!(world.old().len(), left, "{preference:?}");
        let ended = match preference {
            Wait => InstanceRefreshStatus::InProgress,
            Refresh | Ignore => InstanceRefreshStatus::Successful,
        };
        assert_eq!(world.progress(), ended);
        let waits = world.plan().refresh_waits;
        assert_eq!(waits.is_some(), preference == Wait, "{waits:?}");
    }
}

#[test]
fn failures_count_until_a_successor_stays() {
    let mut world = refreshing(2, preferences(100, 110));
    for _ in 0..4 {
        world
            .group
            .launches
            .record_failure(world.now, "no image", &mut world.rng);
        world.now += 2 * MINUTE;
        assert!(
            !world.group.has_proven_itself(world.now),
            "the old say nothing"
        );
        assert_eq!(world.progress(), InstanceRefreshStatus::InProgress);
    }
    world
        .group
        .launches
        .record_failure(world.now, "no image", &mut world.rng);
    assert_eq!(world.progress(), InstanceRefreshStatus::Failed);
    world.now += 20 * MINUTE;
    for _ in 0..3 {
        world.step();
    }
    world.now += MINUTE;
    assert!(world.group.has_proven_itself(world.now));
}

#[test]
fn seed_is_left_to_compose() {
    let mut world = refreshing(3, preferences(100, 110));
    world.group.launch_template.clone_of = Some(ComposeService {
        project: "shop".to_owned(),
        service: "api".to_owned(),
        network: "shop_default".to_owned(),
        config_hash: "abc".to_owned(),
    });
    let seed = world.group.instances.get_mut(&sample::id(1)).unwrap();
    seed.managed_by = ManagedBy::Compose;
    for _ in 0..60 {
        world.step();
    }
    assert!(world.group.instances[&sample::id(1)].is_live());
    assert_eq!((world.old(), world.launched), (Vec::new(), 3 + 2));
    assert_eq!(world.progress(), InstanceRefreshStatus::Successful);
}

#[test]
fn cancelled_refresh_begins_nothing() {
    let mut world = refreshing(3, preferences(100, 110));
    world.step();
    let active = world.group.instance_refreshes.active.as_mut().unwrap();
    active.record.refresh.status = InstanceRefreshStatus::Cancelling;
    assert_eq!(world.progress(), InstanceRefreshStatus::Cancelling);
    for _ in 0..30 {
        world.step();
    }
    assert_eq!(world.launched, 3 + 1);
    assert_eq!((world.old().len(), world.group.live().count()), (2, 3));
    assert_eq!(world.progress(), InstanceRefreshStatus::Cancelled);
}

proptest! {
    #[test]
    fn every_instance_is_replaced_once_and_enough_serve(
        desired in 0_u32..9, min in 0_u8..=100, spread in 0_u8..=100, drains: bool,
    ) {
        let max = 100_u8.max(min + spread.min(100));
        let mut world = refreshing(desired, preferences(min, max));
        if drains {
            world.group.spec.target_groups = vec!["web".to_owned()];
            world.group.deregistration_delay = Duration::from_secs(7);
        }
        let wanted = desired as usize;
        let least = (wanted * usize::from(min)).div_ceil(100);
        let surge = (wanted * usize::from(max - 100)).div_ceil(100);
        let most = wanted + surge.max(usize::from(least == wanted));
        for _ in 0..400 {
            prop_assert!(world.ready() >= least, "{} of {least} serve", world.ready());
            prop_assert!(world.group.live().count() <= most, "{} are there", world.group.live().count());
            world.step();
        }
        prop_assert_eq!(world.old(), []);
        prop_assert_eq!(world.launched, 2 * desired, "one for each");
        prop_assert_eq!(world.group.live().count(), wanted);
        prop_assert_eq!(world.progress(), InstanceRefreshStatus::Successful);
    }

    #[test]
    fn refresh_ends_however_the_group_scales(
        desired in 1_u32..6, scales in prop::collection::vec((0_u32..8, 1_usize..12), 0..8),
    ) {
        let mut world = refreshing(desired, preferences(100, 110));
        for (desired, steps) in scales {
            let before = world.group.capacity.desired_capacity;
            world.group.capacity.desired_capacity = desired;
            world.group.capacity.max_size = desired.max(1);
            let least = world.ready().min(desired.min(before) as usize);
            for _ in 0..steps {
                world.step();
                prop_assert!(world.ready() >= least, "{} of {least} serve", world.ready());
            }
        }
        for _ in 0..300 {
            world.step();
        }
        prop_assert_eq!(world.old(), []);
        prop_assert_eq!(world.group.live().count(), world.group.capacity.desired_capacity as usize);
        prop_assert_eq!(world.progress(), InstanceRefreshStatus::Successful);
    }
}
