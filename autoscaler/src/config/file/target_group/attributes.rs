//! ELB's target group attributes, and a few that it does not have.

use std::time::Duration;

use minicloud_lb_api::{Queue, Retry, TargetGroupAttributes};

use super::{algorithm, stickiness};
use crate::config::{
    MAX_SIZE,
    file::accepts,
    limits::Limits,
    reader::{Entry, Fields},
    scalar,
    schema::{Absent, Form, Key, Section},
    units::show_duration,
};

pub(super) const QUEUE: Section = Section {
    place: "target_groups.NAME.queue",
    keys: &[
        Key::new(
            "max_requests",
            Form::Count(&QUEUED),
            Absent::ByPace(|_| Queue::default().max_requests.to_string()),
            "Requests that wait at a time; more get 503. `0`: none waits.",
        ),
        Key::new(
            "max_wait",
            Form::Duration(&QUEUE_WAIT),
            Absent::ByPace(|_| show_duration(Queue::default().max_wait)),
            "How long one waits before it gets 503.",
        ),
    ],
    renamed: &[
        ("length", "max_requests"),
        ("max_length", "max_requests"),
        ("timeout", "max_wait"),
        ("max_wait_seconds", "max_wait"),
    ],
};

pub(super) const RETRY: Section = Section {
    place: "target_groups.NAME.retry",
    keys: &[
        Key::new(
            "attempts",
            Form::Count(&ATTEMPTS),
            Absent::ByPace(|_| Retry::default().attempts.to_string()),
            "Tries for one request, the first included.",
        ),
        Key::new(
            "budget_percent",
            Form::Count(&PERCENT),
            Absent::ByPace(|_| Retry::default().budget_percent.to_string()),
            "Retries and hedges that there may be for each hundred requests.",
        ),
        Key::new(
            "min_per_second",
            Form::Count(&MIN_PER_SECOND),
            Absent::ByPace(|_| Retry::default().min_per_second.to_string()),
            "Retries a second that there may always be.",
        ),
        Key::new(
            "hedging",
            Form::Flag,
            Absent::ByPace(|_| Retry::default().hedging.to_string()),
            "Whether an idempotent request goes to a second target when the first is late.",
        ),
    ],
    renamed: &[
        ("max_attempts", "attempts"),
        (
            "retries",
            "write attempts, which counts the first try as well",
        ),
        ("budget", "budget_percent"),
        ("hedge", "hedging"),
    ],
};

/// ELB's ends at 900 s as well; it begins at 30 s, which is long where a boot takes two.
pub(super) const SLOW_START: Limits<Duration> =
    Limits::new(Duration::ZERO, Duration::from_secs(900));

/// A group has no more targets than instances, by and large.
pub(super) const MINIMUM_HEALTHY_TARGETS: Limits<u32> = Limits::new(1, MAX_SIZE);

/// A target that holds more has no limit.
pub(super) const REQUESTS_PER_TARGET: Limits<u32> = Limits::new(1, 100_000);

/// No longer than the longest deregistration delay.
pub(super) const UPGRADE_GRACE: Limits<Duration> =
    Limits::new(Duration::ZERO, Duration::from_secs(3600));

/// Each that waits holds a connection and memory.
const QUEUED: Limits<u32> = Limits::new(0, 100_000);

/// Clients have given up by then.
pub(crate) const QUEUE_WAIT: Limits<Duration> =
    Limits::new(Duration::ZERO, Duration::from_secs(300));

const ATTEMPTS: Limits<u32> = Limits::new(1, 10);
const PERCENT: Limits<u32> = Limits::new(0, 100);

/// More than this is not a floor for quiet times.
const MIN_PER_SECOND: Limits<u32> = Limits::new(0, 1000);

/// Out of the keys of a target group at `entry`.
pub(super) fn read(entry: &Entry<'_>, fields: &Fields<'_>) -> Option<TargetGroupAttributes> {
    let or = TargetGroupAttributes::default();
    let flag = |entry: &Entry<'_>| entry.read(scalar::flag);
    let algorithm = fields.or(
        "load_balancing_algorithm_type",
        or.load_balancing_algorithm_type,
        algorithm::read,
    );
    let anomaly_mitigation = fields.or("anomaly_mitigation", or.anomaly_mitigation, flag);
    let slow_start = fields.or("slow_start", or.slow_start, |entry| {
        entry.read(|time| scalar::duration(time, &SLOW_START))
    });
    let stickiness = fields.or("stickiness", or.stickiness, stickiness::read);
    let cross_zone = fields.or("cross_zone", or.cross_zone, flag);
    let minimum = fields.or(
        "minimum_healthy_targets",
        or.minimum_healthy_targets,
        |entry| entry.read(|count| scalar::count(count, &MINIMUM_HEALTHY_TARGETS)),
    );
    let max_requests = fields.optional("max_requests_per_target", |entry| {
        entry.read(|count| scalar::count(count, &REQUESTS_PER_TARGET))
    });
    let queue = fields.or("queue", or.queue, queue);
    let retry = fields.or("retry", or.retry, retry);
    let upgrade_grace = fields.or("upgrade_grace", or.upgrade_grace, |entry| {
        entry.read(|time| scalar::duration(time, &UPGRADE_GRACE))
    });
    // The balancer's own checks; of the others there is nothing to say but their ranges.
    let draft = TargetGroupAttributes {
        load_balancing_algorithm_type: algorithm.clone().unwrap_or_default(),
        stickiness: stickiness.clone().flatten(),
        ..TargetGroupAttributes::default()
    };
    accepts(entry, draft.validate())?;
    Some(TargetGroupAttributes {
        load_balancing_algorithm_type: algorithm?,
        anomaly_mitigation: anomaly_mitigation?,
        slow_start: slow_start?,
        stickiness: stickiness?,
        cross_zone: cross_zone?,
        minimum_healthy_targets: minimum?,
        max_requests_per_target: max_requests?,
        queue: queue?,
        retry: retry?,
        upgrade_grace: upgrade_grace?,
    })
}

fn queue(entry: &Entry<'_>) -> Option<Queue> {
    let fields = entry.fields(&QUEUE)?;
    let or = Queue::default();
    let max_requests = fields.or("max_requests", or.max_requests, |entry| {
        entry.read(|count| scalar::count(count, &QUEUED))
    });
    let max_wait = fields.or("max_wait", or.max_wait, |entry| {
        entry.read(|time| scalar::duration(time, &QUEUE_WAIT))
    });
    Some(Queue {
        max_requests: max_requests?,
        max_wait: max_wait?,
    })
}

fn retry(entry: &Entry<'_>) -> Option<Retry> {
    let fields = entry.fields(&RETRY)?;
    let or = Retry::default();
    let attempts = fields.or("attempts", or.attempts, |entry| {
        entry.read(|count| scalar::count(count, &ATTEMPTS))
    });
    let budget_percent = fields.or("budget_percent", or.budget_percent, |entry| {
        entry.read(|count| scalar::count(count, &PERCENT))
    });
    let min_per_second = fields.or("min_per_second", or.min_per_second, |entry| {
        entry.read(|count| scalar::count(count, &MIN_PER_SECOND))
    });
    let hedging = fields.or("hedging", or.hedging, |entry| entry.read(scalar::flag));
    Some(Retry {
        attempts: attempts?,
        budget_percent: budget_percent?,
        min_per_second: min_per_second?,
        hedging: hedging?,
    })
}
