//! Suspended processes: what each keeps from being planned, and that it is said.

use jiff::Timestamp;

use super::*;
use crate::scaling_process::ScalingProcess::{
    self, AZRebalance, HealthCheck, Launch, ReplaceUnhealthy, Terminate,
};

impl World {
    fn suspend(&mut self, processes: &[ScalingProcess]) {
        let suspended = &mut self.group.suspended_processes;
        suspended.suspend(processes, Timestamp::UNIX_EPOCH);
    }

    fn resume(&mut self) {
        let suspended = &mut self.group.suspended_processes;
        suspended.resume(&ScalingProcess::ALL);
    }
}

fn deregistered(plan: &Plan) -> Vec<&InstanceId> {
    let ids = plan.actions.iter().filter_map(|action| match action {
        Action::Deregister { id, .. } => Some(id),
        _ => None,
    });
    ids.collect()
}

#[test]
fn suspended_launch_starts_nothing() {
    let mut world = World::new(&[TerminationPolicy::Default], 3, &["a"]);
    world.suspend(&[Launch]);
    let held = [HeldBack::ProcessSuspended(Launch)];
    assert_eq!(
        (&*world.plan().actions, &*world.plan().held_back),
        (&[][..], &held[..])
    );
    world.resume();
    assert_eq!(launches(&world.step()).len(), 2);
    // What is recorded and not there is launched by nobody either.
    world.suspend(&[Launch]);
    assert_eq!(world.plan(), Plan::default());
    world.resume();
    let begun = world.plan().actions;
    assert!(
        matches!(&*begun, [Action::Relaunch { .. }, Action::Relaunch { .. }]),
        "{begun:?}"
    );
}

#[test]
fn draining_instance_comes_back_without_a_launch() {
    let mut world = World::new(&[TerminationPolicy::LeastBusy], 0, &["a"]);
    world.step();
    world.group.capacity.desired_capacity = 2;
    world.suspend(&[Launch]);
    let plan = world.plan();
    assert!(
        matches!(&*plan.actions, [Action::Recall { .. }]),
        "{plan:?}"
    );
    assert_eq!(plan.held_back, [HeldBack::ProcessSuspended(Launch)]);
}

#[test]
fn suspended_terminate_keeps_what_is_in_service() {
    let mut world = World::new(&[TerminationPolicy::Default], 1, &["a", "b", "c"]);
    world.suspend(&[Terminate]);
    let held = [HeldBack::ProcessSuspended(Terminate)];
    assert_eq!(
        (&*world.plan().actions, &*world.plan().held_back),
        (&[][..], &held[..])
    );
    // What is on its way goes all the same, as at AWS.
    let pending = sample::id(2);
    let instance = world.group.instances.get_mut(&pending).unwrap();
    instance.lifecycle_state = LifecycleState::Pending;
    let plan = world.plan();
    assert_eq!(deregistered(&plan), [&pending]);
    assert_eq!(plan.held_back, held);
    world.resume();
    assert_eq!(deregistered(&world.plan()).len(), 2);
}

#[test]
fn what_drains_already_ends() {
    let mut world = World::new(&[TerminationPolicy::Default], 0, &["a"]);
    world.step();
    world.suspend(&ScalingProcess::ALL);
    world.step();
    assert!(world.group.instances.is_empty());
}

#[test]
fn unhealthy_instance_keeps_its_place_while_nothing_may_replace_it() {
    for (process, is_held) in [
        (ReplaceUnhealthy, true),
        (Terminate, true),
        // AWS would end it, with nothing to take over.
        (Launch, true),
        (HealthCheck, false),
        (AZRebalance, false),
    ] {
        let mut world = World::new(&[TerminationPolicy::Default], 2, &["a", "b"]);
        let sick = world.group.instances.values_mut().next().unwrap();
        sick.unhealthy = Some("sick".to_owned());
        world.suspend(&[process]);
        let plan = world.plan();
        assert_eq!(plan.actions.is_empty(), is_held, "{process}: {plan:?}");
        let held = plan.held_back == [HeldBack::ProcessSuspended(process)];
        assert_eq!(held, is_held, "{process}: {plan:?}");
    }
}

#[test]
fn rebalancing_takes_all_three_processes() {
    for process in [AZRebalance, Launch, Terminate] {
        let mut world = World::new(&[TerminationPolicy::Default], 3, &["a", "a", "a"]);
        world.suspend(&[process]);
        let plan = world.plan();
        // With Terminate suspended AWS launches, and the group stays above its maximum.
        assert_eq!(plan.actions, [], "{process}");
        assert_eq!(plan.held_back, [HeldBack::ProcessSuspended(process)]);
        world.resume();
        assert_eq!(launches(&world.plan()).len(), 1);
    }
    let mut balanced = World::new(&[TerminationPolicy::Default], 3, &["a", "b", "c"]);
    balanced.suspend(&ScalingProcess::ALL);
    assert_eq!(
        balanced.plan(),
        Plan::default(),
        "nothing is held back from nothing"
    );
}
