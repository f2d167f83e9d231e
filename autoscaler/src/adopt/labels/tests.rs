//! Each mistake with its message is in `tests/mistakes.txt`, written from `tests/cases.txt`.

use std::collections::{BTreeMap, BTreeSet};

use minicloud_lb_api::HealthCheckProtocol;
use proptest::prelude::*;

use super::*;
use crate::adopt::ENABLE;

const CASES: &str = include_str!("tests/cases.txt");

/// With `minicloud.enable` and one port exposed, unless the case says otherwise.
fn service(labels: &[(&str, &str)]) -> Service {
    let exposed = labels.iter().find(|(name, _)| *name == "EXPOSE");
    let exposed = exposed.map_or("8080", |(_, ports)| *ports);
    let ports = exposed.split_whitespace().map(|port| port.parse().unwrap());
    let labels = labels.iter().filter(|(name, _)| *name != "EXPOSE");
    let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut all = BTreeMap::from([(ENABLE.to_owned(), "true".to_owned())]);
    all.extend(labels);
    Service {
        project: "shop".to_owned(),
        service: "Api".to_owned(),
        labels: all,
        exposed_ports: ports.collect::<BTreeSet<u16>>(),
        ..Service::default()
    }
}

fn read(labels: &[(&str, &str)]) -> (Labels, Vec<Fault>) {
    super::read(&service(labels), Pace::Fast)
}

fn accepted(labels: &[(&str, &str)]) -> Labels {
    let (labels, faults) = read(labels);
    assert_eq!(faults, []);
    labels
}

#[test]
fn every_mistake_says_what_to_do() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/adopt/labels/tests/mistakes.txt"
    );
    let mut found = String::new();
    let cases = CASES.lines().filter(|line| !line.is_empty());
    for case in cases {
        let labels: Vec<_> = case
            .split(" & ")
            .map(|label| label.split_once('=').unwrap())
            .map(|(name, value)| match name {
                "EXPOSE" => (name.to_owned(), value),
                _ => (format!("minicloud.{name}"), value),
            })
            .collect();
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| (&**name, *value))
            .collect();
        let (_, faults) = read(&labels);
        assert!(!faults.is_empty(), "{case}");
        found += &format!("{case}\n");
        for fault in faults {
            assert!(fault.hint.is_some(), "{case}: {fault}");
            found += &format!("  {fault}\n");
        }
    }
    if std::env::var_os("MINICLOUD_BLESS").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(path).unwrap());
}

#[test]
fn silence_means_the_defaults() {
    let labels = accepted(&[]);
    let size = Size {
        min: 1,
        max: 2,
        desired: 1,
    };
    assert_eq!(labels.size, size);
    assert_eq!((labels.target_cpu, labels.target_rps), (80.0, None));
    assert_eq!(labels.port, Some(8080));
    assert_eq!(labels.route.host, "api.localhost");
    assert_eq!(labels.route.paths, [""; 0]);
    assert_eq!(labels.health_check.protocol, HealthCheckProtocol::Tcp);
    assert_eq!(labels.health_check.interval, Duration::from_secs(5));
    assert_eq!(labels.warmup, Duration::from_secs(15));
    assert_eq!(labels.drain, Duration::from_secs(30));
    assert_eq!(labels.queue, Queue::default());
    assert_eq!(labels.stickiness, None);
    assert!(!labels.protect);
    let (labels, faults) = super::read(&service(&[]), Pace::Aws);
    assert_eq!(faults, []);
    assert_eq!(labels.health_check.interval, Duration::from_secs(30));
    assert_eq!(labels.drain, Duration::from_secs(300));
}

#[test]
fn every_label_is_read() {
    let labels = accepted(&[
        ("minicloud.min", "2"),
        ("minicloud.max", "5"),
        ("minicloud.desired", "3"),
        ("minicloud.target-cpu", "62.5%"),
        ("minicloud.target-rps", "12.5"),
        ("minicloud.port", "80"),
        ("minicloud.host", "*.Example.com"),
        ("minicloud.path", "/api/"),
        ("minicloud.health", "/health?deep=1"),
        ("minicloud.health.interval", "1s"),
        ("minicloud.health.healthy", "3"),
        ("minicloud.health.unhealthy", "4"),
        ("minicloud.health.grace", "2m"),
        ("minicloud.warmup", "1m"),
        ("minicloud.cooldown", "10s"),
        ("minicloud.drain", "0s"),
        ("minicloud.hold", "0s"),
        ("minicloud.sticky", "1h"),
        ("minicloud.protect", "true"),
        ("minicloud.schedule", "Mon-Fri 08:00-19:00 min=3"),
        ("minicloud.time-zone", "Europe/Berlin"),
        ("minicloud.network", "backend"),
        ("minicloud.allow", "host-binds, shared-volumes, privileges"),
        ("com.example.owner", "somebody"),
    ]);
    let size = Size {
        min: 2,
        max: 5,
        desired: 3,
    };
    assert_eq!(labels.size, size);
    assert_eq!((labels.target_cpu, labels.target_rps), (62.5, Some(12.5)));
    assert_eq!(labels.port, Some(80));
    assert_eq!(labels.route.host, "*.example.com");
    assert_eq!(labels.route.paths, ["/api", "/api/*"]);
    let check = &labels.health_check;
    assert_eq!(check.protocol, HealthCheckProtocol::Http);
    assert_eq!(check.path, "/health?deep=1");
    assert_eq!(check.interval, Duration::from_secs(1));
    // The default would be longer than the interval.
    assert_eq!(check.timeout, Duration::from_secs(1));
    assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (3, 4));
    assert_eq!(labels.grace, Duration::from_secs(120));
    assert_eq!(labels.warmup, Duration::from_secs(60));
    assert_eq!(labels.cooldown, Some(Duration::from_secs(10)));
    assert_eq!(labels.drain, Duration::ZERO);
    assert_eq!(labels.queue.max_requests, 0);
    let hour = Duration::from_secs(3600);
    let stickiness = Stickiness::LbCookie { duration: hour };
    assert_eq!(labels.stickiness, Some(stickiness));
    assert!(labels.protect);
    assert_eq!(labels.scheduled_actions.len(), 2);
    assert_eq!(labels.network.as_deref(), Some("backend"));
    let all = Allowed {
        shared_volumes: true,
        host_binds: true,
        privileges: true,
    };
    assert_eq!(labels.allowed, all);
}

#[test]
fn what_is_at_fault_falls_back_to_its_default() {
    let (labels, faults) = read(&[
        ("minicloud.prot", "80"),
        ("minicloud.host", "a b"),
        ("minicloud.path", "api"),
        ("minicloud.health.interval", "1"),
        ("minicloud.max", "many"),
        ("minicloud.desired", "4"),
    ]);
    assert_eq!(faults.len(), 5, "{faults:?}");
    // A misspelt label is understood.
    assert_eq!(labels.port, Some(80));
    assert_eq!(labels.route.host, "api.localhost");
    assert_eq!(labels.route.paths, [""; 0]);
    assert_eq!(labels.health_check.interval, Duration::from_secs(5));
}

#[test]
fn only_true_and_false_say_whether() {
    for (value, on) in [("true", true), ("false", false), ("yes", true), ("", true)] {
        let labels = BTreeMap::from([(ENABLE.to_owned(), value.to_owned())]);
        assert_eq!(is_on(&labels), on, "{value}");
    }
    assert!(!is_on(&BTreeMap::new()));
}

fn actions(schedule: &str) -> Vec<[String; 3]> {
    let labels = [("minicloud.max", "4"), ("minicloud.schedule", schedule)];
    let actions = accepted(&labels).scheduled_actions;
    let sizes = |action: &ScheduledAction| {
        let spec = &action.spec;
        format!(
            "{:?} {:?} {:?}",
            spec.min_size, spec.max_size, spec.desired_capacity
        )
        .replace("None", "-")
        .replace("Some", "")
    };
    actions
        .iter()
        .map(|action| {
            let recurrence = action.spec.recurrence.clone().unwrap();
            [action.name.clone(), recurrence, sizes(action)]
        })
        .collect()
}

#[test]
fn windows_are_pairs_of_actions() {
    for (schedule, start, end) in [
        (
            "Mon-Fri 08:00-19:00 min=2",
            ["0 8 * * MON,TUE,WED,THU,FRI", "(2) - -"],
            ["0 19 * * MON,TUE,WED,THU,FRI", "(1) - -"],
        ),
        (
            "sat,SUN 8:05-9:30 max=3 desired=3",
            ["5 8 * * SAT,SUN", "- (3) (3)"],
            ["30 9 * * SAT,SUN", "- (4) (1)"],
        ),
        (
            "Sunday 22:00-06:00 min=2",
            ["0 22 * * SUN", "(2) - -"],
            ["0 6 * * MON", "(1) - -"],
        ),
        (
            "Fri-Mon 00:00-24:00 min=2 max=2",
            ["0 0 * * MON,FRI,SAT,SUN", "(2) (2) -"],
            ["0 0 * * MON,TUE,SAT,SUN", "(1) (4) -"],
        ),
        (
            "12:00-13:00 min=4;",
            ["0 12 * * *", "(4) - -"],
            ["0 13 * * *", "(1) - -"],
        ),
    ] {
        let expected = [
            ["schedule-start-01", start[0], start[1]].map(str::to_owned),
            ["schedule-end-01", end[0], end[1]].map(str::to_owned),
        ];
        assert_eq!(actions(schedule), expected, "{schedule}");
    }
}

#[test]
fn window_that_follows_at_once_has_the_last_word() {
    let actions = actions("08:00-12:00 min=3; 12:00-14:00 min=2");
    let mut at_noon: Vec<_> = actions
        .iter()
        .filter(|[_, recurrence, _]| recurrence.starts_with("0 12"))
        .map(|[name, ..]| name.as_str())
        .collect();
    at_noon.sort_unstable();
    assert_eq!(at_noon, ["schedule-end-01", "schedule-start-02"]);
}

#[test]
fn windows_overlap_across_midnight_and_the_week() {
    for schedule in [
        "08:00-12:00 min=2; 11:59-13:00 min=2",
        "Mon 22:00-06:00 min=2; Tue 05:00-07:00 min=2",
        "Sun 22:00-06:00 min=2; Mon 05:00-07:00 min=2",
        "Mon 08:00-09:00 min=2; Mon 08:00-09:00 max=2",
    ] {
        let (labels, faults) = read(&[("minicloud.schedule", schedule)]);
        assert_eq!(faults.len(), 1, "{schedule}");
        assert!(faults[0].message.contains("overlaps"), "{}", faults[0]);
        assert_eq!(labels.scheduled_actions, []);
    }
    accepted(&[(
        "minicloud.schedule",
        "Sun 22:00-06:00 min=2; Mon 06:00-07:00 min=2; Sun 21:00-22:00 min=2",
    )]);
}

#[test]
fn megabytes_are_not_repeated() {
    let long = "9".repeat(1 << 20);
    let name = format!("minicloud.{long}");
    for key in schema::SECTION.keys {
        let key = format!("minicloud.{}", key.name);
        let (_, faults) = read(&[(&key, &long), (&name, &long)]);
        assert!(faults.len() >= 2, "{key}");
        for fault in faults {
            assert!(fault.to_string().len() < 800, "{key}");
            assert!(format!("{:?}", fault.place).len() < 400, "{key}");
        }
    }
}

#[test]
fn renamed_labels_are_not_labels_themselves() {
    for (old, fix) in schema::SECTION.renamed {
        assert!(schema::SECTION.key(old).is_none(), "{old}");
        let known = schema::SECTION.key(fix).is_some();
        assert!(known || fix.contains(' '), "{fix}");
    }
}

fn any_label() -> impl Strategy<Value = (String, String)> {
    let names: Vec<_> = schema::SECTION.keys.iter().map(|key| key.name).collect();
    let known = prop::sample::select(names).prop_map(|name| format!("minicloud.{name}"));
    let name = prop_oneof![4 => known, 1 => "minicloud\\.[a-z.é_-]{0,12}", 1 => any::<String>()];
    let near = "[-+0-9.:;=%,/* a-zA-Z]{0,24}|(Mon|Sat|x)?(-Fri)? ?[0-2][0-9]:[0-6][0-9]-[0-2]?[0-9]:00 (min|max|desired)=[0-9]{1,3};?|[0-9]{1,40}(s|ms|h|%)?";
    (name, prop_oneof![3 => near, 1 => any::<String>()])
}

proptest! {
    #[test]
    fn any_labels_get_an_answer(
        labels in prop::collection::btree_map(any::<String>(), any::<String>(), 0..4),
        ours in prop::collection::vec(any_label(), 0..12),
        exposed in prop::collection::btree_set(any::<u16>(), 0..3),
    ) {
        let mut labels = labels;
        labels.extend(ours);
        let service = Service {
            service: "a".repeat(100),
            labels,
            exposed_ports: exposed,
            ..Service::default()
        };
        let (read, faults) = super::read(&service, Pace::Fast);
        prop_assert!(read.size.min >= 1 && read.size.min <= read.size.desired);
        prop_assert!(read.size.desired <= read.size.max);
        prop_assert!(read.health_check.timeout <= read.health_check.interval);
        prop_assert!(read.scheduled_actions.len() <= 40);
        for fault in faults {
            let shown = fault.to_string();
            prop_assert!(shown.len() < 2000 && !shown.contains(char::is_control), "{shown:?}");
        }
    }
}
