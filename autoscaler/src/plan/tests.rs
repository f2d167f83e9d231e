mod adopted;
mod refresh;
mod standby;
mod suspended;

use minicloud_lb_api::{
    Report, TargetDescription, TargetHealth, TargetHealthDescription, TargetState,
};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::SmallRng};

use super::*;
use crate::{
    busy::BusyAnswer,
    config::{BusyCheck, BusyQuestion, CapacityDistributionStrategy, TerminationPolicy},
    group::sample,
    load_balancer_link::ReceivedReport,
    termination::zone_tolerance,
};

const NONE: TargetHealthIndex<'static> = TargetHealthIndex::silent();
const MINUTE: Duration = Duration::from_secs(60);

/// A group and the world around it, a step at a time.
struct World {
    group: Group,
    now: Instant,
    rng: SmallRng,
    launched: u32,
    refusing: Vec<&'static str>,
    busy: BTreeSet<InstanceId>,
    host_saturated: Option<&'static str>,
}

impl World {
    fn new(policies: &[TerminationPolicy], desired: u32, zones: &[&str]) -> Self {
        let now = Instant::now();
        let zones = (1..).zip(zones);
        let instances = zones.map(|(number, zone)| sample::in_service(number, zone, MINUTE, now));
        let group = sample::group(policies, desired).with(instances);
        Self {
            launched: group.instances.len() as u32,
            group,
            now,
            rng: SmallRng::seed_from_u64(7),
            refusing: Vec::new(),
            busy: BTreeSet::new(),
            host_saturated: None,
        }
    }

    fn plan(&mut self) -> Plan {
        let around = Circumstances {
            targets: &NONE,
            calls: &BTreeSet::new(),
            host_saturated: self.host_saturated,
            now: self.now,
        };
        plan(&self.group, around, &mut self.rng)
    }

    /// Plans, has it all done, and lets two seconds pass.
    fn step(&mut self) -> Plan {
        let plan = self.plan();
        for action in &plan.actions {
            self.carry_out(action);
        }
        self.now += Duration::from_secs(2);
        plan
    }

    fn carry_out(&mut self, action: &Action) {
        let now = self.now;
        let (Action::Relaunch { id }
        | Action::Recall { id }
        | Action::AskBusy { id }
        | Action::Deregister { id, .. }
        | Action::EnterStandby { id }
        | Action::Terminate { id }) = action
        else {
            return self.launch(action);
        };
        let instance = self.group.instances.get_mut(id).unwrap();
        match action {
            Action::Deregister { recallable, .. } => {
                instance.lifecycle_state = LifecycleState::Terminating;
                instance.draining_since = Some(now);
                instance.recallable = *recallable;
            }
            Action::Recall { .. } => {
                instance.lifecycle_state = LifecycleState::InService;
                instance.recallable = false;
            }
            Action::AskBusy { .. } => {
                let answer = match self.busy.contains(id) {
                    true => BusyAnswer::Busy { lasts: None },
                    false => BusyAnswer::Idle,
                };
                instance.busyness.answer(answer, now);
            }
            Action::EnterStandby { .. } => instance.lifecycle_state = LifecycleState::Standby,
            // Comes into service.
            Action::Relaunch { .. } => {
                instance.lifecycle_state = LifecycleState::InService;
                instance.seen = true;
            }
            _ => drop(self.group.instances.remove(id)),
        }
    }

    fn launch(&mut self, action: &Action) {
        let Action::Launch {
            availability_zone, ..
        } = action
        else {
            return;
        };
        if self.refusing.contains(&availability_zone.as_str()) {
            let refusals = self.group.zone_refusals.entry(availability_zone.clone());
            let refusals = refusals.or_default();
            return refusals.record_failure(self.now, "no room", &mut self.rng);
        }
        self.launched += 1;
        let mut instance =
            sample::in_service(self.launched, availability_zone, Duration::ZERO, self.now);
        instance.lifecycle_state = LifecycleState::Pending;
        instance.seen = false;
        self.group.instances.insert(instance.id.clone(), instance);
    }

    fn zones(&self) -> Vec<usize> {
        let zones = &self.group.spec.availability_zones;
        let spread = Spread::over(zones, self.group.live());
        zones.iter().map(|zone| spread.count(zone)).collect()
    }

    fn rests(&mut self) -> bool {
        self.plan().actions.is_empty() && !self.group.is_settling()
    }
}

fn launches(plan: &Plan) -> Vec<&str> {
    let zones = plan.actions.iter().filter_map(|action| match action {
        Action::Launch {
            availability_zone, ..
        } => Some(availability_zone.as_str()),
        _ => None,
    });
    zones.collect()
}

#[test]
fn protected_instances_stay_and_it_is_said() {
    let mut world = World::new(&[TerminationPolicy::Default], 0, &["a", "b", "b"]);
    for number in [1, 2] {
        let instance = world.group.instances.get_mut(&sample::id(number)).unwrap();
        instance.protected_from_scale_in = true;
    }
    let plan = world.step();
    assert_eq!(plan.held_back, [HeldBack::ProtectedFromScaleIn]);
    assert_eq!(world.group.live().count(), 2);
    let plan = world.step();
    assert_eq!(plan.held_back, [HeldBack::ProtectedFromScaleIn]);
    // A group that is gone from the file protects nobody.
    world.group.retired = true;
    world.step();
    assert_eq!(world.group.live().count(), 0);
}

#[test]
fn draining_instance_comes_back_before_another_is_launched() {
    let mut world = World::new(&[TerminationPolicy::LeastBusy], 1, &["a", "b"]);
    world.group.spec.target_groups = vec!["web".to_owned()];
    world.group.deregistration_delay = MINUTE;
    world.step();
    assert_eq!(world.group.live().count(), 1);
    world.group.capacity.desired_capacity = 3;
    let plan = world.step();
    assert!(
        matches!(
            &*plan.actions,
            [Action::Recall { .. }, Action::Launch { .. }]
        ),
        "{plan:?}"
    );
}

#[test]
fn what_cannot_serve_is_not_recalled() {
    type Spoil = fn(&mut Instance);
    let spoilers: [Spoil; 3] = [
        |instance| instance.recallable = false,
        |instance| instance.address = None,
        |instance| instance.unhealthy = Some("sick".to_owned()),
    ];
    for spoil in spoilers {
        let mut world = World::new(&[TerminationPolicy::LeastBusy], 0, &["a"]);
        world.group.spec.target_groups = vec!["web".to_owned()];
        world.group.deregistration_delay = MINUTE;
        world.step();
        spoil(world.group.instances.values_mut().next().unwrap());
        world.group.capacity.desired_capacity = 1;
        let plan = world.plan();
        assert_eq!(launches(&plan), ["a"], "{plan:?}");
    }
}

#[test]
fn drained_instance_is_recalled_rather_than_ended() {
    let mut world = World::new(&[TerminationPolicy::LeastBusy], 0, &["a"]);
    world.step();
    world.group.capacity.desired_capacity = 1;
    // Nothing is in flight: this pass would have ended it.
    let plan = world.plan();
    assert!(
        matches!(&*plan.actions, [Action::Recall { .. }]),
        "{plan:?}"
    );
}

#[test]
fn earlier_drain_says_nothing_of_this_one() {
    let mut world = World::new(&[TerminationPolicy::LeastBusy], 0, &["a"]);
    world.group.spec.target_groups = vec!["web".to_owned()];
    world.group.deregistration_delay = MINUTE;
    let since = world.now;
    world.step();
    let report = Report {
        snapshot_version: 1,
        targets: vec![TargetHealthDescription {
            target_group: "web".to_owned(),
            target: TargetDescription {
                id: sample::id(1).to_string(),
                address: "127.0.0.1:1".to_owned(),
                port: 1,
                availability_zone: None,
            },
            target_health: TargetHealth {
                state: TargetState::Draining,
                reason: None,
                description: None,
            },
            in_flight: 0,
            request_count: 0,
            anomaly_detection: None,
        }],
        ..Report::default()
    };
    let ends = |world: &mut World, at: Instant| {
        let report = ReceivedReport::new(report.clone(), at);
        let around = Circumstances {
            targets: &TargetHealthIndex::new(Some(&report), world.now),
            calls: &BTreeSet::new(),
            host_saturated: None,
            now: world.now,
        };
        !plan(&world.group, around, &mut world.rng)
            .actions
            .is_empty()
    };
    assert!(!ends(&mut world, since - Duration::from_millis(1)));
    assert!(ends(&mut world, since));
}

#[test]
fn busy_instances_are_asked_and_passed_over() {
    let mut world = World::new(&[TerminationPolicy::NewestInstance], 1, &["a", "a", "a"]);
    world.group.spec.busy_check = Some(BusyCheck {
        question: BusyQuestion::Path("/busy".to_owned()),
        timeout: Duration::from_secs(1),
        interval: Duration::from_secs(20),
    });
    world.busy = [1, 3].map(sample::id).into();
    let asked = |plan: &Plan| {
        let asked = plan.actions.iter();
        asked
            .filter(|action| matches!(action, Action::AskBusy { .. }))
            .count()
    };
    assert_eq!(asked(&world.step()), 2, "as many as should go");
    for _ in 0..4 {
        world.step();
    }
    let left: Vec<_> = world.group.live().map(|one| one.id.clone()).collect();
    assert_eq!(left, [1, 3].map(sample::id));
    let HeldBack::Busy(ids) = &world.plan().held_back[0] else {
        panic!("{:?}", world.plan());
    };
    assert_eq!(ids.len(), 2);
    world.busy.clear();
    for _ in 0..15 {
        world.step();
    }
    assert_eq!(world.group.live().count(), 1);
}

#[test]
fn full_host_takes_what_the_group_must_have_and_no_more() {
    let mut world = World::new(&[TerminationPolicy::LeastBusy], 5, &["a"]);
    world.group.capacity.min_size = 3;
    world.host_saturated = Some("no core is free");
    let plan = world.step();
    assert_eq!(launches(&plan).len(), 2);
    assert_eq!(
        plan.held_back,
        [HeldBack::HostSaturated("no core is free".to_owned())]
    );
    world.step();
    world.host_saturated = None;
    assert_eq!(launches(&world.step()).len(), 2);
    assert_eq!(world.plan().held_back, []);
}

#[test]
fn refusing_zone_is_avoided_and_comes_back() {
    let mut world = World::new(&[TerminationPolicy::Default], 6, &[]);
    world.refusing = vec!["b"];
    for _ in 0..10 {
        world.step();
    }
    assert_eq!(world.zones(), [3, 0, 3]);
    world.refusing.clear();
    world.now += 20 * MINUTE;
    for _ in 0..20 {
        world.step();
        assert!(world.group.live().count() >= 6);
        // Nobody here says that the launch has succeeded: the loop does.
        if world.zones()[1] > 0 {
            world.group.zone_refusals.clear();
        }
    }
    assert_eq!(world.zones(), [2, 2, 2]);
}

#[test]
fn group_that_must_be_balanced_waits_for_its_zone() {
    let mut world = World::new(&[TerminationPolicy::Default], 6, &[]);
    world.group.spec.capacity_distribution = CapacityDistributionStrategy::BalancedOnly;
    world.refusing = vec!["b"];
    for _ in 0..10 {
        world.step();
    }
    assert_eq!(world.zones(), [2, 0, 2], "no zone is more than two ahead");
    world.refusing.clear();
    world.now += 20 * MINUTE;
    world.step();
    world.group.zone_refusals.clear();
    world.step();
    world.step();
    assert_eq!(world.zones(), [2, 2, 2]);
}

#[test]
fn zone_taken_from_the_group_is_emptied_one_by_one() {
    let mut world = World::new(&[TerminationPolicy::LeastBusy], 3, &["gone", "a", "gone"]);
    world.group.capacity.max_size = 3;
    for _ in 0..10 {
        let plan = world.step();
        assert!(launches(&plan).len() <= 1);
        let serving = world.group.live().filter(|one| one.is_in_service());
        assert!(serving.count() >= 3, "the new one serves first");
        assert!(world.group.live().count() <= 4, "one more than max_size");
    }
    assert_eq!(world.zones(), [1, 1, 1]);
    assert!(world.rests());
}

#[test]
fn protected_or_busy_instances_set_off_no_rebalancing() {
    let mut world = World::new(&[TerminationPolicy::Default], 3, &["a", "a", "a"]);
    for instance in world.group.instances.values_mut() {
        instance.protected_from_scale_in = true;
    }
    assert!(world.rests());
    for instance in world.group.instances.values_mut() {
        instance.protected_from_scale_in = false;
    }
    world.group.spec.busy_check = Some(BusyCheck {
        question: BusyQuestion::Path("/busy".to_owned()),
        timeout: Duration::from_secs(1),
        interval: Duration::from_secs(20),
    });
    world.busy = [1, 2, 3].map(sample::id).into();
    for _ in 0..50 {
        assert_eq!(launches(&world.step()), [""; 0]);
    }
}

fn any_zones() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "gone"]), 0..10)
}

proptest! {
    #[test]
    fn every_group_comes_to_rest_as_it_should_be(
        zones in any_zones(),
        policies in prop::sample::subsequence(TerminationPolicy::ALL.to_vec(), 1..3).prop_shuffle(),
        desired in 0_u32..10,
        drains: bool,
    ) {
        let mut world = World::new(&policies, desired, &zones);
        if drains {
            world.group.spec.target_groups = vec!["web".to_owned()];
            world.group.deregistration_delay = Duration::from_secs(7);
        }
        let start = world.group.live().count();
        for _ in 0..80 {
            let serving = world.group.live().filter(|one| one.is_in_service()).count();
            prop_assert!(serving >= start.min(desired as usize), "{} serve", serving);
            prop_assert!(world.group.live().count() <= start.max(11));
            world.step();
        }
        prop_assert!(world.rests(), "{:?}", world.plan());
        prop_assert_eq!(world.group.live().count(), desired as usize);
        let counts = world.zones();
        prop_assert_eq!(counts.iter().sum::<usize>(), desired as usize, "none is left behind");
        let apart = counts.iter().max().unwrap() - counts.iter().min().unwrap();
        prop_assert!(apart <= zone_tolerance(&policies), "{counts:?}");
    }

    #[test]
    fn protected_instance_is_never_a_victim(
        zones in any_zones(), protected in prop::collection::vec(any::<bool>(), 10),
        desired in 0_u32..10,
    ) {
        let mut world = World::new(&[TerminationPolicy::LeastBusy], desired, &zones);
        for (instance, protected) in world.group.instances.values_mut().zip(protected) {
            instance.protected_from_scale_in = protected;
        }
        let kept: Vec<InstanceId> = world.group.live()
            .filter(|one| one.protected_from_scale_in).map(|one| one.id.clone()).collect();
        for _ in 0..60 {
            world.step();
            for id in &kept {
                prop_assert!(world.group.instances[id].is_live());
            }
        }
    }
}
