use std::time::Duration;

use minicloud_lb_api::{HealthCheck, HealthCheckProtocol, Matcher, MatcherError};

use crate::config::{
    TargetGroup,
    defaults::{Defaults, HEALTH_CHECK_PATH},
    fault::{Mistake, quoted, shortened},
    limits::Limits,
    node::Value,
    reader::{Entry, Fields},
    scalar,
    schema::{Absent, Form, Key, Section},
    units::show_duration,
};

pub(in crate::config) const SECTION: Section = Section {
    place: "target_groups.NAME",
    keys: &[
        Key::new(
            "health_check",
            Form::Section(&HEALTH_CHECK),
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
            "targets",
            Form::Text("list of `host:port`"),
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

const HEALTH_CHECK: Section = Section {
    place: "target_groups.NAME.health_check",
    keys: &[
        Key::new(
            "path",
            Form::Text("path, from its `/`, up to 1024 characters"),
            Absent::Default("`/`"),
            "What is asked for, with GET.",
        ),
        Key::new(
            "interval",
            Form::Duration(&INTERVAL),
            Absent::ByPace(|defaults| show_duration(defaults.health_check_interval)),
            "From one check of a target to the next.",
        ),
        Key::new(
            "timeout",
            Form::Duration(&INTERVAL),
            Absent::ByPace(|defaults| show_duration(defaults.health_check_timeout)),
            "How long an answer may take, at most `interval`. A shorter `interval` shortens the default.",
        ),
        Key::new(
            "healthy_threshold",
            Form::Count(&THRESHOLD),
            Absent::ByPace(|defaults| defaults.healthy_threshold.to_string()),
            "Passes in a row that make an unhealthy target healthy. A new one needs one.",
        ),
        Key::new(
            "unhealthy_threshold",
            Form::Count(&THRESHOLD),
            Absent::ByPace(|defaults| defaults.unhealthy_threshold.to_string()),
            "Failures in a row that make a healthy target unhealthy.",
        ),
        Key::new(
            "matcher",
            Form::Text("codes, 200 to 499: `200`, `\"200,204\"`, `200-299`"),
            Absent::Default("`200`"),
            "HTTP codes that pass.",
        ),
    ],
    renamed: &[
        ("health_check_path", "path"),
        ("interval_seconds", "interval"),
        ("health_check_interval", "interval"),
        ("health_check_interval_seconds", "interval"),
        ("timeout_seconds", "timeout"),
        ("health_check_timeout", "timeout"),
        ("health_check_timeout_seconds", "timeout"),
        ("healthy", "healthy_threshold"),
        ("healthy_threshold_count", "healthy_threshold"),
        ("unhealthy", "unhealthy_threshold"),
        ("unhealthy_threshold_count", "unhealthy_threshold"),
        ("codes", "matcher"),
        ("http_code", "matcher"),
        (
            "grace",
            "it belongs in auto_scaling_groups.NAME, as health_check_grace_period",
        ),
    ],
};

/// ELB's ends at 300 s as well; it begins at 5 s, which is too slow for a demonstration.
const INTERVAL: Limits<Duration> =
    Limits::new(Duration::from_millis(100), Duration::from_secs(300));

/// ELB's begins at 2; 1 is for who trusts a single check.
const THRESHOLD: Limits<u32> = Limits::new(1, 10);

const DEREGISTRATION_DELAY: Limits<Duration> =
    Limits::new(Duration::ZERO, Duration::from_secs(3600));

/// ELB's bound.
const MAX_PATH: usize = 1024;

/// The longest name that DNS knows.
const MAX_HOST: usize = 253;

pub(super) fn read(name: &str, entry: &Entry<'_>, defaults: &Defaults) -> Option<TargetGroup> {
    let fields = entry.fields(&SECTION)?;
    let health_check = match fields.get("health_check") {
        None => Some(default_health_check(defaults)),
        Some(entry) => health_check(entry, defaults),
    };
    let deregistration_delay = fields.or(
        "deregistration_delay",
        defaults.deregistration_delay,
        |entry| entry.read(|delay| scalar::duration(delay, &DEREGISTRATION_DELAY)),
    );
    let targets = fields.or("targets", Vec::new(), |entry| {
        entry.distinct(|item| item.read(address))
    });
    Some(TargetGroup {
        name: name.to_owned(),
        health_check: health_check?,
        deregistration_delay: deregistration_delay?,
        targets: targets?,
    })
}

fn default_health_check(defaults: &Defaults) -> HealthCheck {
    HealthCheck {
        protocol: HealthCheckProtocol::Http,
        path: HEALTH_CHECK_PATH.to_owned(),
        interval: defaults.health_check_interval,
        timeout: defaults.health_check_timeout,
        healthy_threshold: defaults.healthy_threshold,
        unhealthy_threshold: defaults.unhealthy_threshold,
        matcher: Matcher::default(),
    }
}

fn health_check(entry: &Entry<'_>, defaults: &Defaults) -> Option<HealthCheck> {
    let fields = entry.fields(&HEALTH_CHECK)?;
    let or = default_health_check(defaults);
    let duration = |entry: &Entry<'_>| entry.read(|time| scalar::duration(time, &INTERVAL));
    let threshold = |entry: &Entry<'_>| entry.read(|count| scalar::count(count, &THRESHOLD));
    let path = fields.or("path", or.path, |entry| entry.read(path));
    let interval = fields.or("interval", or.interval, duration);
    let longest = interval.unwrap_or(or.interval);
    let timeout = fields.or("timeout", or.timeout.min(longest), duration);
    let healthy = fields.or("healthy_threshold", or.healthy_threshold, threshold);
    let unhealthy = fields.or("unhealthy_threshold", or.unhealthy_threshold, threshold);
    let matcher = fields.or("matcher", or.matcher, |entry| entry.read(matcher));
    if let (Some(interval), Some(timeout)) = (interval, timeout) {
        check_timeout(&fields, interval, timeout);
    }
    Some(HealthCheck {
        protocol: HealthCheckProtocol::Http,
        path: path?,
        interval: interval?,
        timeout: timeout?,
        healthy_threshold: healthy?,
        unhealthy_threshold: unhealthy?,
        matcher: matcher?,
    })
}

/// Checks of one target never overlap.
fn check_timeout(fields: &Fields<'_>, interval: Duration, timeout: Duration) {
    if timeout <= interval {
        return;
    }
    let (timeout, interval) = (show_duration(timeout), show_duration(interval));
    let mistake = Mistake::new(format!(
        "the timeout {timeout} is longer than the interval {interval}"
    ));
    if let Some(entry) = fields.get("timeout") {
        entry.refuse(mistake.hint(format!(
            "write {interval} or less, or lengthen the interval"
        )));
    }
}

/// Origin form of RFC 9112, section 3.2.1.
fn path(value: &Value) -> Result<String, Mistake> {
    let text = scalar::text(value)?;
    let mistake = Mistake::new(format!("{} is not a path", quoted(text)));
    if !text.starts_with('/') {
        return Err(mistake.hint("begin with /, such as /health"));
    }
    if text.len() > MAX_PATH {
        return Err(mistake.hint(format!("use up to {MAX_PATH} characters")));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err(mistake.hint("leave out spaces, # and what is not ASCII, or write it as %20"));
    }
    Ok(text.to_owned())
}

fn matcher(value: &Value) -> Result<Matcher, Mistake> {
    // A single code needs no quotes to be understood.
    let text = match value {
        Value::Integer(code) => code.to_string(),
        other => scalar::text(other)?.to_owned(),
    };
    text.parse().map_err(|_: MatcherError| {
        Mistake::new(format!("{} does not match HTTP codes", quoted(&text)))
            .hint("write codes from 200 to 499: 200, \"200,204\" or 200-299")
    })
}

/// `host:port`, the host a name, an IPv4 address or an IPv6 address in brackets.
fn address(value: &Value) -> Result<String, Mistake> {
    let text = scalar::text(value)?;
    let well_formed = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| is_host(host) && is_port(port));
    if well_formed {
        return Ok(text.to_owned());
    }
    let mistake = Mistake::new(format!("{} is not host:port", quoted(text)));
    Err(match text.split_once("://") {
        Some((_, rest)) => mistake.hint(format!("leave out the scheme: write {}", shortened(rest))),
        None => mistake.hint("write one such as 127.0.0.1:9001, app.internal:80 or [::1]:9001"),
    })
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    (1..=MAX_HOST).contains(&host.len())
        && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}
