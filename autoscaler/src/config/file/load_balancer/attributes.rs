use std::time::Duration;

use ipnet::IpNet;
use minicloud_lb_api::{DesyncMitigationMode, LoadBalancerAttributes, XffHeaderProcessingMode};

use crate::config::{
    limits::Limits,
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
    units::{Bytes, Rate, show_duration},
};

pub(super) const SECTION: Section = Section {
    place: "load_balancers.NAME.attributes",
    keys: &[
        Key::new(
            "desync_mitigation_mode",
            Form::OneOf(DESYNC_MODES),
            Absent::Default("`defensive`"),
            "What is done with a request that others may read differently: told, refused where it is dangerous, refused unless it is compliant.",
        ),
        Key::new(
            "xff_header_processing_mode",
            Form::OneOf(XFF_MODES),
            Absent::Default("`append`"),
            "What is done with `X-Forwarded-For`.",
        ),
        Key::new(
            "trusted_networks",
            Form::TextOrTexts("network or list of networks, such as `10.0.0.0/8` or `::1`"),
            Absent::Default("none"),
            "Whose `X-Forwarded-*` and `Forwarded` are believed; everybody else's are replaced.",
        ),
        Key::new(
            "idle_timeout",
            Form::Duration(&IDLE_TIMEOUT),
            Absent::ByPace(|_| show_duration(LoadBalancerAttributes::default().idle_timeout)),
            "How long a connection of a client or target may stand still.",
        ),
        Key::new(
            "client_keep_alive",
            Form::Duration(&CLIENT_KEEP_ALIVE),
            Absent::ByPace(|_| show_duration(LoadBalancerAttributes::default().client_keep_alive)),
            "Age at which a client's connection is closed, after its current response.",
        ),
        Key::new(
            "max_connections_per_client",
            Form::Count(&CONNECTIONS),
            Absent::Default("no limit"),
            "Connections that one client address may have open.",
        ),
        Key::new(
            "max_request_body",
            Form::Bytes(&REQUEST_BODY),
            Absent::Default("no limit"),
            "Larger bodies are refused with 413.",
        ),
        Key::new(
            "min_body_rate",
            Form::Rate(&BODY_RATE),
            Absent::ByPace(|_| {
                Rate(LoadBalancerAttributes::default().min_body_rate_bytes_per_second).to_string()
            }),
            "What a client has to send or take on average, after 10 s of grace. `0B/s`: no minimum.",
        ),
    ],
    renamed: &[
        (
            "routing_http_desync_mitigation_mode",
            "desync_mitigation_mode",
        ),
        ("desync_mode", "desync_mitigation_mode"),
        (
            "routing_http_xff_header_processing_mode",
            "xff_header_processing_mode",
        ),
        ("xff_mode", "xff_header_processing_mode"),
        ("trusted_proxies", "trusted_networks"),
        ("idle_timeout_seconds", "idle_timeout"),
        ("idle_timeout_timeout_seconds", "idle_timeout"),
        ("client_keep_alive_seconds", "client_keep_alive"),
        ("keep_alive", "client_keep_alive"),
        ("max_connections", "max_connections_per_client"),
        ("max_request_body_bytes", "max_request_body"),
        ("client_max_body_size", "max_request_body"),
        ("min_body_rate_bytes_per_second", "min_body_rate"),
    ],
};

const DESYNC_MODES: &[&str] = &["monitor", "defensive", "strictest"];
const XFF_MODES: &[&str] = &["append", "preserve", "remove"];

/// ELB's bounds.
const IDLE_TIMEOUT: Limits<Duration> =
    Limits::new(Duration::from_secs(1), Duration::from_secs(4000));

/// ELB's begins at 60 s, which is long for a demonstration.
const CLIENT_KEEP_ALIVE: Limits<Duration> =
    Limits::new(Duration::from_secs(1), Duration::from_secs(7 * 86400));

/// As many as one client address has ports.
const CONNECTIONS: Limits<u32> = Limits::new(1, 65535);

const REQUEST_BODY: Limits<Bytes> = Limits::new(Bytes(1 << 10), Bytes(1024 << 30));

/// A client behind a modem is a client: the most is what a slow line still carries.
const BODY_RATE: Limits<Rate> = Limits::new(Rate(0), Rate(1 << 20));

pub(super) fn read(entry: &Entry<'_>) -> Option<LoadBalancerAttributes> {
    let fields = entry.fields(&SECTION)?;
    let or = LoadBalancerAttributes::default();
    let desync = fields.or("desync_mitigation_mode", or.desync_mitigation_mode, desync);
    let xff = fields.or(
        "xff_header_processing_mode",
        or.xff_header_processing_mode,
        xff,
    );
    let trusted = fields.or("trusted_networks", or.trusted_networks, networks);
    let idle_timeout = fields.or("idle_timeout", or.idle_timeout, |entry| {
        entry.read(|time| scalar::duration(time, &IDLE_TIMEOUT))
    });
    let keep_alive = fields.or("client_keep_alive", or.client_keep_alive, |entry| {
        entry.read(|time| scalar::duration(time, &CLIENT_KEEP_ALIVE))
    });
    let connections = fields.optional("max_connections_per_client", |entry| {
        entry.read(|count| scalar::count(count, &CONNECTIONS))
    });
    let body = fields.optional("max_request_body", |entry| {
        entry.read(|size| scalar::bytes(size, &REQUEST_BODY))
    });
    let rate = fields.or(
        "min_body_rate",
        Rate(or.min_body_rate_bytes_per_second),
        |entry| entry.read(|rate| scalar::rate(rate, &BODY_RATE)),
    );
    Some(LoadBalancerAttributes {
        desync_mitigation_mode: desync?,
        xff_header_processing_mode: xff?,
        trusted_networks: trusted?,
        idle_timeout: idle_timeout?,
        client_keep_alive: keep_alive?,
        max_connections_per_client: connections?,
        max_request_body_bytes: body?.map(|Bytes(bytes)| bytes),
        min_body_rate_bytes_per_second: rate?.0,
        // Of the load balancer's security groups.
        ip_permissions: None,
    })
}

fn desync(entry: &Entry<'_>) -> Option<DesyncMitigationMode> {
    let modes = [
        DesyncMitigationMode::Monitor,
        DesyncMitigationMode::Defensive,
        DesyncMitigationMode::Strictest,
    ];
    entry.read(|mode| scalar::one_of(mode, DESYNC_MODES, &modes))
}

fn xff(entry: &Entry<'_>) -> Option<XffHeaderProcessingMode> {
    let modes = [
        XffHeaderProcessingMode::Append,
        XffHeaderProcessingMode::Preserve,
        XffHeaderProcessingMode::Remove,
    ];
    entry.read(|mode| scalar::one_of(mode, XFF_MODES, &modes))
}

fn networks(entry: &Entry<'_>) -> Option<Vec<IpNet>> {
    let items = entry.items();
    let networks: Vec<_> = items
        .iter()
        .map(|item| item.read(scalar::network))
        .collect();
    networks.into_iter().collect()
}
