//! The forms of `volumes`.

use super::node::{member, text};
use crate::{
    adopt::{SeedMount, SeedMountKind},
    config::node::{Node, Value},
};

/// An item of `volumes`.
pub(super) fn read(node: &Node) -> Option<SeedMount> {
    if !matches!(node.value, Value::Mapping(_)) {
        return short(&text(node)?);
    }
    let part = |key| member(node, key).map_or(Some(String::new()), |(_, node)| text(node));
    let kind = match part("type")?.as_str() {
        "volume" => SeedMountKind::Volume,
        "bind" => SeedMountKind::Bind,
        // A new one for each container: nothing is shared.
        "tmpfs" | "image" => SeedMountKind::Tmpfs,
        _ => return None,
    };
    Some(SeedMount {
        source: part("source")?,
        target: part("target")?,
        read_only: part("read_only")? == "true",
        kind,
    })
}

/// `[SOURCE:]TARGET[:MODE]`.
fn short(written: &str) -> Option<SeedMount> {
    let mut parts = written.split(':');
    let first = parts.next()?.to_owned();
    let Some(target) = parts.next() else {
        // An anonymous volume of the container's own.
        return Some(SeedMount {
            source: String::new(),
            target: first,
            read_only: false,
            kind: SeedMountKind::Volume,
        });
    };
    let mode = parts.next().unwrap_or_default();
    Some(SeedMount {
        kind: match first.starts_with(['/', '.', '~']) {
            true => SeedMountKind::Bind,
            false => SeedMountKind::Volume,
        },
        source: first,
        target: target.to_owned(),
        read_only: mode.split(',').any(|word| word == "ro"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn every_form_is_read() {
        use SeedMountKind::{Bind, Tmpfs, Volume};
        for (written, expected) in [
            ("data:/data", Some(("data", "/data", false, Volume))),
            ("data:/data:ro", Some(("data", "/data", true, Volume))),
            ("./src:/src", Some(("./src", "/src", false, Bind))),
            ("~/x:/x:z,ro", Some(("~/x", "/x", true, Bind))),
            ("/var/cache", Some(("", "/var/cache", false, Volume))),
            ("\"${DIR:-/srv}:/srv\"", Some(("/srv", "/srv", false, Bind))),
            (
                "{ type: bind, source: /srv, target: /srv, read_only: true }",
                Some(("/srv", "/srv", true, Bind)),
            ),
            (
                "{ type: volume, source: db, target: /db }",
                Some(("db", "/db", false, Volume)),
            ),
            (
                "{ type: tmpfs, target: /t }",
                Some(("", "/t", false, Tmpfs)),
            ),
            ("{ type: npipe, target: /t }", None),
            ("\"${DIR}:/srv\"", None),
            ("[a]", None),
        ] {
            let found = read(&yaml::parse(written.as_bytes()).unwrap());
            let expected = expected.map(|(source, target, read_only, kind)| SeedMount {
                source: source.to_owned(),
                target: target.to_owned(),
                read_only,
                kind,
            });
            assert_eq!(found, expected, "{written}");
        }
    }
}
