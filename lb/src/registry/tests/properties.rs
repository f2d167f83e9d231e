//! Whatever snapshots, checks and requests come, in whatever order: nobody is sent to a target
//! that may not serve.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{health::Failure, routing::Wish, stickiness::StickyTo, target::Claim};

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Debug)]
enum Step {
    /// Registers these, each draining or not.
    Apply(Vec<Option<bool>>),
    Check(usize, bool),
    Pass(Duration),
    Judge,
    /// The worker takes up the routing that is published.
    Load,
    /// A request, sticky to a target or not, on the routing that its worker has.
    Pick(Option<usize>),
    /// The oldest request ends, well or not.
    End(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let apply = prop::collection::vec(prop::option::weighted(0.8, prop::bool::weighted(0.2)), 5);
    let step = prop_oneof![
        2 => apply.prop_map(Step::Apply),
        4 => (0..5_usize, prop::bool::weighted(0.7)).prop_map(|(id, is_pass)| Step::Check(id, is_pass)),
        1 => (0..20_u64).prop_map(|seconds| Step::Pass(Duration::from_secs(seconds))),
        1 => Just(Step::Judge),
        3 => Just(Step::Load),
        6 => prop::option::of(0..5_usize).prop_map(Step::Pick),
        2 => any::<bool>().prop_map(Step::End),
    ];
    prop::collection::vec(step, 1..60)
}

/// A registry, and a worker that has its routing a little late.
struct World {
    registry: Registry,
    metrics: Metrics,
    now: Instant,
    published: Arc<Routing>,
    /// What the worker has of it.
    loaded: Arc<Routing>,
    claims: Vec<Claim>,
    limit: Option<u32>,
    rng: SmallRng,
}

impl World {
    fn new(limit: Option<u32>) -> Self {
        let now = Instant::now();
        Self {
            registry: Registry::default(),
            metrics: Metrics::new().unwrap(),
            now,
            published: Arc::default(),
            loaded: Arc::default(),
            claims: Vec::new(),
            limit,
            rng: SmallRng::seed_from_u64(1),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Apply(targets) => self.apply(&targets),
            Step::Check(id, is_pass) => self.check(IDS[id], is_pass),
            Step::Pass(time) => {
                self.now += time;
                self.registry.expire(self.now);
            }
            Step::Judge => {
                self.registry.judge(self.now);
                self.publish();
            }
            Step::Load => self.loaded = Arc::clone(&self.published),
            Step::Pick(sticky) => self.pick(sticky),
            Step::End(is_good) => self.end(is_good),
        }
    }

    fn apply(&mut self, targets: &[Option<bool>]) {
        let targets: Vec<_> = IDS
            .into_iter()
            .zip(targets)
            .filter_map(|(id, draining)| Some((id, (*draining)?)))
            .collect();
        let mut snapshot = snapshot(&targets);
        snapshot.target_groups[0].attributes.max_requests_per_target = self.limit;
        self.registry.apply(&snapshot, self.now);
        self.publish();
    }

    fn check(&mut self, id: &str, is_pass: bool) {
        let mut targets = self.registry.targets.values();
        let Some(known) = targets.find(|known| known.target.id == id && known.may_serve()) else {
            return;
        };
        let uid = known.target.uid;
        let health = known.health.clone();
        let mut health = health.unwrap_or_else(|| Health::new(self.now));
        let outcome = match is_pass {
            true => Outcome::Pass,
            false => Outcome::Fail(Failure::Timeout),
        };
        let check = snapshot(&[]).target_groups.remove(0).health_check;
        health.observe(outcome, &check, self.now);
        self.registry.note_health(uid, health, self.now);
        self.publish();
    }

    /// As the control task does: routing first, then what drains refuses.
    fn publish(&mut self) {
        self.published = Arc::new(self.registry.routing(&self.metrics));
        self.registry.close_draining();
    }

    /// Ids of the targets in a state, of those that have not left.
    fn in_state(&self, state: TargetState) -> BTreeSet<String> {
        let states = states(&self.registry).into_iter();
        states
            .filter(|(_, found)| *found == state)
            .map(|(id, _)| id)
            .collect()
    }

    fn pick(&mut self, sticky: Option<usize>) {
        let Some(group) = self.loaded.groups.get("web") else {
            return;
        };
        let serving = |id: &str| group.eligible.iter().find(|known| known.target.id == id);
        let wished = sticky.and_then(|id| serving(IDS[id]));
        let has_room = wished.is_some_and(|known| known.target.has_room());
        let wish = Wish {
            sticky_to: wished.map_or(StickyTo::None, |known| StickyTo::Target(known.target.hash)),
            key: None,
            tried: &[],
        };
        let claim = group.pick(&wish, self.now, &mut self.rng);
        let Some(claim) = claim else {
            let is_free = |known: &crate::routing::Serving| known.target.has_room();
            assert!(!group.eligible.iter().any(is_free), "a place was there");
            return;
        };
        let target = claim.target();
        assert!(serving(&target.id).is_some(), "of this routing");
        assert!(!target.is_draining(), "none that refuses");
        let limit = self.limit.map_or(u64::MAX, u64::from);
        assert!(target.in_flight() <= limit, "its limit holds");
        if let Some(wished) = wished.filter(|_| has_room) {
            assert_eq!(target.id, wished.target.id, "sticky");
        }
        self.claims.push(claim);
    }

    fn end(&mut self, is_good: bool) {
        if self.claims.is_empty() {
            return;
        }
        let claim = self.claims.remove(0);
        let outcome = match is_good {
            true => crate::balancer::anomaly::Outcome::Success,
            false => crate::balancer::anomaly::Outcome::ServerError,
        };
        claim
            .target()
            .note(outcome, Duration::from_millis(1), self.now);
    }

    /// What routing would be now, against what the report says of the targets.
    fn check_routing(&self) {
        let routing = self.registry.routing(&self.metrics);
        let Some(group) = routing.groups.get("web") else {
            return;
        };
        let eligible = group.eligible.iter().map(|known| known.target.id.clone());
        let eligible: BTreeSet<String> = eligible.collect();
        let healthy = self.in_state(TargetState::Healthy);
        let unhealthy = self.in_state(TargetState::Unhealthy);
        assert!(eligible.is_disjoint(&self.in_state(TargetState::Draining)));
        assert!(eligible.is_disjoint(&self.in_state(TargetState::Initial)));
        if !healthy.is_empty() {
            assert!(!eligible.is_empty(), "somebody serves");
        }
        if !eligible.is_subset(&healthy) {
            // Fail open: no healthy one is left that is not ejected, and then all are asked.
            assert_eq!(eligible, &healthy | &unhealthy);
        }
        if healthy.is_empty() {
            assert_eq!(eligible, unhealthy, "fail open, or nobody");
        }
    }

    /// Requests in flight are those that were picked and have not ended.
    fn check_counts(&self) {
        for known in self.registry.targets.values() {
            let uid = known.target.uid;
            let claimed = self.claims.iter().filter(|claim| claim.target().uid == uid);
            assert_eq!(known.target.in_flight(), claimed.count() as u64);
        }
    }
}

proptest! {
    #[test]
    fn nobody_is_sent_where_nobody_may_go(
        steps in steps(),
        limit in prop::option::of(1..4_u32),
    ) {
        let mut world = World::new(limit);
        for step in steps {
            world.take(step);
            world.check_routing();
            world.check_counts();
        }
    }

    /// Once what drains was seen idle, an old routing cannot bring it back.
    #[test]
    fn idle_target_that_drains_stays_idle(steps in steps()) {
        let mut world = World::new(None);
        for step in steps {
            world.take(step);
        }
        world.apply(&[Some(true); 5]);
        if let Some(group) = world.loaded.groups.get("web") {
            let wish = Wish { sticky_to: StickyTo::None, key: None, tried: &[] };
            prop_assert!(group.pick(&wish, world.now, &mut world.rng).is_none());
        }
        world.claims.clear();
        prop_assert!(report(&world.registry).targets.iter().all(|target| target.in_flight == 0));
    }
}
