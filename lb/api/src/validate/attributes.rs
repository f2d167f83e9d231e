use std::{ops::RangeInclusive, time::Duration};

use super::{Faults, RuleFault};
use crate::{
    HashKey, LoadBalancerAttributes, LoadBalancingAlgorithm, Queue, Retry, Stickiness,
    TargetGroupAttributes,
};

/// ELB's `slow_start.duration_seconds` ends there; it starts at 30 s, which is long for targets
/// that a minute replaces.
const MAX_SLOW_START: Duration = Duration::from_secs(900);
/// `stickiness.lb_cookie.duration_seconds` and `stickiness.app_cookie.duration_seconds`.
const STICKINESS: RangeInclusive<Duration> = seconds(1, 604_800);
/// Each that waits holds a connection and its head in memory.
const MAX_QUEUED: u32 = 100_000;
/// No client waits longer.
const MAX_QUEUE_WAIT: Duration = Duration::from_secs(300);
/// More tries than this find no other target.
const ATTEMPTS: RangeInclusive<u32> = 1..=10;
/// ELB's deregistration delay ends there.
const MAX_UPGRADE_GRACE: Duration = Duration::from_secs(3600);
/// `idle_timeout.timeout_seconds`.
const IDLE_TIMEOUT: RangeInclusive<Duration> = seconds(1, 4000);
/// ELB's `client_keep_alive.seconds` ends there; it starts at 60 s.
const CLIENT_KEEP_ALIVE: RangeInclusive<Duration> = seconds(1, 604_800);

impl TargetGroupAttributes {
    /// # Errors
    /// Every value out of its range.
    pub fn validate(&self) -> Result<(), Vec<RuleFault>> {
        let mut faults = Faults::default();
        faults.unless(
            self.slow_start <= MAX_SLOW_START,
            "slow_start_seconds",
            "up to 900",
        );
        faults.unless(
            self.minimum_healthy_targets >= 1,
            "minimum_healthy_targets",
            "at least 1",
        );
        faults.unless(
            self.max_requests_per_target != Some(0),
            "max_requests_per_target",
            "at 0 no target would serve: at least 1",
        );
        faults.unless(
            self.upgrade_grace <= MAX_UPGRADE_GRACE,
            "upgrade_grace_seconds",
            "up to 3600",
        );
        check_algorithm(&self.load_balancing_algorithm_type, &mut faults);
        if let Some(stickiness) = &self.stickiness {
            check_stickiness(stickiness, &mut faults);
        }
        check_queue(&self.queue, &mut faults);
        check_retry(&self.retry, &mut faults);
        faults.into_result()
    }
}

impl LoadBalancerAttributes {
    /// # Errors
    /// Every value out of its range.
    pub fn validate(&self) -> Result<(), Vec<RuleFault>> {
        let mut faults = Faults::default();
        faults.unless(
            IDLE_TIMEOUT.contains(&self.idle_timeout),
            "idle_timeout_seconds",
            "from 1 to 4000",
        );
        faults.unless(
            CLIENT_KEEP_ALIVE.contains(&self.client_keep_alive),
            "client_keep_alive_seconds",
            "from 1 to 604800",
        );
        faults.unless(
            self.max_connections_per_client != Some(0),
            "max_connections_per_client",
            "at 0 nobody would connect: at least 1",
        );
        faults.into_result()
    }
}

const fn seconds(low: u64, high: u64) -> RangeInclusive<Duration> {
    Duration::from_secs(low)..=Duration::from_secs(high)
}

fn check_algorithm(algorithm: &LoadBalancingAlgorithm, faults: &mut Faults) {
    if let LoadBalancingAlgorithm::ConsistentHash(HashKey::HttpHeader(name)) = algorithm {
        faults.unless(
            super::is_token(name),
            "load_balancing_algorithm_type.consistent_hash.http_header",
            format!("`{name}` is no header's name"),
        );
    }
}

fn check_stickiness(stickiness: &Stickiness, faults: &mut Faults) {
    let (kind, duration) = match stickiness {
        Stickiness::LbCookie { duration } => ("lb_cookie", duration),
        Stickiness::AppCookie { duration, .. } => ("app_cookie", duration),
    };
    faults.unless(
        STICKINESS.contains(duration),
        format!("stickiness.{kind}.duration_seconds"),
        "from 1 to 604800, which is seven days",
    );
    let Stickiness::AppCookie { cookie_name, .. } = stickiness else {
        return;
    };
    let path = "stickiness.app_cookie.cookie_name";
    let reason = format!("`{cookie_name}` is no cookie's name");
    faults.unless(super::is_token(cookie_name), path, reason);
    // Names that ELB keeps for itself.
    let is_reserved = ["AWSALB", "AWSALBAPP", "AWSALBTG"].contains(&&**cookie_name);
    let reason = format!("`{cookie_name}` is the balancer's own");
    faults.unless(!is_reserved, path, reason);
}

fn check_queue(queue: &Queue, faults: &mut Faults) {
    faults.unless(
        queue.max_requests <= MAX_QUEUED,
        "queue.max_requests",
        format!("up to {MAX_QUEUED}"),
    );
    faults.unless(
        queue.max_wait <= MAX_QUEUE_WAIT,
        "queue.max_wait_seconds",
        "up to 300",
    );
}

fn check_retry(retry: &Retry, faults: &mut Faults) {
    faults.unless(
        ATTEMPTS.contains(&retry.attempts),
        "retry.attempts",
        "from 1 (no retry) to 10",
    );
    faults.unless(
        retry.budget_percent <= 100,
        "retry.budget_percent",
        "up to 100",
    );
}
