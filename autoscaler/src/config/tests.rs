//! The file as a whole; each class of mistake alone is in `classes`, hostile input in `hostile`.

mod balancer;
mod choosing;
mod classes;
mod hostile;
mod json_schema;
mod policies;
mod schedule;
mod security_groups;

use std::time::Duration;

use minicloud_lb_api::{Action, HealthCheck, Listener};

use super::*;
use crate::{
    instance_type::HostSize,
    launch_template::{ProcessTemplate, VersionSelector},
    scaling_policy::{MetricSpecification, PolicyKind, PredefinedMetric, TargetTracking},
};

const MISTAKES: &str = include_str!("tests/mistakes.yaml");

fn parse(text: &str) -> Result<Config, Faults> {
    Config::parse(text.as_bytes())
}

#[test]
fn every_mistake_is_reported_at_once() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/mistakes.txt");
    let faults = parse(MISTAKES).unwrap_err();
    let found = faults.in_file("mistakes.yaml").to_string() + "\n";
    if std::env::var_os("MINICLOUD_BLESS").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(path).unwrap());
}

#[test]
fn example_is_what_it_says() {
    let template = LaunchTemplate {
        name: "web".to_owned(),
        version: 1,
        image: Some("minicloud-sample-app".to_owned()),
        process: Some(ProcessTemplate {
            command: vec!["minicloud".to_owned(), "sample-app".to_owned()],
        }),
        cpus: Some(0.5),
        memory: Some(128 << 20),
        port: 8080,
        env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
        ..LaunchTemplate::default()
    };
    let group = AutoScalingGroup {
        name: "web".to_owned(),
        launch_template: LaunchTemplateReference {
            name: "web".to_owned(),
            version: VersionSelector::Latest,
        },
        min_size: 1,
        max_size: 2,
        desired_capacity: 1,
        availability_zones: vec!["a".to_owned(), "b".to_owned()],
        target_groups: vec!["web".to_owned()],
        health_check_type: HealthCheckType::Elb,
        health_check_grace_period: Duration::from_secs(30),
        default_instance_warmup: Duration::from_secs(15),
        scheduled_actions: Vec::new(),
        notifications: Vec::new(),
        default_cooldown: Duration::from_secs(30),
        scaling_policies: vec![ScalingPolicy {
            name: "cpu80".to_owned(),
            enabled: true,
            kind: PolicyKind::TargetTracking(TargetTracking {
                metric: MetricSpecification::predefined(PredefinedMetric::AsgAverageCpuUtilization),
                target_value: 80.0,
                disable_scale_in: false,
                scale_in_cooldown: None,
                estimated_instance_warmup: None,
            }),
        }],
        termination_policies: vec![TerminationPolicy::LeastBusy],
        new_instances_protected_from_scale_in: false,
        busy_check: None,
        capacity_distribution: CapacityDistributionStrategy::BalancedBestEffort,
        foreign_changes: ForeignChanges::Revert,
    };
    let target_group = TargetGroup {
        name: "web".to_owned(),
        health_check: HealthCheck {
            protocol: Default::default(),
            path: "/health".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            matcher: "200".parse().unwrap(),
        },
        deregistration_delay: Duration::from_secs(30),
        attributes: Default::default(),
        targets: Vec::new(),
    };
    let load_balancer = LoadBalancer {
        name: "exercise-lb".to_owned(),
        listeners: vec![Listener {
            load_balancer: "exercise-lb".to_owned(),
            port: 8080,
            rules: Vec::new(),
            default_action: Action::forward("web"),
            attributes: Default::default(),
        }],
        security_groups: Vec::new(),
    };
    let expected = Config {
        pace: Pace::Fast,
        instance_types: BTreeMap::new(),
        key_pairs: BTreeMap::new(),
        launch_templates: BTreeMap::from([("web".to_owned(), template)]),
        auto_scaling_groups: BTreeMap::from([("web".to_owned(), group)]),
        target_groups: BTreeMap::from([("web".to_owned(), target_group)]),
        load_balancers: BTreeMap::from([("exercise-lb".to_owned(), load_balancer)]),
        security_groups: BTreeMap::new(),
        host_headroom: HostHeadroom {
            enabled: true,
            cpu_percent: 10.0,
            memory_bytes: 512 << 20,
        },
    };
    assert_eq!(Config::example(), expected);
    for provider in [ProviderKind::Process, ProviderKind::Docker] {
        assert_eq!(
            Config::parse_for(EXAMPLE.as_bytes(), provider),
            Ok(expected.clone())
        );
    }
}

#[test]
fn balancer_stands_alone() {
    let config = parse(
        "version: 1
target_groups: { app: { targets: [\"127.0.0.1:9001\", \"[::1]:9001\", app.internal:80] } }
load_balancers: { lb: { listeners: [ { port: 80, default_action: { forward: app } } ] } }
",
    )
    .unwrap();
    assert!(config.auto_scaling_groups.is_empty());
    let targets = ["127.0.0.1:9001", "[::1]:9001", "app.internal:80"];
    assert_eq!(config.target_groups["app"].targets, targets);
}

#[test]
fn silence_means_the_defaults_of_the_pace() {
    let file = |pace: &str| {
        parse(&format!(
            "version: 1\n{pace}
launch_templates: {{ t: {{ image: nginx, port: 80 }} }}
auto_scaling_groups:
  g: {{ launch_template: t, min_size: 2, max_size: 3, target_groups: [g] }}
  h: {{ launch_template: t, min_size: 0, max_size: 0 }}
target_groups: {{ g: {{}} }}
"
        ))
        .unwrap()
    };
    for (pace, seconds) in [
        ("", [30, 15, 5, 2, 30]),
        ("pace: aws", [300, 0, 30, 5, 300]),
    ] {
        let config = file(pace);
        let group = &config.auto_scaling_groups["g"];
        let target_group = &config.target_groups["g"];
        let check = &target_group.health_check;
        let found = [
            group.health_check_grace_period,
            group.default_instance_warmup,
            check.interval,
            check.timeout,
            target_group.deregistration_delay,
        ];
        assert_eq!(found, seconds.map(Duration::from_secs), "{pace}");
        assert_eq!(check.path, "/");
        assert_eq!(group.desired_capacity, 2);
        assert_eq!(group.availability_zones, ["local"]);
        assert_eq!(group.health_check_type, HealthCheckType::Elb);
        let alone = &config.auto_scaling_groups["h"];
        assert_eq!(alone.health_check_type, HealthCheckType::Ec2);
        let policies = match pace {
            "" => [TerminationPolicy::LeastBusy],
            _ => [TerminationPolicy::Default],
        };
        assert_eq!(alone.termination_policies, policies);
        assert_eq!(config.host_headroom.enabled, pace.is_empty());
    }
}

#[test]
fn aliases_and_merges_are_read() {
    let config = parse(
        "version: 1
target_groups:
  a: &a { deregistration_delay: 1s, targets: [\"a:1\"] }
  b: *a
  c: { <<: *a, targets: [\"c:1\"] }
",
    )
    .unwrap();
    let delays = config
        .target_groups
        .values()
        .map(|group| group.deregistration_delay);
    assert_eq!(delays.collect::<Vec<_>>(), [Duration::from_secs(1); 3]);
    assert_eq!(config.target_groups["c"].targets, ["c:1"]);
}

#[test]
fn short_interval_shortens_the_default_timeout() {
    let config = parse("version: 1\ntarget_groups: { g: { health_check: { interval: 500ms } } }\n");
    let check = &config.unwrap().target_groups["g"].health_check;
    assert_eq!(check.timeout, Duration::from_millis(500));
}
