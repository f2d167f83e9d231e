use minicloud_lb_api::Matcher;
use proptest::prelude::*;

use super::*;

const REFUSED: Outcome = Outcome::Fail(Failure::Other);

fn check() -> HealthCheck {
    HealthCheck {
        protocol: Default::default(),
        path: "/health".into(),
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        healthy_threshold: 3,
        unhealthy_threshold: 2,
        matcher: Matcher::default(),
    }
}

fn state(health: &Health) -> TargetState {
    health.describe().state
}

#[test]
fn one_pass_makes_a_new_target_healthy() {
    let now = Instant::now();
    let mut health = Health::new(now);
    assert_eq!(
        health.describe().reason,
        Some(HealthReason::RegistrationInProgress)
    );
    assert!(health.observe(REFUSED, &check(), now));
    assert_eq!(
        health.describe().reason,
        Some(HealthReason::InitialHealthChecking)
    );
    assert_eq!(health.next_check(&check()), FAST_INTERVAL);
    assert!(health.observe(Outcome::Pass, &check(), now));
    assert_eq!(state(&health), TargetState::Healthy);
    assert_eq!(health.next_check(&check()), check().interval);
}

#[test]
fn thresholds_apply_after_the_first_pass() {
    let now = Instant::now();
    let mut health = Health::new(now);
    let mut states = Vec::new();
    let outcomes = [
        Outcome::Pass,
        REFUSED,
        Outcome::Pass,
        REFUSED,
        REFUSED,
        Outcome::Pass,
        Outcome::Pass,
        REFUSED,
        Outcome::Pass,
        Outcome::Pass,
        Outcome::Pass,
    ];
    for outcome in outcomes {
        health.observe(outcome, &check(), now);
        states.push(state(&health) == TargetState::Healthy);
    }
    let t = true;
    let f = false;
    assert_eq!(states, [t, t, t, t, f, f, f, f, f, f, t]);
}

#[test]
fn slow_boot_is_unhealthy_by_the_regular_interval() {
    let start = Instant::now();
    let mut health = Health::new(start);
    let mut now = start;
    while state(&health) != TargetState::Unhealthy {
        now += health.next_check(&check());
        health.observe(REFUSED, &check(), now);
        assert!(now - start < Duration::from_secs(60));
    }
    assert_eq!(now - start, check().interval * check().unhealthy_threshold);
    for _ in 0..10 {
        now += health.next_check(&check());
        health.observe(REFUSED, &check(), now);
        assert!(health.next_check(&check()) <= SLOW_BOOT_INTERVAL);
    }
    assert!(
        health.observe(Outcome::Pass, &check(), now),
        "one pass still suffices"
    );
    assert_eq!(state(&health), TargetState::Healthy);
}

#[test]
fn reasons_are_elbs() {
    let cases = [
        (
            Failure::Code(500),
            HealthReason::ResponseCodeMismatch,
            "Health checks failed with these codes: [500]",
        ),
        (Failure::Timeout, HealthReason::Timeout, "Request timed out"),
        (
            Failure::Other,
            HealthReason::FailedHealthChecks,
            "Health checks failed",
        ),
    ];
    for (failure, reason, sentence) in cases {
        let now = Instant::now();
        let mut health = Health::new(now);
        health.observe(Outcome::Pass, &check(), now);
        health.observe(Outcome::Fail(failure), &check(), now);
        health.observe(Outcome::Fail(failure), &check(), now);
        let told = health.describe();
        assert_eq!(
            (told.reason, told.description.as_deref()),
            (Some(reason), Some(sentence))
        );
    }
}

proptest! {
    #[test]
    fn state_follows_the_last_outcomes(passed in prop::collection::vec(any::<bool>(), 1..60)) {
        let now = Instant::now();
        let check = check();
        let mut health = Health::new(now);
        health.observe(Outcome::Pass, &check, now);
        let mut run = (true, 1_u32);
        for pass in passed {
            let before = health.describe();
            let changed = health.observe(if pass { Outcome::Pass } else { REFUSED }, &check, now);
            run = if run.0 == pass { (pass, run.1 + 1) } else { (pass, 1) };
            prop_assert_eq!(changed, before != health.describe());
            match run {
                (true, n) if n >= check.healthy_threshold => prop_assert_eq!(state(&health), TargetState::Healthy),
                (false, n) if n >= check.unhealthy_threshold => prop_assert_eq!(state(&health), TargetState::Unhealthy),
                _ => prop_assert_eq!(state(&health), before.state),
            }
        }
    }
}
