use super::*;
use rand::{SeedableRng, rngs::SmallRng};

use crate::{
    capacity::Capacity,
    launch_template::{Author, CreatedBy, LaunchTemplate, LaunchTemplateId, VersionedTemplate},
};

const BEFORE: &str = r#"
version: 1
launch_templates:
  web: { image: "web:1", cpus: 0.5, port: 8080, env: { COLOR: blue, OLD: "1" } }
  idle: { image: idle, port: 80 }
auto_scaling_groups:
  web: { launch_template: web, min_size: 1, max_size: 2, target_groups: [web], scaling_policies: [ { name: cpu80, target_tracking: { metric: ASGAverageCPUUtilization, target_value: 80 } } ] }
  batch: { launch_template: idle, min_size: 2, max_size: 2 }
target_groups:
  web: { health_check: { path: /health }, deregistration_delay: 30s }
load_balancers:
  edge:
    listeners:
      - port: 8080
        default_action: { forward: web }
        rules:
          - { priority: 5, conditions: [ { path_pattern: /old } ], action: { forward: web } }
          - { priority: 10, conditions: [ { path_pattern: /api/* } ], action: { forward: web } }
"#;

const AFTER: &str = r#"
version: 1
launch_templates:
  web: { image: "web:2", port: 8080, env: { COLOR: "dark\e[2Jblue", NEW: "" } }
  idle: { image: idle, port: 80 }
auto_scaling_groups:
  api: { launch_template: idle, min_size: 1, max_size: 3 }
  web: { launch_template: web, min_size: 1, max_size: 4, desired_capacity: 3, target_groups: [web], scaling_policies: [ { name: cpu80, target_tracking: { metric: ASGAverageCPUUtilization, target_value: 60 } } ] }
target_groups:
  web: { health_check: { path: /health, interval: 7s }, deregistration_delay: 90s }
load_balancers:
  edge:
    attributes: { idle_timeout: 30s }
    listeners:
      - port: 8080
        default_action: { fixed_response: { status_code: 404 } }
        rules:
          - { priority: 10, conditions: [ { path_pattern: [ /api/*, /v2/* ] } ], action: { forward: web } }
      - { port: 443, default_action: { forward: web } }
"#;

/// Version 3 is what the file says now.
fn versions(text: &LaunchTemplate) -> VersionedTemplate {
    let author = Author {
        by: CreatedBy::ConfigurationFile,
        at: Timestamp::UNIX_EPOCH,
    };
    let id = LaunchTemplateId::random(&mut SmallRng::seed_from_u64(1));
    let mut template = VersionedTemplate::new(text.name.clone(), id, author);
    for port in [1, 2, text.port] {
        let text = LaunchTemplate {
            port,
            ..text.clone()
        };
        template.follow_file(&text, author.at);
    }
    template
}

/// What is there: groups with live instances, by version of their template.
fn current<'a>(config: &'a Config, live: &[(&str, &str, u64, u32)]) -> Current<'a> {
    let mut instances = Census::new();
    for (group, template, version, count) in live {
        let of_group = instances.entry((*group).to_owned()).or_default();
        let key = ((*template).to_owned(), *version);
        of_group.0.insert(key, *count);
    }
    let launch_templates = config.launch_templates.iter();
    let launch_templates = launch_templates.map(|(name, text)| (name.clone(), versions(text)));
    let capacities = config.auto_scaling_groups.iter().map(|(name, group)| {
        let capacity = Capacity::of(group);
        let record = CapacityRecord {
            capacity,
            file: capacity,
            cause: String::new(),
        };
        (name.clone(), record)
    });
    Current {
        config,
        launch_templates: launch_templates.collect(),
        capacities: capacities.collect(),
        instances,
        now: Timestamp::UNIX_EPOCH,
    }
}

fn parse(text: &str) -> Config {
    Config::parse(text.as_bytes()).unwrap()
}

fn between(before: &str, after: &str, live: &[(&str, &str, u64, u32)]) -> ChangeSet {
    let before = parse(before);
    change_set(&current(&before, live), &parse(after), after.as_bytes())
}

const LIVE: &[(&str, &str, u64, u32)] = &[
    ("web", "web", 3, 1),
    ("web", "web", 2, 1),
    ("batch", "idle", 3, 2),
];

#[test]
fn plan_reads_as_reviewed() {
    let expected = r#"~ launch_template web
    ~ version: 3 -> 4
    - cpus: 0.5
    ~ env.COLOR: blue -> "dark\u{1b}[2Jblue"
    + env.NEW: ""
    - env.OLD: 1
    ~ image: web:1 -> web:2
    instances: 1 outdated and left running
+ auto_scaling_group api
    + availability_zones: [local]
    + capacity_distribution: balanced-best-effort
    + default_cooldown: 30s
    + default_instance_warmup: 15s
    + desired_capacity: 1
    + foreign_changes: revert
    + health_check_grace_period: 30s
    + health_check_type: EC2
    + launch_template.name: idle
    + launch_template.version: $Latest
    + max_size: 3
    + min_size: 1
    + new_instances_protected_from_scale_in: false
    + termination_policies: [LeastBusy]
    instances: 1 launched at once
- auto_scaling_group batch
    instances: 2 terminated at once
~ auto_scaling_group web
    ~ desired_capacity: 1 -> 3
    ~ max_size: 2 -> 4
    ~ scaling_policies.cpu80.target_tracking.target_value: 80.0 -> 60.0
    instances: 1 launched at once
~ target_group web
    ~ deregistration_delay: 30s -> 90s
    ~ health_check.interval: 5s -> 7s
~ load_balancer edge
    ~ attributes.idle_timeout: 1m -> 30s
+ listener edge:443
    + default_action.forward.target_group_stickiness: 0s
    + default_action.forward.target_groups[0].target_group: web
    + default_action.forward.target_groups[0].weight: 1
~ listener edge:8080
    + default_action.fixed_response.content_type: ""
    + default_action.fixed_response.message_body: ""
    + default_action.fixed_response.status_code: 404
    - default_action.forward.target_group_stickiness: 0s
    - default_action.forward.target_groups[0].target_group: web
    - default_action.forward.target_groups[0].weight: 1
- rule edge:8080/5
~ rule edge:8080/10
    ~ conditions[0].path_pattern.values: [/api/*] -> [/api/*, /v2/*]

2 to add, 6 to change, 2 to remove
Instances: 2 launched at once, 2 terminated at once, 1 outdated and left running
"#;
    let told = between(BEFORE, AFTER, LIVE).to_string();
    assert_eq!(told, expected, "{told}");
}

#[test]
fn same_content_is_no_change_however_it_is_written() {
    let changes = between(BEFORE, &format!("# the same\n{BEFORE}"), LIVE);
    assert!(changes.is_empty(), "{changes}");
    assert_eq!(changes.counts(), [0, 0, 0]);
    assert!(changes.to_string().starts_with("No changes"), "{changes}");
}

#[test]
fn capacity_set_through_the_api_stays_where_the_file_says_nothing_new() {
    let before = parse(BEFORE);
    let mut current = current(&before, LIVE);
    let set = Capacity {
        min_size: 1,
        max_size: 9,
        desired_capacity: 7,
    };
    current.capacities.get_mut("web").unwrap().capacity = set;
    let unchanged = change_set(&current, &before, b"");
    assert!(unchanged.is_empty(), "{unchanged}");
    let changed = change_set(&current, &parse(AFTER), b"").to_string();
    assert!(changed.contains("~ max_size: 9 -> 4"), "{changed}");
    assert!(changed.contains("~ desired_capacity: 7 -> 3"), "{changed}");
}

#[test]
fn template_that_comes_back_has_the_version_that_it_had() {
    let without = "version: 1\n";
    let before = parse(without);
    let with = parse(BEFORE);
    let mut known = current(&with, &[]).launch_templates;
    for template in known.values_mut() {
        template.leave_file();
    }
    let nothing = Current {
        launch_templates: known,
        ..current(&before, &[])
    };
    let told = change_set(&nothing, &with, b"").to_string();
    assert!(told.contains("+ launch_template web\n    + cpus"), "{told}");
}

#[test]
fn another_template_outdates_all_that_stay() {
    let after = BEFORE.replace(
        "web: { launch_template: web,",
        "web: { launch_template: idle,",
    );
    let told = between(BEFORE, &after, LIVE).to_string();
    assert!(
        told.contains("~ launch_template.name: web -> idle\n    instances: 2 outdated"),
        "{told}"
    );
}

#[test]
fn group_with_a_version_of_its_own_is_outdated_by_no_newer_one() {
    let pinned = BEFORE.replace(
        "web: { launch_template: web,",
        "web: { launch_template: { name: web, version: 2 },",
    );
    let told = between(BEFORE, &pinned, LIVE).to_string();
    let expected = "launch_template.version: $Latest -> 2\n    instances: 1 outdated";
    assert!(told.contains(expected), "{told}");
    let newer = pinned.replace("web:1", "web:9");
    let told = between(&pinned, &newer, LIVE).to_string();
    assert!(told.contains("~ version: 3 -> 4"), "{told}");
    assert!(!told.contains("outdated"), "{told}");
}

#[test]
fn members_read_as_the_file_writes_them() {
    let more = BEFORE
        .replace(
            "version: 1\n",
            "version: 1\nhost_headroom: { enabled: true, memory: 1GiB }\ninstance_types: { small: { vcpus: 0.25, memory: 64MiB } }\n",
        )
        .replace(
            "max_size: 2, target_groups",
            "max_size: 2, default_cooldown: 2m, busy_check: { path: /busy, timeout: 3s }, scheduled_actions: [ { name: up, recurrence: \"0 8 * * *\", min_size: 2 } ], notifications: [ { endpoint: \"http://127.0.0.1:9/hook\", secret_file: /s, notification_types: [\"autoscaling:EC2_INSTANCE_LAUNCH\"] } ], target_groups",
        );
    let told = between(BEFORE, &more, LIVE).to_string();
    for line in [
        "~ host_headroom.memory: 512MiB -> 1GiB",
        "+ instance_type small",
        "~ default_cooldown: 30s -> 2m",
        "+ busy_check.timeout: 3s",
        "+ scheduled_actions.up.recurrence: \"0 8 * * *\"",
        "+ scheduled_actions.up.min_size: 2",
        "+ notifications[0].endpoint: http://127.0.0.1:9/hook",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[test]
fn fingerprint_is_of_the_changes_and_the_text() {
    let fingerprint = |before: &str, after: &str, live: &[_]| {
        let changes = between(before, after, live);
        assert_eq!(changes.fingerprint.len(), 64);
        changes.fingerprint
    };
    let reviewed = fingerprint(BEFORE, AFTER, LIVE);
    assert_eq!(fingerprint(BEFORE, AFTER, LIVE), reviewed);
    // One more that becomes outdated takes nothing from what was reviewed.
    let grown = &[
        ("web", "web", 3, 2),
        ("web", "web", 2, 0),
        ("batch", "idle", 3, 2),
    ];
    assert_eq!(fingerprint(BEFORE, AFTER, grown), reviewed);
    let busier = &[("web", "web", 3, 2), ("batch", "idle", 3, 3)];
    for other in [
        fingerprint(BEFORE, &format!("{AFTER}# x"), LIVE),
        fingerprint(&BEFORE.replace("web:1", "web:0"), AFTER, LIVE),
        fingerprint(BEFORE, AFTER, busier),
    ] {
        assert_ne!(other, reviewed);
    }
}

#[test]
fn security_groups_are_told_once() {
    let guarded = format!(
        "{}security_groups:\n  edge: {{ ingress: [ {{ from_port: 8080, cidr: 10.0.0.0/8 }} ] }}\n",
        BEFORE.replace("  edge:\n", "  edge:\n    security_groups: [edge]\n")
    );
    let expected = "\
+ security_group edge
    + ingress[0].cidr: [10.0.0.0/8]
    + ingress[0].from_port: 8080
    + ingress[0].protocol: tcp
    + ingress[0].to_port: 8080
~ load_balancer edge
    + security_groups: [edge]

1 to add, 1 to change, 0 to remove
";
    assert_eq!(between(BEFORE, &guarded, LIVE).to_string(), expected);
    let wider = guarded.replace("10.0.0.0/8", "[10.0.0.0/8, \"::1\"]");
    let expected = "\
~ security_group edge
    ~ ingress[0].cidr: [10.0.0.0/8] -> [10.0.0.0/8, ::1/128]

0 to add, 1 to change, 0 to remove
";
    assert_eq!(between(&guarded, &wider, LIVE).to_string(), expected);
}
