//! Instances in standby, and on their way there.

use super::*;

impl World {
    fn drain(&mut self, number: u32) {
        let now = self.now;
        let instance = self.group.instances.get_mut(&sample::id(number)).unwrap();
        instance.lifecycle_state = LifecycleState::EnteringStandby;
        instance.draining_since = Some(now);
    }

    fn state(&self, number: u32) -> LifecycleState {
        self.group.instances[&sample::id(number)].lifecycle_state
    }
}

#[test]
fn instance_is_in_standby_once_it_has_drained() {
    let mut world = World::new(&[TerminationPolicy::Default], 1, &["a", "b"]);
    world.group.spec.target_groups = vec!["web".to_owned()];
    world.group.deregistration_delay = Duration::from_secs(7);
    world.drain(1);
    for _ in 0..4 {
        assert_eq!(world.state(1), LifecycleState::EnteringStandby);
        assert!(world.group.is_settling());
        world.step();
    }
    world.step();
    assert_eq!(world.state(1), LifecycleState::Standby);
    assert!(world.rests());
}

#[test]
fn another_takes_the_place_of_one_that_leaves() {
    let mut world = World::new(&[TerminationPolicy::Default], 3, &["a", "b", "c"]);
    world.drain(1);
    let plan = world.step();
    assert_eq!(launches(&plan), ["a"], "where one is missing now");
    for _ in 0..3 {
        world.step();
    }
    assert!(world.rests());
    assert_eq!(world.state(1), LifecycleState::Standby);
    assert_eq!(world.group.live().count(), 3);
}

#[test]
fn scale_in_and_rebalancing_pass_by_what_is_in_standby() {
    let mut world = World::new(
        &[TerminationPolicy::OldestInstance],
        3,
        &["a", "a", "b", "c"],
    );
    world.drain(1);
    world.step();
    assert!(world.rests(), "{:?}", world.plan());
    world.group.capacity.desired_capacity = 0;
    for _ in 0..3 {
        world.step();
    }
    let left: Vec<&InstanceId> = world.group.instances.keys().collect();
    assert_eq!(left, [&sample::id(1)]);
    assert!(world.rests());
}

#[test]
fn sickness_in_standby_is_nobodys_business() {
    let mut world = World::new(&[TerminationPolicy::Default], 1, &["a", "b"]);
    world.drain(1);
    world.step();
    let instance = world.group.instances.get_mut(&sample::id(1)).unwrap();
    instance.unhealthy = Some("sick".to_owned());
    instance.address = None;
    assert!(world.rests());
}

#[test]
fn end_of_a_group_ends_what_is_in_standby() {
    let mut world = World::new(&[TerminationPolicy::Default], 2, &["a", "b", "c"]);
    world.drain(1);
    world.step();
    world.drain(2);
    world.group.retired = true;
    world.group.capacity.desired_capacity = 0;
    for _ in 0..3 {
        world.step();
    }
    assert_eq!(world.group.instances.len(), 0);
}
