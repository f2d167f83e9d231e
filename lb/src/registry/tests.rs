use std::time::Duration;

use minicloud_lb_api::{Action, HealthReason, Listener, Matcher, TargetGroup, TargetState};

use rand::{SeedableRng, rngs::SmallRng};

use super::*;
use crate::health::Outcome;

fn snapshot(targets: &[(&str, bool)]) -> Snapshot {
    let target = |&(id, draining): &(&str, bool)| minicloud_lb_api::Target {
        id: id.into(),
        address: "127.0.0.1:9".into(),
        availability_zone: None,
        draining,
        load: None,
    };
    Snapshot {
        version: 1,
        listeners: vec![listener(80, "web")],
        target_groups: vec![TargetGroup {
            name: "web".into(),
            health_check: HealthCheck {
                protocol: Default::default(),
                path: "/".into(),
                interval: Duration::from_secs(5),
                timeout: Duration::from_secs(2),
                healthy_threshold: 2,
                unhealthy_threshold: 2,
                matcher: Matcher::default(),
            },
            deregistration_delay: Duration::from_secs(30),
            attributes: Default::default(),
            is_scaled: false,
            targets: targets.iter().map(target).collect(),
        }],
    }
}

fn listener(port: u16, group: &str) -> Listener {
    Listener {
        load_balancer: "lb".into(),
        port,
        rules: Vec::new(),
        default_action: Action::forward(group),
        attributes: Default::default(),
    }
}

fn report(registry: &Registry) -> Report {
    registry.report(std::iter::empty(), Instant::now())
}

fn states(registry: &Registry) -> Vec<(String, TargetState)> {
    let targets = report(registry).targets.into_iter();
    targets
        .map(|target| (target.target.id, target.target_health.state))
        .collect()
}

fn pick(routing: &Routing, now: Instant) -> Option<crate::target::Claim> {
    let wish = crate::routing::Wish {
        sticky_to: crate::stickiness::StickyTo::None,
        key: None,
        tried: &[],
    };
    let mut rng = SmallRng::seed_from_u64(1);
    routing.groups["web"].pick(&wish, now, &mut rng)
}

fn pass(registry: &mut Registry, id: &str, now: Instant) {
    let mut targets = registry.targets.iter();
    let uid = targets.find(|(key, _)| key.1 == id).unwrap().1.target.uid;
    let mut health = Health::new(now);
    let check = snapshot(&[]).target_groups.remove(0).health_check;
    health.observe(Outcome::Pass, &check, now);
    registry.note_health(uid, health, now);
}

#[test]
fn health_survives_snapshots() {
    let now = Instant::now();
    let mut registry = Registry::default();
    registry.apply(&snapshot(&[("a", false), ("b", false)]), now);
    pass(&mut registry, "a", now);
    registry.apply(&snapshot(&[("a", false), ("c", false)]), now);
    registry.expire(now);
    let expected = [("a", TargetState::Healthy), ("c", TargetState::Initial)];
    assert_eq!(
        states(&registry),
        expected.map(|(id, state)| (id.to_owned(), state))
    );
}

#[test]
fn draining_target_serves_nothing_new_and_is_cut_after_the_delay() {
    let now = Instant::now();
    let metrics = Metrics::new().unwrap();
    let mut registry = Registry::default();
    registry.apply(&snapshot(&[("a", false)]), now);
    pass(&mut registry, "a", now);
    let routing = registry.routing(&metrics);
    let claim = pick(&routing, now).unwrap();

    registry.apply(&snapshot(&[("a", true)]), now);
    registry.close_draining();
    let told = report(&registry).targets.remove(0);
    assert_eq!(
        told.target_health.reason,
        Some(HealthReason::DeregistrationInProgress)
    );
    assert_eq!(told.in_flight, 1);
    assert!(
        pick(&routing, now).is_none(),
        "an old routing picks it no more"
    );
    assert!(registry.routing(&metrics).groups["web"].eligible.is_empty());

    let graced = now + Duration::from_secs(10);
    assert_eq!(registry.next_cut(), Some(graced), "of tunnels");
    assert!(!claim.target().has_no_tunnels());
    assert!(registry.expire(graced));
    assert!(claim.target().has_no_tunnels() && !claim.target().is_cut());

    let later = now + Duration::from_secs(29);
    registry.apply(&snapshot(&[]), later);
    assert!(!registry.expire(later));
    assert_eq!(
        registry.next_cut(),
        Some(now + Duration::from_secs(30)),
        "counted from its first word"
    );
    assert!(registry.expire(now + Duration::from_secs(30)));
    assert!(claim.target().is_cut());
    assert_eq!(states(&registry).len(), 1);
    drop(claim);
    registry.expire(now + Duration::from_secs(31));
    assert_eq!(states(&registry), []);
}

#[test]
fn grace_of_tunnels_ends_with_the_delay() {
    let now = Instant::now();
    let mut registry = Registry::default();
    let mut graceful = snapshot(&[("a", true)]);
    graceful.target_groups[0].attributes.upgrade_grace = Duration::from_secs(300);
    registry.apply(&graceful, now);
    let delay = Duration::from_secs(30);
    assert_eq!(registry.next_cut(), Some(now + delay));
    assert!(registry.expire(now + delay));
    assert_eq!(registry.next_cut(), None);
}

#[test]
fn group_without_listener_is_unused_and_not_checked() {
    let now = Instant::now();
    let mut registry = Registry::default();
    let mut unused = snapshot(&[("a", false)]);
    unused.listeners.clear();
    registry.apply(&unused, now);
    let told = report(&registry).targets.remove(0).target_health;
    assert_eq!(
        (told.state, told.reason),
        (TargetState::Unused, Some(HealthReason::NotInUse))
    );
    assert!(registry.checked().is_empty());
    registry.apply(&snapshot(&[("a", false)]), now);
    assert_eq!(registry.checked().len(), 1);
}

#[test]
fn faults_are_told_and_the_rest_applies() {
    let now = Instant::now();
    let mut registry = Registry::default();
    let mut faulty = snapshot(&[("a", false), ("a", false)]);
    faulty.listeners.push(listener(80, "web"));
    faulty.listeners.push(listener(81, "nowhere"));
    let mut bad = faulty.target_groups[0].targets[0].clone();
    (bad.id, bad.address) = ("bad".into(), "here".into());
    faulty.target_groups[0].targets.push(bad);
    registry.apply(&faulty, now);
    let report = report(&registry);
    assert_eq!(report.targets.len(), 1);
    assert_eq!(report.faults.len(), 3, "{:?}", report.faults);
    assert_eq!(registry.ports(), [80, 81].into());
    let routing = registry.routing(&Metrics::new().unwrap());
    let last = routing
        .route(81)
        .unwrap()
        .listener
        .rules
        .iter()
        .last()
        .unwrap()
        .index;
    assert!(routing.route(81).unwrap().groups(last)[0].is_none());
}

#[test]
fn target_registered_anew_starts_anew() {
    let now = Instant::now();
    let mut registry = Registry::default();
    registry.apply(&snapshot(&[("a", false)]), now);
    pass(&mut registry, "a", now);
    registry.apply(&snapshot(&[("a", true)]), now);
    registry.apply(&snapshot(&[("a", false)]), now);
    assert_eq!(states(&registry), [("a".to_owned(), TargetState::Initial)]);
}

mod properties;
