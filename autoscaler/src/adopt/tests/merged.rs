//! What becomes of a service: group, target group, launch template, or nothing but faults.

use minicloud_lb_api::HealthCheckProtocol;

use super::*;
use crate::{config::HealthCheckType, scaling_policy::PolicyKind};

#[test]
fn service_becomes_a_group_of_its_own() {
    let api = service(
        "api",
        &[
            ("max", "3"),
            ("target-cpu", "60%"),
            ("target-rps", "2.5"),
            ("health", "/health"),
            ("drain", "5s"),
            ("hold", "20s"),
            ("sticky", "true"),
            ("warmup", "7s"),
            ("protect", "true"),
            ("schedule", "08:00-19:00 min=2"),
        ],
    );
    let merged = merged(&[api]);
    let adopted = &merged.services[0];
    assert_eq!(adopted.name, "shop-api");
    assert_eq!(adopted.faults, []);
    assert_eq!(adopted.standing, Standing::Accepted);
    assert_eq!(adopted.warnings, [""; 0]);
    assert_eq!(adopted.network.as_deref(), Some("shop_default"));

    let config = &merged.config;
    let group = &config.auto_scaling_groups["shop-api"];
    let sizes = (group.min_size, group.max_size, group.desired_capacity);
    assert_eq!(sizes, (1, 3, 1));
    assert_eq!(group.launch_template.name, "shop-api");
    assert_eq!(group.target_groups, ["shop-api"]);
    assert_eq!(group.health_check_type, HealthCheckType::Elb);
    assert_eq!(group.default_instance_warmup.as_secs(), 7);
    assert!(group.new_instances_protected_from_scale_in);
    assert_eq!(group.scheduled_actions.len(), 2);
    let policies = group.scaling_policies.iter().map(|policy| {
        assert_eq!(policy.faults(), []);
        assert_eq!(policy.faults_in_group(&group.target_groups), []);
        let PolicyKind::TargetTracking(tracking) = &policy.kind else {
            panic!("{policy:?}");
        };
        (tracking.metric.to_string(), tracking.target_value)
    });
    // AWS's metric counts a minute's requests.
    let expected = [
        ("ASGAverageCPUUtilization".to_owned(), 60.0),
        ("ALBRequestCountPerTarget".to_owned(), 150.0),
    ];
    assert_eq!(policies.collect::<Vec<_>>(), expected);

    let target_group = &config.target_groups["shop-api"];
    assert_eq!(target_group.health_check.path, "/health");
    assert_eq!(
        target_group.health_check.protocol,
        HealthCheckProtocol::Http
    );
    assert_eq!(target_group.deregistration_delay.as_secs(), 5);
    assert_eq!(target_group.attributes.queue.max_wait.as_secs(), 20);
    assert!(target_group.attributes.stickiness.is_some());
    assert_eq!(config.launch_templates["shop-api"].port, 8080);
    let rule = (
        1,
        r#"[{"host_header":{"values":["api.localhost"],"regex_values":[]}}]"#.to_owned(),
        "shop-api".to_owned(),
    );
    assert_eq!(rules(config), [rule]);
    assert_eq!(
        config.load_balancers["other"],
        file(FILE).load_balancers["other"]
    );
}

#[test]
fn who_does_not_ask_is_left_alone() {
    let mut silent = service("api", &[]);
    silent.labels.clear();
    let off = service("web", &[("enable", "false"), ("mxa", "3")]);
    let merged = merged(&[silent, off]);
    assert_eq!(merged.services, []);
    assert_eq!(merged.config, file(FILE));
}

#[test]
fn composes_own_containers_count() {
    let mut api = service("api", &[("max", "4")]);
    api.seeds = 3;
    let group = &merged(&[api.clone()]).config.auto_scaling_groups["shop-api"];
    let sizes = (group.min_size, group.max_size, group.desired_capacity);
    assert_eq!(sizes, (3, 4, 3));

    api.seeds = 5;
    let expected = "label minicloud.max: Compose runs 5 containers of it, and max is 4; write minicloud.max: \"5\" or more, or let Compose run fewer";
    assert_eq!(
        verdict(&api),
        (Standing::Rejected, vec![expected.to_owned()])
    );
    api.seeds = 0;
    assert_eq!(verdict(&api).0, Standing::Accepted);
}

#[test]
fn rejected_service_keeps_its_traffic_and_its_size() {
    let mut api = service(
        "api",
        &[
            ("targer-cpu", "50"),
            ("min", "2"),
            ("max", "4"),
            ("host", "shop.localhost"),
            ("path", "api"),
            ("schedule", "08:00-19:00 min=3"),
        ],
    );
    api.seeds = 2;
    let merged = merged(&[api]);
    let adopted = &merged.services[0];
    assert_eq!(adopted.standing, Standing::Rejected);
    let faults: Vec<_> = adopted.faults.iter().map(ToString::to_string).collect();
    let expected = [
        "label minicloud.path: `api` is not a path; begin with /, such as /api",
        "label minicloud.targer-cpu: unknown; did you mean minicloud.target-cpu?",
    ];
    assert_eq!(faults, expected);
    let group = &merged.config.auto_scaling_groups["shop-api"];
    let sizes = (group.min_size, group.max_size, group.desired_capacity);
    assert_eq!(sizes, (2, 2, 2));
    assert_eq!(group.scaling_policies, []);
    assert_eq!(group.scheduled_actions, []);
    assert_eq!(group.health_check_type, HealthCheckType::Ec2);
    assert!(merged.config.target_groups.contains_key("shop-api"));
    let rules = rules(&merged.config);
    assert_eq!(rules.len(), 1);
    assert!(rules[0].1.contains("shop.localhost"), "{rules:?}");
}

#[test]
fn what_cannot_be_served_gets_nothing_but_its_faults() {
    let mut no_port = service("api", &[]);
    no_port.exposed_ports.clear();
    let mut no_network = service("api", &[]);
    no_network.networks = vec![on("elsewhere")];
    let mut bad_name = service("api", &[]);
    bad_name.service = "api.v2".to_owned();
    for (service, expected) in [
        (
            no_port,
            "label minicloud.port: no port is exposed; add minicloud.port: \"8080\", the port that it serves on",
        ),
        (
            no_network,
            "networks: the balancer is on none of the service's networks; run: docker network connect elsewhere minicloud-lb-1",
        ),
        (
            bad_name,
            "`shop-api.v2` is no name of a group; rename service or project: together up to 63 letters, digits, - and _, no dot",
        ),
    ] {
        let merged = merged(&[service]);
        let adopted = &merged.services[0];
        assert_eq!(adopted.standing, Standing::Unserved);
        assert_eq!(adopted.faults.len(), 1);
        assert_eq!(adopted.faults[0].to_string(), expected);
        assert_eq!(merged.config, file(FILE));
    }
}

#[test]
fn thousands_of_faults_are_told_in_few_words() {
    let mut api = service("api", &[("schedule", "x")]);
    let unknown = (0..5000).map(|n| (format!("minicloud.unknown{n}"), "x".repeat(1000)));
    api.labels.extend(unknown);
    api.published_ports = (1..5000)
        .map(|port| PublishedPort {
            host_port: Some(port),
            container_port: port,
        })
        .collect();
    let (standing, faults) = verdict(&api);
    assert_eq!(standing, Standing::Rejected);
    assert_eq!(faults.len(), 101);
    assert!(faults[100].contains("more faults"), "{}", faults[100]);
    // Those of the labels come first, and the last of them tells of the others.
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains("minicloud.schedule"))
    );
    assert!(
        faults
            .iter()
            .any(|fault| fault.starts_with("4936 more labels"))
    );
}

#[test]
fn names_of_the_file_are_the_files() {
    for section in [
        "target_groups: { shop-api: {} }",
        "launch_templates: { shop-api: { image: nginx, port: 80 } }",
        "launch_templates: { t: { image: nginx, port: 80 } }\nauto_scaling_groups: { shop-api: { launch_template: t, min_size: 0, max_size: 1 } }",
    ] {
        let file = file(&format!("{FILE}{section}\n"));
        let merged = merge(&file, &[service("api", &[])], &balancer(&["*"]));
        assert_eq!(merged.services[0].standing, Standing::Unserved);
        let fault = merged.services[0].faults[0].to_string();
        assert!(fault.contains("is called `shop-api` already"), "{fault}");
        assert_eq!(merged.config, file);
    }
    // Of two services whose names come to the same, the first has it.
    let mut other = service("c", &[]);
    other.project = "shop-b".to_owned();
    let merged = merged(&[other, service("b-c", &[])]);
    let standings: Vec<_> = merged.services.iter().map(|one| one.standing).collect();
    assert_eq!(standings, [Standing::Accepted, Standing::Unserved]);
}

#[test]
fn without_a_load_balancer_it_says_what_to_write() {
    let empty = Config::default();
    let merged = merge(&empty, &[service("api", &[])], &balancer(&["*"]));
    assert_eq!(merged.services[0].standing, Standing::Unserved);
    let fault = merged.services[0].faults[0].to_string();
    let (_, written) = fault.split_once("add to minicloud.yaml ").unwrap();
    assert_eq!(
        file(&format!("version: 1\n{written}\n"))
            .load_balancers
            .len(),
        1
    );
    assert_eq!(merged.config, empty);
}
