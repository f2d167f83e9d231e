//! The dashboard and the alerts in `contrib` read what the parts expose, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    catalogue::{Family, Kind, families},
    lint::bounds,
    promql,
};

const DASHBOARD: &str = include_str!("../../contrib/grafana/minicloud.json");
const ALERTS: &str = include_str!("../../contrib/prometheus/alerts.yml");
const SCRAPE: &str = include_str!("../../contrib/prometheus/prometheus.yml");

/// What Prometheus puts on every series, and what service discovery here adds to them.
const LABELS_OF_TARGETS: [&str; 3] = ["instance", "job", "le"];
/// Of Prometheus itself.
const FOREIGN_METRICS: [&str; 1] = ["up"];

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// What is wrong with an expression.
fn faults(expression: &str, families: &BTreeMap<String, Family>) -> Vec<String> {
    let read = match promql::read(expression) {
        Ok(read) => read,
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    let known: BTreeSet<_> = bounds()
        .map(|(label, _)| label)
        .chain(LABELS_OF_TARGETS)
        .collect();
    for label in &read.grouping {
        if !known.contains(&**label) {
            faults.push(format!("no metric has the label {label}: {expression}"));
        }
    }
    for selector in read.selectors {
        let metric = &selector.metric;
        if FOREIGN_METRICS.contains(&&**metric) {
            continue;
        }
        let Some(family) = family_of(metric, families) else {
            faults.push(format!("nothing exposes {metric}: {expression}"));
            continue;
        };
        for label in selector.labels {
            if !family.labels.contains(&label) && !LABELS_OF_TARGETS.contains(&&*label) {
                faults.push(format!("{metric} has no label {label}: {expression}"));
            }
        }
    }
    faults
}

/// A histogram is read by its parts, all else by its name.
fn family_of<'a>(metric: &str, families: &'a BTreeMap<String, Family>) -> Option<&'a Family> {
    let part = ["_bucket", "_sum", "_count"];
    let part = part.iter().find_map(|suffix| metric.strip_suffix(suffix));
    match part.and_then(|name| families.get(name)) {
        Some(family) if family.kind == Kind::Histogram => Some(family),
        _ => families
            .get(metric)
            .filter(|family| family.kind != Kind::Histogram),
    }
}

fn by_name() -> BTreeMap<String, Family> {
    let families = families().into_iter();
    families
        .map(|family| (family.name.clone(), family))
        .collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let list = value[key].as_array();
    list.unwrap_or_else(|| panic!("no list {key} in {value}"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    let text = value[key].as_str();
    text.unwrap_or_else(|| panic!("no text {key} in {value}"))
}

#[test]
fn dashboard_reads_what_is_exposed() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let families = by_name();
    let mut expressions: Vec<&str> = Vec::new();
    let queried = |panel: &&Value| panel["type"] != "row";
    for panel in list(&dashboard, "panels").iter().filter(queried) {
        for target in list(panel, "targets") {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
            expressions.push(text(target, "expr"));
        }
    }
    for annotation in &list(&dashboard["annotations"], "list")[1..] {
        expressions.push(text(annotation, "expr"));
    }
    for variable in list(&dashboard["templating"], "list") {
        if variable["type"] == "query" {
            let query = text(variable, "definition");
            let values = query.strip_prefix("label_values(").unwrap();
            let (selector, label) = values.trim_end_matches(')').rsplit_once(", ").unwrap();
            let family = family_of(selector, &families).unwrap();
            assert!(family.labels.iter().any(|of| of == label), "{query}");
        }
    }
    assert!(expressions.len() > 20, "{expressions:#?}");
    let found: Vec<_> = expressions
        .iter()
        .flat_map(|text| faults(text, &families))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// What Grafana 10 wants of a dashboard that is imported, as far as a test without it can say.
#[test]
fn dashboard_has_grafanas_shape() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    assert!(dashboard["id"].is_null());
    assert!(dashboard["schemaVersion"].as_u64() >= Some(36));
    let variables = list(&dashboard["templating"], "list").iter();
    let variables: Vec<_> = variables.map(|variable| text(variable, "name")).collect();
    assert_eq!(variables, ["datasource", "group", "target_group"]);
    let mut ids = BTreeSet::new();
    let mut places: Vec<[u64; 4]> = Vec::new();
    for panel in list(&dashboard, "panels") {
        assert!(
            ids.insert(panel["id"].as_u64()),
            "an id is taken twice: {panel}"
        );
        assert!(!text(panel, "title").is_empty());
        let place = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        let [x, y, w, h] = place;
        assert!(x + w <= 24, "{panel}");
        let apart = |[left, top, wide, high]: &[u64; 4]| {
            x >= left + wide || *left >= x + w || y >= top + high || *top >= y + h
        };
        assert!(
            places.iter().all(apart),
            "panels lie on one another: {panel}"
        );
        places.push(place);
    }
}

#[test]
fn alerts_read_what_is_exposed() {
    let alerts = yaml(ALERTS);
    let families = by_name();
    let mut names = BTreeSet::new();
    for rule in list(&alerts, "groups")
        .iter()
        .flat_map(|group| list(group, "rules"))
    {
        let name = text(rule, "alert");
        assert!(names.insert(name), "{name} is there twice");
        assert_eq!(faults(text(rule, "expr"), &families), Vec::<String>::new());
        let severity = text(&rule["labels"], "severity");
        assert!(["critical", "warning"].contains(&severity), "{name}");
        assert!(!text(&rule["annotations"], "summary").is_empty());
        assert!(!text(&rule["annotations"], "description").is_empty());
    }
    assert!(names.len() >= 8, "{names:?}");
}

#[test]
fn scrape_configuration_is_yaml_with_the_alerts_and_discovery() {
    let scrape = yaml(SCRAPE);
    assert_eq!(scrape["rule_files"][0], "alerts.yml");
    let jobs = list(&scrape, "scrape_configs");
    assert!(jobs.iter().any(|job| text(job, "job_name") == "minicloud"));
    let discovered = jobs
        .iter()
        .find_map(|job| job["http_sd_configs"][0]["url"].as_str());
    assert_eq!(discovered, Some("http://localhost:8090/v1/prometheus/sd"));
}

#[test]
fn expression_of_what_is_not_exposed_is_found() {
    let families = by_name();
    for (expression, expected) in [
        ("minicloud_nothing_total", "nothing exposes"),
        (
            "rate(minicloud_lb_request_duration_seconds[1m])",
            "nothing exposes",
        ),
        ("minicloud_group_min_instances_bucket", "nothing exposes"),
        (r#"minicloud_lb_requests_total{path="/"}"#, "no label path"),
        (
            "sum by (path) (minicloud_lb_requests_total)",
            "no metric has the label path",
        ),
    ] {
        let found = faults(expression, &families);
        assert!(
            found.iter().any(|fault| fault.contains(expected)),
            "{expression}: {found:?}"
        );
    }
}
