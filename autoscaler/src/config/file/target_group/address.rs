//! Targets that are registered by hand.

use crate::config::{
    fault::{Mistake, quoted, shortened},
    node::Value,
    scalar,
};

/// The longest name that DNS knows.
const MAX_HOST: usize = 253;

/// `host:port`, the host a name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn read(value: &Value) -> Result<String, Mistake> {
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
