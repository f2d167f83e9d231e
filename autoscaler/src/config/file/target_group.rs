mod address;
mod algorithm;
pub(crate) mod attributes;
pub(crate) mod health_check;
pub(crate) mod stickiness;

use std::time::Duration;

use minicloud_lb_api::TargetGroupAttributes;

pub(super) use self::health_check::path;

use crate::config::{
    TargetGroup,
    defaults::Defaults,
    limits::Limits,
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
    units::show_duration,
};

pub(in crate::config) const SECTION: Section = Section {
    place: "target_groups.NAME",
    keys: &[
        Key::new(
            "health_check",
            Form::Section(&health_check::SECTION),
            Absent::Default("as below"),
            "How targets are checked.",
        ),
        Key::new(
            "deregistration_delay",
            Form::Duration(&DEREGISTRATION_DELAY),
            Absent::ByPace(|defaults| show_duration(defaults.deregistration_delay)),
            "How long a deregistered target may finish what it has in flight.",
        ),
        Key::new(
            "upgrade_grace",
            Form::Duration(&attributes::UPGRADE_GRACE),
            Absent::ByPace(|_| show_duration(TargetGroupAttributes::default().upgrade_grace)),
            "How long upgraded connections (WebSockets) of such a target go on, within that delay.",
        ),
        Key::new(
            "load_balancing_algorithm_type",
            Form::Or(&algorithm::SHORT, &algorithm::SECTION),
            Absent::Default("`round_robin`"),
            "How a target is chosen. `peak_ewma` weighs requests in flight and time to the first byte, `cpu_headroom` the CPU that instances have left as well.",
        ),
        Key::new(
            "anomaly_mitigation",
            Form::Flag,
            Absent::ByPace(|_| {
                TargetGroupAttributes::default()
                    .anomaly_mitigation
                    .to_string()
            }),
            "Whether requests are kept from a target that fails much more of them than the others.",
        ),
        Key::new(
            "slow_start",
            Form::Duration(&attributes::SLOW_START),
            Absent::ByPace(|_| show_duration(TargetGroupAttributes::default().slow_start)),
            "Over which a new target's share grows to full. `0s`: at once.",
        ),
        Key::new(
            "stickiness",
            Form::Or(&stickiness::SHORT, &stickiness::SECTION),
            Absent::Default("none"),
            "Keeps a client with the target that served it first.",
        ),
        Key::new(
            "cross_zone",
            Form::Flag,
            Absent::ByPace(|_| TargetGroupAttributes::default().cross_zone.to_string()),
            "Whether targets of all zones serve all zones' requests. Without, a zone's own come first.",
        ),
        Key::new(
            "minimum_healthy_targets",
            Form::Count(&attributes::MINIMUM_HEALTHY_TARGETS),
            Absent::ByPace(|_| {
                TargetGroupAttributes::default()
                    .minimum_healthy_targets
                    .to_string()
            }),
            "With fewer healthy targets than this, all serve.",
        ),
        Key::new(
            "max_requests_per_target",
            Form::Count(&attributes::REQUESTS_PER_TARGET),
            Absent::Default("no limit"),
            "Requests that a target may have in flight; more wait in the queue.",
        ),
        Key::new(
            "queue",
            Form::Section(&attributes::QUEUE),
            Absent::Default("as below"),
            "Where requests wait while no target may take one more.",
        ),
        Key::new(
            "retry",
            Form::Section(&attributes::RETRY),
            Absent::Default("as below"),
            "When a request is tried on another target.",
        ),
        Key::new(
            "targets",
            Form::Texts("list of `host:port`"),
            Absent::Default("none"),
            "Targets registered by hand, besides the instances of groups.",
        ),
    ],
    renamed: &[
        ("health", "health_check"),
        ("health_checks", "health_check"),
        ("deregistration_delay_seconds", "deregistration_delay"),
        (
            "deregistration_delay_timeout_seconds",
            "deregistration_delay",
        ),
        ("drain", "deregistration_delay"),
        ("attributes", "write its keys here, in target_groups.NAME"),
        ("algorithm", "load_balancing_algorithm_type"),
        ("algorithm_type", "load_balancing_algorithm_type"),
        ("load_balancing_algorithm", "load_balancing_algorithm_type"),
        (
            "load_balancing_algorithm_anomaly_mitigation",
            "anomaly_mitigation",
        ),
        ("load_balancing_cross_zone_enabled", "cross_zone"),
        ("slow_start_seconds", "slow_start"),
        ("slow_start_duration_seconds", "slow_start"),
        ("sticky", "stickiness"),
        ("stickiness_enabled", "stickiness"),
        (
            "unhealthy_state_routing_minimum_healthy_targets_count",
            "minimum_healthy_targets",
        ),
        ("max_in_flight", "max_requests_per_target"),
        ("concurrency", "max_requests_per_target"),
        ("retries", "retry"),
        ("protocol", "it belongs in health_check"),
        ("backends", "targets"),
        ("servers", "targets"),
        ("path", "it belongs in health_check"),
        ("interval", "it belongs in health_check"),
        ("timeout", "it belongs in health_check"),
        ("healthy_threshold", "it belongs in health_check"),
        ("unhealthy_threshold", "it belongs in health_check"),
        ("matcher", "it belongs in health_check"),
        ("health_check_path", "it belongs in health_check, as path"),
        (
            "health_check_interval_seconds",
            "it belongs in health_check, as interval",
        ),
        (
            "health_check_timeout_seconds",
            "it belongs in health_check, as timeout",
        ),
        (
            "healthy_threshold_count",
            "it belongs in health_check, as healthy_threshold",
        ),
        (
            "unhealthy_threshold_count",
            "it belongs in health_check, as unhealthy_threshold",
        ),
    ],
};

pub(crate) const DEREGISTRATION_DELAY: Limits<Duration> =
    Limits::new(Duration::ZERO, Duration::from_secs(3600));

pub(super) fn read(name: &str, entry: &Entry<'_>, defaults: &Defaults) -> Option<TargetGroup> {
    let fields = entry.fields(&SECTION)?;
    let health_check = match fields.get("health_check") {
        None => Some(health_check::or_default(defaults)),
        Some(entry) => health_check::read(entry, defaults),
    };
    let deregistration_delay = fields.or(
        "deregistration_delay",
        defaults.deregistration_delay,
        |entry| entry.read(|delay| scalar::duration(delay, &DEREGISTRATION_DELAY)),
    );
    let targets = fields.or("targets", Vec::new(), |entry| {
        entry.distinct(|item| item.read(address::read))
    });
    let attributes = attributes::read(entry, &fields);
    Some(TargetGroup {
        name: name.to_owned(),
        health_check: health_check?,
        deregistration_delay: deregistration_delay?,
        attributes: attributes?,
        targets: targets?,
    })
}
