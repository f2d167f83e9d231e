use std::time::Duration;

use minicloud_lb_api::{HealthCheck, HealthCheckProtocol};

use super::reader::Fields;
use crate::config::{
    defaults::Defaults,
    fault::Mistake,
    file::target_group::health_check::{self, INTERVAL, THRESHOLD},
    node::Value,
    scalar, show_duration,
};

/// A GET of the path that is given, or else a connection that is accepted.
pub(super) fn read(fields: &Fields<'_>, defaults: &Defaults) -> HealthCheck {
    let or = health_check::or_default(defaults);
    let path = fields.read_text("health", |path| {
        health_check::path(&Value::Text(path.to_owned()))
    });
    let interval = duration(fields, "health.interval").unwrap_or(or.interval);
    let timeout = duration(fields, "health.timeout").unwrap_or(or.timeout.min(interval));
    if timeout > interval {
        let mistake = Mistake::new(format!(
            "the timeout {} is longer than the interval {}",
            show_duration(timeout),
            show_duration(interval)
        ));
        let hint = format!(
            "write {} or less, or lengthen minicloud.health.interval",
            show_duration(interval)
        );
        fields.refuse("health.timeout", mistake.hint(hint));
    }
    let threshold = |key, default| {
        fields
            .read(key, |value| scalar::count(value, &THRESHOLD))
            .unwrap_or(default)
    };
    HealthCheck {
        protocol: match path {
            Some(_) => HealthCheckProtocol::Http,
            None => HealthCheckProtocol::Tcp,
        },
        path: path.unwrap_or(or.path),
        interval,
        timeout: timeout.min(interval),
        healthy_threshold: threshold("health.healthy", or.healthy_threshold),
        unhealthy_threshold: threshold("health.unhealthy", or.unhealthy_threshold),
        matcher: or.matcher,
    }
}

fn duration(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    fields.read(key, |value| scalar::duration(value, &INTERVAL))
}
