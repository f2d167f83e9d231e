//! The forms of `ports` and `expose`.

use super::node::{member, text};
use crate::{
    adopt::PublishedPort,
    config::node::{Node, Value},
};

/// A port of the service, or the first of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) published: PublishedPort,
    /// The last of a range.
    pub(super) last: u16,
    pub(super) is_tcp: bool,
}

/// An item of `ports`.
pub(super) fn published(node: &Node) -> Option<Port> {
    if !matches!(node.value, Value::Mapping(_)) {
        return short(&text(node)?);
    }
    let part = |key| member(node, key).map(|(_, node)| text(node));
    let target = part("target")??;
    let host = match part("published") {
        None => String::new(),
        Some(host) => host?,
    };
    let protocol = part("protocol").unwrap_or(Some("tcp".to_owned()))?;
    port(&host, &target, protocol == "tcp")
}

/// An item of `expose`.
pub(super) fn exposed(node: &Node) -> Option<Port> {
    let written = text(node)?;
    let (ports, is_tcp) = protocol(&written);
    port("", ports, is_tcp)
}

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, each a port or a range.
fn short(written: &str) -> Option<Port> {
    let (ports, is_tcp) = protocol(written);
    let (host, container) = match ports.rsplit_once(':') {
        None => ("", ports),
        Some((host, container)) => (
            host.rsplit_once(':').map_or(host, |(_, host)| host),
            container,
        ),
    };
    port(host, container, is_tcp)
}

fn protocol(written: &str) -> (&str, bool) {
    match written.split_once('/') {
        None => (written, true),
        Some((ports, protocol)) => (ports, protocol == "tcp"),
    }
}

fn port(host: &str, container: &str, is_tcp: bool) -> Option<Port> {
    let (container_port, last) = range(container)?;
    let host_port = match host {
        "" | "0" => None,
        host => {
            let (first, last_of_host) = range(host)?;
            // Of a range for one port the engine takes a free one.
            let chosen = last_of_host > first && container_port == last;
            (!chosen).then_some(first)
        }
    };
    Some(Port {
        published: PublishedPort {
            host_port,
            container_port,
        },
        last,
        is_tcp,
    })
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn every_form_is_read() {
        for (written, expected) in [
            ("\"80\"", Some((None, 80, true))),
            ("80", Some((None, 80, true))),
            ("\"8080:80\"", Some((Some(8080), 80, true))),
            ("\"127.0.0.1:8080:80\"", Some((Some(8080), 80, true))),
            ("\"[::1]:8080:80/udp\"", Some((Some(8080), 80, false))),
            ("\"127.0.0.1::80\"", Some((None, 80, true))),
            ("\"0:80\"", Some((None, 80, true))),
            ("\"8000-8010:80\"", Some((None, 80, true))),
            ("\"8000-8001:80-81\"", Some((Some(8000), 80, true))),
            ("\"${PORT:-8080}:80\"", Some((Some(8080), 80, true))),
            ("{ target: 80 }", Some((None, 80, true))),
            (
                "{ target: 80, published: \"8080\" }",
                Some((Some(8080), 80, true)),
            ),
            (
                "{ target: 53, published: 53, protocol: udp }",
                Some((Some(53), 53, false)),
            ),
            ("\"${PORT}:80\"", None),
            ("http", None),
            ("\"70000:80\"", None),
            ("{ published: 80 }", None),
            ("[80]", None),
        ] {
            let found = published(&yaml::parse(written.as_bytes()).unwrap());
            let found = found.map(|port| {
                let published = port.published;
                (published.host_port, published.container_port, port.is_tcp)
            });
            assert_eq!(found, expected, "{written}");
        }
    }
}
