use std::time::Duration;

use minicloud_lb_api::{HealthCheck, HealthCheckProtocol, Matcher, MatcherError};

use crate::config::{
    defaults::{Defaults, HEALTH_CHECK_PATH},
    fault::{Mistake, quoted},
    limits::Limits,
    node::Value,
    reader::{Entry, Fields},
    scalar,
    schema::{Absent, Form, Key, Section},
    units::show_duration,
};

pub(super) const SECTION: Section = Section {
    place: "target_groups.NAME.health_check",
    keys: &[
        Key::new(
            "protocol",
            Form::OneOf(PROTOCOLS),
            Absent::Default("`http`"),
            "Whether a GET must be answered, or a connection that is accepted is enough.",
        ),
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
            Form::TextOrNumber("codes, 200 to 499: `200`, `\"200,204\"`, `200-299`"),
            Absent::Default("`200`"),
            "HTTP codes that pass.",
        ),
    ],
    renamed: &[
        ("health_check_protocol", "protocol"),
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

const PROTOCOLS: &[&str] = &["http", "tcp"];

/// ELB's ends at 300 s as well; it begins at 5 s, which is too slow for a demonstration.
pub(crate) const INTERVAL: Limits<Duration> =
    Limits::new(Duration::from_millis(100), Duration::from_secs(300));

/// ELB's begins at 2; 1 is for who trusts a single check.
pub(crate) const THRESHOLD: Limits<u32> = Limits::new(1, 10);

/// ELB's bound.
const MAX_PATH: usize = 1024;

pub(crate) fn or_default(defaults: &Defaults) -> HealthCheck {
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

pub(super) fn read(entry: &Entry<'_>, defaults: &Defaults) -> Option<HealthCheck> {
    let fields = entry.fields(&SECTION)?;
    let or = or_default(defaults);
    let duration = |entry: &Entry<'_>| entry.read(|time| scalar::duration(time, &INTERVAL));
    let threshold = |entry: &Entry<'_>| entry.read(|count| scalar::count(count, &THRESHOLD));
    let protocol = fields.or("protocol", or.protocol, protocol);
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
    if protocol == Some(HealthCheckProtocol::Tcp) {
        refuse_http_keys(&fields);
    }
    Some(HealthCheck {
        protocol: protocol?,
        path: path?,
        interval: interval?,
        timeout: timeout?,
        healthy_threshold: healthy?,
        unhealthy_threshold: unhealthy?,
        matcher: matcher?,
    })
}

fn protocol(entry: &Entry<'_>) -> Option<HealthCheckProtocol> {
    let protocols = [HealthCheckProtocol::Http, HealthCheckProtocol::Tcp];
    entry.read(|protocol| scalar::one_of(protocol, PROTOCOLS, &protocols))
}

/// What a TCP check would not look at.
fn refuse_http_keys(fields: &Fields<'_>) {
    for (key, entry) in ["path", "matcher"]
        .into_iter()
        .filter_map(|key| Some((key, fields.get(key)?)))
    {
        let mistake = Mistake::new(format!("a check of protocol tcp has no {key}"));
        entry.refuse_label(mistake.hint("remove it, or write protocol: http"));
    }
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
pub(crate) fn path(value: &Value) -> Result<String, Mistake> {
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
