//! Prometheus's rules for names, after its page "Metric and label naming" and what `promtool
//! check metrics` complains of; and our own: each label has a bound that somebody can state.

use std::collections::BTreeSet;

use super::catalogue::{Family, Kind, families};

/// Each label, and what bounds the number of its values.
pub(super) const LABELS: [(&str, &str); 18] = [
    ("cause", "`policy`, `queue`, `user`, `schedule`, `foreign`"),
    ("classification", "desync classifications of requests, five"),
    (
        "code",
        "28 codes by name, else the class: `1xx` to `5xx`, `other`",
    ),
    ("cpu", "CPUs of the node"),
    ("direction", "`in`, `out`"),
    (
        "group",
        "groups of the configuration: Auto Scaling groups for the autoscaler, target groups for the balancer",
    ),
    (
        "id",
        "cgroups of containers, and instances that are processes",
    ),
    ("instance_id", "targets that are registered; gone with them"),
    ("interface", "network interfaces of a container"),
    ("kind", "kinds of resources of a load balancer"),
    (
        "lifecycle_state",
        "`Pending`, `InService`, `EnteringStandby`, `Standby`, `Terminating`",
    ),
    ("listener", "listeners, by their port"),
    ("method", "seven methods, else `other`"),
    ("mode", "what a CPU can be busy with, eight"),
    ("name", "instances that are processes"),
    ("reason", "reasons that the code names"),
    ("result", "`delivered`, `given_up`, `dropped`"),
    (
        "rule",
        "rules of a listener, by their priority, or `default`",
    ),
];

/// More of those above, of which there is one value at a time.
pub(super) const SINGLE_LABELS: [(&str, &str); 2] = [
    (
        "type",
        "types of conditions, some twenty; there only while one lasts",
    ),
    ("version", "one"),
];

/// Prometheus sets these itself, on targets or on the series of a histogram: a metric's own
/// would come out as `exported_instance` or clash.
const RESERVED_LABELS: [&str; 4] = ["instance", "job", "le", "quantile"];
const MAX_LABELS: usize = 3;
const MAX_HELP: usize = 120;

const BASE_UNITS: [&str; 3] = ["bytes", "ratio", "seconds"];
/// Words that a name must not have: units that are not base units, and types.
const FORBIDDEN_WORDS: [&str; 22] = [
    "bits",
    "counter",
    "days",
    "gauge",
    "gib",
    "gigabytes",
    "histogram",
    "hours",
    "kb",
    "kib",
    "kilobytes",
    "mb",
    "megabytes",
    "mib",
    "microseconds",
    "milliseconds",
    "minutes",
    "ms",
    "ns",
    "pct",
    "percent",
    "us",
];
/// What the parts of a histogram or a summary end in.
const PART_SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// Faults of one family, none if it is as it should be.
fn faults(family: &Family) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |holds: bool, fault: String| {
        if !holds {
            faults.push(format!("{}: {fault}", family.name));
        }
    };
    let Family {
        name,
        kind,
        help,
        labels,
        ..
    } = family;
    check(
        help.ends_with('.') && help.len() <= MAX_HELP,
        format!("HELP is no sentence of at most {MAX_HELP} bytes: {help}"),
    );
    let is_counter = *kind == Kind::Counter;
    check(
        name.ends_with("_total") == is_counter,
        format!("a {} and its suffix disagree about _total", kind.as_str()),
    );
    check(
        !PART_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)),
        "ends as the parts of a histogram do".to_owned(),
    );
    // Names of cAdvisor's and of node_exporter's are theirs, capitals and microseconds too.
    if let Some(name) = name.strip_prefix("minicloud_") {
        check_own_name(name, *kind, &mut check);
    } else {
        let theirs = ["container_", "machine_", "node_"];
        check(
            theirs.iter().any(|prefix| name.starts_with(prefix)),
            "has no prefix that says whose it is".to_owned(),
        );
    }
    check(
        labels.len() <= MAX_LABELS,
        format!("more than {MAX_LABELS} labels"),
    );
    for label in labels {
        check(
            !RESERVED_LABELS.contains(&&**label),
            format!("label {label} is Prometheus's own"),
        );
        check(
            bounds().any(|(bounded, _)| bounded == label),
            format!("nothing is said about what bounds label {label}"),
        );
    }
    faults
}

fn check_own_name(name: &str, kind: Kind, check: &mut impl FnMut(bool, String)) {
    let words: Vec<_> = name.split('_').collect();
    let is_word = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    check(
        words.iter().all(is_word),
        "not in lower snake case".to_owned(),
    );
    for word in &words {
        check(
            !FORBIDDEN_WORDS.contains(word),
            format!("{word} is a type or not a base unit"),
        );
    }
    let unit = name
        .strip_suffix("_total")
        .unwrap_or(name)
        .rsplit('_')
        .next();
    let units: Vec<_> = words
        .iter()
        .filter(|word| BASE_UNITS.contains(word))
        .collect();
    check(units.len() <= 1, format!("mixes units: {units:?}"));
    check(
        units.first().is_none_or(|inner| Some(**inner) == unit),
        "has its unit elsewhere than at the end".to_owned(),
    );
    check(
        kind != Kind::Histogram || units.len() == 1,
        "a histogram without a unit".to_owned(),
    );
}

pub(super) fn bounds() -> impl Iterator<Item = (&'static str, &'static str)> {
    LABELS.into_iter().chain(SINGLE_LABELS)
}

#[test]
fn every_family_follows_the_rules() {
    let families = families();
    let faults: Vec<_> = families.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let names: BTreeSet<_> = families.iter().map(|family| &family.name).collect();
    assert_eq!(names.len(), families.len(), "a name is taken twice");
}

#[test]
fn every_bound_is_of_a_label_in_use() {
    let families = families();
    let used: BTreeSet<_> = families.iter().flat_map(|family| &family.labels).collect();
    let bounded: BTreeSet<_> = bounds().map(|(label, _)| label.to_owned()).collect();
    assert_eq!(used, bounded.iter().collect());
}

#[test]
fn lint_finds_what_breaks_the_rules() {
    let good = Family {
        part: super::catalogue::Part::LoadBalancer,
        name: "minicloud_lb_wait_seconds".to_owned(),
        kind: Kind::Histogram,
        help: "How long.".to_owned(),
        labels: vec!["group".to_owned()],
    };
    assert_eq!(faults(&good), Vec::<String>::new());
    let named = |name: &str, kind| Family {
        name: name.to_owned(),
        kind,
        ..good.clone()
    };
    let labelled = |labels: &[&str]| Family {
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        ..good.clone()
    };
    for (bad, expected) in [
        (named("minicloud_lb_requests", Kind::Counter), "_total"),
        (named("minicloud_lb_open_total", Kind::Gauge), "_total"),
        (
            named("minicloud_lb_request_count", Kind::Gauge),
            "parts of a histogram",
        ),
        (
            named("minicloud_lb_wait_ms", Kind::Gauge),
            "not a base unit",
        ),
        (
            named("minicloud_cpu_percent", Kind::Gauge),
            "not a base unit",
        ),
        (
            named("minicloud_lb_seconds_waited", Kind::Gauge),
            "elsewhere",
        ),
        (named("minicloud_bytes_per_seconds", Kind::Gauge), "mixes"),
        (
            named("minicloud_lb_wait", Kind::Histogram),
            "without a unit",
        ),
        (
            named("minicloud_lbWait_seconds", Kind::Histogram),
            "snake case",
        ),
        (named("lb_wait_seconds", Kind::Histogram), "prefix"),
        (labelled(&["instance"]), "Prometheus's own"),
        (labelled(&["path"]), "bounds label path"),
        (
            labelled(&["group", "code", "method", "rule"]),
            "more than 3",
        ),
        (
            Family {
                help: String::new(),
                ..good.clone()
            },
            "HELP",
        ),
    ] {
        let found = faults(&bad);
        assert!(
            found.iter().any(|fault| fault.contains(expected)),
            "{bad:?}: {found:?}"
        );
    }
}
