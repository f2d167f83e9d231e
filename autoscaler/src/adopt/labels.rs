//! The labels of a service that is adopted: read strictly, every fault collected, and what is
//! at fault left at its default, so that traffic flows meanwhile.

mod health;
mod reader;
pub(super) mod reference;
mod route;
mod schedule;
mod schema;
mod size;
#[cfg(test)]
mod tests;

use std::time::Duration;

use minicloud_lb_api::{HealthCheck, Queue, Stickiness};

use self::{reader::Fields, size::Size};
pub(super) use self::{
    reader::{PREFIX, family, is_on},
    route::Route,
};
use super::{Fault, Service};
use crate::{
    config::{
        Pace,
        defaults::Defaults,
        fault::{Mistake, quoted},
        file::{
            auto_scaling_group::PERIOD,
            target_group::{
                DEREGISTRATION_DELAY,
                attributes::QUEUE_WAIT,
                stickiness::{self, DEFAULT_DURATION},
            },
        },
        limits::Limits,
        nearest,
        node::Value,
        scalar,
    },
    schedule::ScheduledAction,
};

/// What the labels of one service ask for, fully defaulted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Labels {
    /// Instances, the seeds among them.
    pub(super) size: Size,
    /// Percent of the service's CPU limit.
    pub(super) target_cpu: f64,
    /// Requests a second of each instance.
    pub(super) target_rps: Option<f64>,
    /// None where it is neither said nor exposed.
    pub(super) port: Option<u16>,
    pub(super) route: Route,
    pub(super) health_check: HealthCheck,
    pub(super) grace: Duration,
    pub(super) warmup: Duration,
    /// From one scale-in to the next; that of the pace where absent.
    pub(super) cooldown: Option<Duration>,
    pub(super) drain: Duration,
    pub(super) queue: Queue,
    pub(super) stickiness: Option<Stickiness>,
    /// Whether new instances are protected from scale-in.
    pub(super) protect: bool,
    pub(super) scheduled_actions: Vec<ScheduledAction>,
    pub(super) network: Option<String>,
    pub(super) allowed: Allowed,
}

/// Risks that the owner has taken on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) shared_volumes: bool,
    pub(super) host_binds: bool,
    pub(super) privileges: bool,
}

/// AWS's bound of a percentage that is tracked.
const PERCENT: Limits<f64> = Limits::above(0.0, 100.0);
/// More than one machine answers is no target.
const REQUESTS_PER_SECOND: Limits<f64> = Limits::above(0.0, 1_000_000.0);

const DEFAULT_TARGET_CPU: f64 = 80.0;

const SHARED_VOLUMES: &str = "shared-volumes";
const HOST_BINDS: &str = "host-binds";
const PRIVILEGES: &str = "privileges";
const RISKS: [&str; 3] = [SHARED_VOLUMES, HOST_BINDS, PRIVILEGES];

/// Reads the labels of a service that has `minicloud.enable`.
pub(super) fn read(service: &Service, pace: Pace) -> (Labels, Vec<Fault>) {
    let fields = Fields::of(&service.labels);
    let defaults = Defaults::of(pace);
    fields.read("enable", scalar::flag);
    let size = size::read(&fields);
    let period = |key, default| {
        fields
            .read(key, |value| scalar::duration(value, &PERIOD))
            .unwrap_or(default)
    };
    let labels = Labels {
        size,
        target_cpu: fields
            .read("target-cpu", percent)
            .unwrap_or(DEFAULT_TARGET_CPU),
        target_rps: fields.read("target-rps", |value| {
            scalar::number(value, &REQUESTS_PER_SECOND)
        }),
        port: port(&fields, service),
        route: route::read(&fields, &service.service),
        health_check: health::read(&fields, defaults),
        grace: period("health.grace", defaults.health_check_grace_period),
        warmup: period("warmup", defaults.default_instance_warmup),
        cooldown: fields.read("cooldown", |value| scalar::duration(value, &PERIOD)),
        drain: fields
            .read("drain", |value| {
                scalar::duration(value, &DEREGISTRATION_DELAY)
            })
            .unwrap_or(defaults.deregistration_delay),
        queue: queue(&fields),
        stickiness: fields.read("sticky", stickiness).flatten(),
        protect: fields.read("protect", scalar::flag).unwrap_or(false),
        scheduled_actions: schedule::read(&fields, size),
        network: fields.read_text("network", |name| match name.is_empty() {
            true => Err(Mistake::new("no network is named").hint("name one, or remove the label")),
            false => Ok(name.to_owned()),
        }),
        allowed: fields.read_text("allow", allowed).unwrap_or_default(),
    };
    (labels, fields.into_faults())
}

/// `80` or `80%`.
fn percent(value: &Value) -> Result<f64, Mistake> {
    let number = match value {
        Value::Text(text) => text.strip_suffix('%').and_then(|text| text.parse().ok()),
        _ => None,
    };
    match (number, value) {
        (Some(number), Value::Text(text)) => PERCENT.check(number, text),
        _ => scalar::number(value, &PERCENT),
    }
}

/// The one that is said, or the only one that is exposed.
fn port(fields: &Fields<'_>, service: &Service) -> Option<u16> {
    let mut exposed = service.exposed_ports.iter().copied();
    let only = match (exposed.next(), exposed.next()) {
        (Some(port), None) => Some(port),
        _ => None,
    };
    if fields.has("port") {
        return fields.read("port", scalar::port).or(only);
    }
    if only.is_none() {
        let ports = service.exposed_ports.iter().map(u16::to_string);
        let ports: Vec<_> = ports.take(8).collect();
        let mistake = match ports.first() {
            None => Mistake::new("no port is exposed")
                .hint("add minicloud.port: \"8080\", the port that it serves on"),
            Some(first) => Mistake::new(format!("several ports are exposed: {}", ports.join(", ")))
                .hint(format!(
                    "add minicloud.port: \"{first}\", or whichever it is"
                )),
        };
        fields.refuse("port", mistake);
    }
    only
}

fn queue(fields: &Fields<'_>) -> Queue {
    let or = Queue::default();
    let max_wait = fields
        .read("hold", |value| scalar::duration(value, &QUEUE_WAIT))
        .unwrap_or(or.max_wait);
    Queue {
        max_requests: if max_wait.is_zero() {
            0
        } else {
            or.max_requests
        },
        max_wait,
    }
}

/// `true`, `false`, or how long.
fn stickiness(value: &Value) -> Result<Option<Stickiness>, Mistake> {
    let duration = match value {
        Value::Bool(true) => DEFAULT_DURATION,
        Value::Bool(false) => return Ok(None),
        Value::Text(text) if !text.starts_with(|c: char| c.is_ascii_digit()) => {
            return Err(Mistake::new(format!("{} is not a duration", quoted(text)))
                .hint("write true, false or a duration such as 1h"));
        }
        other => scalar::duration(other, &stickiness::DURATION)?,
    };
    Ok(Some(Stickiness::LbCookie { duration }))
}

fn allowed(text: &str) -> Result<Allowed, Mistake> {
    let mut allowed = Allowed::default();
    for word in text.split(',').map(str::trim) {
        match word {
            SHARED_VOLUMES => allowed.shared_volumes = true,
            HOST_BINDS => allowed.host_binds = true,
            PRIVILEGES => allowed.privileges = true,
            other => {
                let mistake = Mistake::new(format!("unknown risk {}", quoted(other)));
                return Err(match nearest(other, RISKS) {
                    Some(near) => mistake.hint(format!("did you mean {near}?")),
                    None => {
                        mistake.hint(format!("write {}, several with commas", RISKS.join(" or ")))
                    }
                });
            }
        }
    }
    Ok(allowed)
}
