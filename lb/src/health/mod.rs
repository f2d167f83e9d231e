//! Health of one target: a state machine that is told outcomes and the time.

pub(crate) mod prober;

use std::time::Duration;

use minicloud_lb_api::{HealthCheck, HealthReason, TargetHealth, TargetState};
use tokio::time::Instant;

/// Between checks of a target that has never passed: it is about to, and every 100 ms of not
/// noticing is 100 ms of a scale-out.
pub(crate) const FAST_INTERVAL: Duration = Duration::from_millis(100);
/// Between checks of a target that should long have passed.
const SLOW_BOOT_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Fail(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Answered, with a code that the matcher does not know.
    Code(u16),
    Timeout,
    /// Refused, reset, or not the protocol that the check speaks.
    Other,
}

#[derive(Clone, Debug)]
pub(crate) struct Health {
    standing: Standing,
    /// One pass makes a new target healthy, thresholds apply after it.
    passed_before: bool,
    passes: u32,
    failures: u32,
    /// When a failure last counted: a new target's fast checks count once an interval.
    counted_at: Instant,
    last_failure: Option<Failure>,
    backoff: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Registering,
    Checking,
    Healthy,
    Unhealthy,
}

impl Health {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            standing: Standing::Registering,
            passed_before: false,
            passes: 0,
            failures: 0,
            counted_at: now,
            last_failure: None,
            backoff: FAST_INTERVAL,
        }
    }

    /// Takes in one check's outcome; true if what [`describe`](Self::describe) says changed.
    pub(crate) fn observe(&mut self, outcome: Outcome, check: &HealthCheck, now: Instant) -> bool {
        let before = (self.standing, self.last_failure);
        match outcome {
            Outcome::Pass => self.pass(check),
            Outcome::Fail(failure) => self.fail(failure, check, now),
        }
        match self.standing {
            Standing::Unhealthy => before != (self.standing, self.last_failure),
            _ => before.0 != self.standing,
        }
    }

    /// Whether it has never passed a check.
    pub(crate) fn is_new(&self) -> bool {
        !self.passed_before
    }

    fn pass(&mut self, check: &HealthCheck) {
        self.failures = 0;
        self.passes = self.passes.saturating_add(1);
        if !self.passed_before || self.passes >= check.healthy_threshold {
            self.standing = Standing::Healthy;
        }
        self.passed_before = true;
    }

    fn fail(&mut self, failure: Failure, check: &HealthCheck, now: Instant) {
        self.passes = 0;
        self.last_failure = Some(failure);
        if self.passed_before || now.duration_since(self.counted_at) >= check.interval {
            self.failures = self.failures.saturating_add(1);
            self.counted_at = now;
        }
        if self.failures >= check.unhealthy_threshold {
            if self.standing == Standing::Unhealthy {
                self.backoff = (self.backoff * 2).min(SLOW_BOOT_INTERVAL);
            }
            self.standing = Standing::Unhealthy;
        } else if self.standing == Standing::Registering {
            self.standing = Standing::Checking;
        }
    }

    /// How long to wait until the next check.
    pub(crate) fn next_check(&self, check: &HealthCheck) -> Duration {
        match (self.passed_before, self.standing) {
            (true, _) => check.interval,
            (false, Standing::Unhealthy) => self.backoff.min(check.interval),
            (false, _) => FAST_INTERVAL.min(check.interval),
        }
    }

    /// State, reason and sentence as ELB words them.
    pub(crate) fn describe(&self) -> TargetHealth {
        match self.standing {
            Standing::Registering => registering(),
            Standing::Checking => health(
                TargetState::Initial,
                HealthReason::InitialHealthChecking,
                "Initial health checks in progress",
            ),
            Standing::Healthy => TargetHealth {
                state: TargetState::Healthy,
                reason: None,
                description: None,
            },
            Standing::Unhealthy => unhealthy(self.last_failure.unwrap_or(Failure::Other)),
        }
    }
}

fn unhealthy(failure: Failure) -> TargetHealth {
    let unhealthy = TargetState::Unhealthy;
    match failure {
        Failure::Code(code) => health(
            unhealthy,
            HealthReason::ResponseCodeMismatch,
            &format!("Health checks failed with these codes: [{code}]"),
        ),
        Failure::Timeout => health(unhealthy, HealthReason::Timeout, "Request timed out"),
        Failure::Other => health(
            unhealthy,
            HealthReason::FailedHealthChecks,
            "Health checks failed",
        ),
    }
}

pub(crate) fn registering() -> TargetHealth {
    health(
        TargetState::Initial,
        HealthReason::RegistrationInProgress,
        "Target registration is in progress",
    )
}

pub(crate) fn draining() -> TargetHealth {
    health(
        TargetState::Draining,
        HealthReason::DeregistrationInProgress,
        "Target deregistration is in progress",
    )
}

pub(crate) fn unused() -> TargetHealth {
    health(
        TargetState::Unused,
        HealthReason::NotInUse,
        "Target group is not configured to receive traffic from the load balancer",
    )
}

fn health(state: TargetState, reason: HealthReason, description: &str) -> TargetHealth {
    TargetHealth {
        state,
        reason: Some(reason),
        description: Some(description.to_owned()),
    }
}

#[cfg(test)]
mod tests;
