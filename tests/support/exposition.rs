//! What Prometheus's text format demands of a whole exposition, whoever wrote its parts.

use std::collections::BTreeSet;

/// Each family with one HELP and one TYPE line before its samples, all of its samples
/// together, and no series twice.
pub(crate) fn check(text: &str) {
    let samples = minicloud_agent_api::parse(text).unwrap();
    assert!(!samples.is_empty());
    let mut families: BTreeSet<&str> = BTreeSet::new();
    let mut series: BTreeSet<&str> = BTreeSet::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split_once(' ').expect("a help text").0;
            assert!(families.insert(current), "{current} is announced twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, current, "HELP and TYPE are apart");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
        } else {
            let end = line.find(['{', ' ']).unwrap();
            let part = line[..end].strip_prefix(current);
            let part = part.unwrap_or_else(|| panic!("{line} is not of {current}"));
            assert!(["", "_bucket", "_count", "_sum"].contains(&part), "{line}");
            let identity = line.rfind('}').map_or(end, |brace| brace + 1);
            assert!(series.insert(&line[..identity]), "{line} is there twice");
        }
    }
}
