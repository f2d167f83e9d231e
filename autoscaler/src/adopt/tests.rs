//! What becomes of services: refusals, networks, and the configuration that they are merged into.

use std::collections::{BTreeMap, BTreeSet};

use minicloud_lb_api::{Action, HealthCheckProtocol};
use proptest::prelude::*;

use super::*;
use crate::{
    config::{Config, HealthCheckType},
    scaling_policy::PolicyKind,
};

/// Serves nothing by itself.
const FILE: &str = "version: 1
load_balancers:
  edge: { listeners: [ { port: 80, default_action: { fixed_response: { status_code: 404 } } } ] }
  other: { listeners: [ { port: 81, default_action: { fixed_response: { status_code: 404 } } } ] }
";

fn file(text: &str) -> Config {
    Config::parse(text.as_bytes()).unwrap()
}

/// One that can be adopted as it is.
fn service(name: &str, labels: &[(&str, &str)]) -> Service {
    let labels = labels
        .iter()
        .map(|(name, value)| (format!("minicloud.{name}"), (*value).to_owned()));
    let mut all = BTreeMap::from([(ENABLE.to_owned(), "true".to_owned())]);
    all.extend(labels);
    Service {
        project: "shop".to_owned(),
        service: name.to_owned(),
        seeds: 1,
        labels: all,
        exposed_ports: BTreeSet::from([8080]),
        networks: vec![on("shop_default")],
        cpus: Some(1.0),
        ..Service::default()
    }
}

fn on(network: &str) -> ServiceNetwork {
    ServiceNetwork {
        name: network.to_owned(),
        static_address: None,
    }
}

fn balancer(networks: &[&str]) -> Balancer {
    Balancer {
        container: "minicloud-lb-1".to_owned(),
        networks: match networks {
            ["*"] => SharedNetworks::All,
            _ => SharedNetworks::Named(networks.iter().map(|name| (*name).to_owned()).collect()),
        },
    }
}

fn merged(services: &[Service]) -> Merged {
    merge(&file(FILE), services, &balancer(&["shop_default"]))
}

/// What is said of the one service, and how it stands.
fn verdict(service: &Service) -> (Standing, Vec<String>) {
    let merged = merged(std::slice::from_ref(service));
    let adopted = &merged.services[0];
    let faults = adopted.faults.iter().map(ToString::to_string).collect();
    (adopted.standing, faults)
}

fn rules(config: &Config) -> Vec<(u32, String, String)> {
    let rules = &config.load_balancers["edge"].listeners[0].rules;
    rules
        .iter()
        .map(|rule| {
            let Action::Forward(forward) = &rule.action else {
                panic!("{rule:?}");
            };
            let target_group = forward.target_groups[0].target_group.clone();
            let conditions = serde_json::to_string(&rule.conditions).unwrap();
            (rule.priority, conditions, target_group)
        })
        .collect()
}

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
    let expected = "Compose runs 5 containers of it, and max is 4; write minicloud.max: \"5\" or more, or let Compose run fewer";
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

#[test]
fn rules_stand_behind_the_files_and_the_narrow_before_the_wide() {
    let file = file(
        "version: 1
target_groups: { web: {} }
load_balancers:
  edge:
    listeners:
      - port: 80
        rules: [ { priority: 700, conditions: [ { path_pattern: /web/* } ], action: { forward: web } } ]
        default_action: { forward: web }
",
    );
    let services = [
        service("wide", &[("host", "*.localhost")]),
        service("api", &[]),
        service("v2", &[("host", "api.localhost"), ("path", "/v2")]),
        service(
            "v2-users",
            &[("host", "API.localhost"), ("path", "/v2/users/*")],
        ),
    ];
    let merge_in = |services: &[Service]| merge(&file, services, &balancer(&["*"]));
    let merged = merge_in(&services);
    let order = rules(&merged.config)
        .into_iter()
        .map(|(priority, _, to)| (priority, to));
    let expected = [
        (700, "web"),
        (701, "shop-v2-users"),
        (702, "shop-v2"),
        (703, "shop-api"),
        (704, "shop-wide"),
    ]
    .map(|(priority, name)| (priority, name.to_owned()));
    assert_eq!(order.collect::<Vec<_>>(), expected);
    let listener = &merged.config.load_balancers["edge"].listeners[0];
    assert_eq!(listener.validate(), Ok(()));
    let mut turned = services.clone();
    turned.reverse();
    assert_eq!(merge_in(&turned), merged);
}

#[test]
fn taken_routes_are_refused() {
    let file = file(
        "version: 1
target_groups: { web: {} }
load_balancers:
  edge:
    listeners:
      - port: 80
        rules:
          - { priority: 5, conditions: [ { host_header: [A.localhost] } ], action: { forward: web } }
          - { priority: 6, conditions: [ { host_header: \"*.b.localhost\" }, { path_pattern: /x* } ], action: { forward: web } }
          - { priority: 7, conditions: [ { host_header: c.localhost }, { http_request_method: [POST] } ], action: { forward: web } }
        default_action: { forward: web }
",
    );
    for (host, path, by) in [
        ("a.localhost", "/", Some("priority 5")),
        ("a.localhost", "/x", Some("priority 5")),
        ("api.b.localhost", "/xyz", Some("priority 6")),
        ("*.b.localhost", "/x/*/y", Some("priority 6")),
        // It leaves something to the service.
        ("api.b.localhost", "/", None),
        ("*.localhost", "/", None),
        ("c.localhost", "/", None),
    ] {
        let api = service("api", &[("host", host), ("path", path)]);
        let merged = merge(&file, &[api], &balancer(&["*"]));
        let adopted = &merged.services[0];
        let found = adopted.faults.first().map(ToString::to_string);
        match (by, &found) {
            (Some(by), Some(fault)) => assert!(fault.contains(by), "{host}{path}: {fault}"),
            (None, None) => assert_eq!(adopted.standing, Standing::Accepted),
            _ => panic!("{host}{path}: {found:?}"),
        }
    }
    let same = [
        service("a", &[("host", "x.localhost"), ("path", "/v1")]),
        service("b", &[("host", "X.localhost"), ("path", "/v1/")]),
    ];
    let merged = merge(&file, &same, &balancer(&["*"]));
    assert_eq!(merged.services[0].standing, Standing::Accepted);
    assert_eq!(merged.services[1].standing, Standing::Unserved);
    assert_eq!(
        merged.services[1].faults[0].to_string(),
        "`x.localhost/v1` is taken by the service shop-a; choose another minicloud.host or minicloud.path"
    );
}

#[test]
fn listener_that_is_full_is_said() {
    let services: Vec<_> = (0..102)
        .map(|n| service(&format!("s{n:03}"), &[]))
        .collect();
    let merged = merged(&services);
    let unserved = merged
        .services
        .iter()
        .filter(|one| one.standing == Standing::Unserved);
    assert_eq!(unserved.count(), 2);
    let fault = merged.services[101].faults[0].to_string();
    assert!(fault.contains("has no room for one more rule"), "{fault}");
    let listener = &merged.config.load_balancers["edge"].listeners[0];
    assert_eq!(listener.validate(), Ok(()));
}

fn mount(kind: SeedMountKind, source: &str, read_only: bool) -> SeedMount {
    SeedMount {
        source: source.to_owned(),
        target: "/data".to_owned(),
        read_only,
        kind,
    }
}

#[test]
fn what_two_containers_would_fight_over_is_refused() {
    type Change = fn(&mut Service);
    let port = |service: &mut Service, host_port| {
        service.published_ports = vec![PublishedPort {
            host_port,
            container_port: 80,
        }];
    };
    let cases: [(Change, &str); 9] = [
        (
            |service| {
                service.published_ports = vec![PublishedPort {
                    host_port: Some(8080),
                    container_port: 80,
                }];
            },
            "ports: port 8080 of the host is published, and a clone cannot bind it as well; remove it, the balancer serves the port; or write just \"80\" for a port of the host that is free",
        ),
        (
            |service| service.network_mode = Some("host".to_owned()),
            "network_mode: network_mode is `host`: a clone would listen on the same port of the host; remove network_mode, and list a network of the balancer in `networks`",
        ),
        (
            |service| service.network_mode = Some("none".to_owned()),
            "network_mode: network_mode is `none`: the balancer cannot reach it; remove network_mode, and list a network of the balancer in `networks`",
        ),
        (
            |service| service.network_mode = Some("service:vpn".to_owned()),
            "network_mode: network_mode is `service:vpn`: a clone would share the ports of that container; remove network_mode, and list a network of the balancer in `networks`",
        ),
        (
            |service| service.networks[0].static_address = Some([10, 0, 0, 7].into()),
            "networks: the address 10.0.0.7 on `shop_default` is fixed, and a clone cannot have it as well; remove ipv4_address: the service's name resolves to it",
        ),
        (
            |service| service.networks[0].static_address = Some("fd00::7".parse().unwrap()),
            "networks: the address fd00::7 on `shop_default` is fixed, and a clone cannot have it as well; remove ipv6_address: the service's name resolves to it",
        ),
        (
            |service| service.devices = vec!["/dev/dri".to_owned()],
            "devices: a clone would share the device `/dev/dri`; remove it, or remove minicloud.enable: such a service is not scaled",
        ),
        (
            |service| service.mounts = vec![mount(SeedMountKind::Volume, "shop_db", false)],
            "volumes: every clone would write to the volume `shop_db` at /data; mount it with :ro, or add minicloud.allow: shared-volumes if the program is made for that",
        ),
        (
            |service| service.mounts = vec![mount(SeedMountKind::Bind, "/srv", false)],
            "volumes: every clone would write to the folder `/srv` at /data; mount it with :ro, or add minicloud.allow: host-binds if the program is made for that",
        ),
    ];
    for (change, expected) in cases {
        let mut api = service("api", &[]);
        change(&mut api);
        assert_eq!(
            verdict(&api),
            (Standing::Rejected, vec![expected.to_owned()])
        );
    }
    let mut api = service("api", &[("allow", "shared-volumes,host-binds")]);
    port(&mut api, None);
    api.mounts = vec![
        mount(SeedMountKind::Volume, "shop_db", false),
        mount(SeedMountKind::Bind, "/srv", false),
    ];
    assert_eq!(verdict(&api), (Standing::Accepted, vec![]));
    let mut api = service("api", &[]);
    api.mounts = vec![
        mount(SeedMountKind::Volume, "shop_db", true),
        mount(SeedMountKind::Bind, "/srv", true),
        mount(SeedMountKind::Volume, "", false),
        mount(SeedMountKind::Tmpfs, "", false),
    ];
    assert_eq!(verdict(&api), (Standing::Accepted, vec![]));
}

#[test]
fn network_is_the_only_one_or_the_one_that_is_named() {
    let chosen = |label: Option<&str>, shared: &[&str]| {
        let labels: Vec<_> = label.into_iter().map(|label| ("network", label)).collect();
        let mut api = service("api", &labels);
        api.networks = vec![on("shop_back"), on("shop_front"), on("edge")];
        let merged = merge(&file(FILE), &[api], &balancer(shared));
        let adopted = &merged.services[0];
        let faults: Vec<_> = adopted.faults.iter().map(ToString::to_string).collect();
        (adopted.network.clone(), faults.join("\n"))
    };
    for (label, shared, network, fault) in [
        (None, &["shop_front"][..], Some("shop_front"), ""),
        (None, &["shop_front", "x"], Some("shop_front"), ""),
        // Runs on the host, which is on every one.
        (None, &["*"], Some("edge"), ""),
        (Some("shop_back"), &["*"], Some("shop_back"), ""),
        (Some("back"), &["shop_back", "edge"], Some("shop_back"), ""),
        (
            None,
            &["shop_front", "shop_back"],
            Some("shop_back"),
            "networks: the balancer shares several networks with it: shop_back, shop_front; add minicloud.network: shop_back, or whichever it is",
        ),
        (
            None,
            &["pool"],
            None,
            "networks: the balancer is on none of the service's networks; run: docker network connect edge minicloud-lb-1",
        ),
        (
            Some("front"),
            &["edge"],
            Some("edge"),
            "label minicloud.network: the balancer is not on `shop_front`; run: docker network connect shop_front minicloud-lb-1",
        ),
        (
            Some("shop_frnt"),
            &["edge"],
            Some("edge"),
            "label minicloud.network: the service is not on a network `shop_frnt`; did you mean shop_front?",
        ),
        (
            Some("pool"),
            &["pool"],
            None,
            "label minicloud.network: the service is not on a network `pool`; it is on edge, shop_back, shop_front",
        ),
    ] {
        let expected = (network.map(str::to_owned), fault.to_owned());
        assert_eq!(chosen(label, shared), expected, "{label:?} {shared:?}");
    }
}

#[test]
fn use_without_a_limit_is_warned_of() {
    let mut api = service("api", &[]);
    api.cpus = None;
    let merged = merged(&[api]);
    assert_eq!(merged.services[0].standing, Standing::Accepted);
    assert!(merged.services[0].warnings[0].contains("no CPU limit"));
}

/// Services that are alike enough to get in each other's way.
fn any_service() -> impl Strategy<Value = Service> {
    let label = (
        prop::sample::select(vec![
            "min", "max", "port", "host", "path", "network", "hold", "x",
        ]),
        prop::sample::select(vec![
            "",
            "0",
            "1",
            "3",
            "80",
            "a.localhost",
            "*",
            "/",
            "/a",
            "/a/*",
            "n1",
            "5s",
        ]),
    );
    (
        prop::sample::select(vec!["a", "a-b", "b", "A.b"]),
        prop::sample::select(vec!["a", "b-a", "a-b", "a.b", ""]),
        prop::collection::vec(label, 0..5),
        0..4u32,
        prop::collection::vec(prop::sample::select(vec!["n1", "n2", "p_n1"]), 0..3),
        prop::option::of("host|none|service:[a-z]{1,3}"),
    )
        .prop_map(
            |(project, name, labels, seeds, networks, network_mode)| Service {
                project: project.to_owned(),
                seeds,
                networks: networks.into_iter().map(on).collect(),
                network_mode,
                ..service(name, &labels)
            },
        )
}

proptest! {
    #[test]
    fn whatever_is_merged_holds_its_promises(
        services in prop::collection::vec(any_service(), 0..8),
        shared in prop::sample::select(vec!["*", "n1", "n2"]),
    ) {
        let merged = merge(&file(FILE), &services, &balancer(&[shared]));
        let config = &merged.config;
        let listener = &config.load_balancers["edge"].listeners[0];
        prop_assert_eq!(listener.validate(), Ok(()));
        for adopted in &merged.services {
            prop_assert_eq!(adopted.faults.is_empty(), adopted.standing == Standing::Accepted);
        }
        let served = merged.services.iter().filter(|one| one.standing != Standing::Unserved);
        let names: Vec<_> = served.map(|one| one.name.clone()).collect();
        prop_assert_eq!(listener.rules.len(), names.len());
        prop_assert_eq!(config.auto_scaling_groups.len(), names.len());
        for name in names {
            let group = &config.auto_scaling_groups[&name];
            prop_assert!(group.min_size <= group.desired_capacity);
            prop_assert!(group.desired_capacity <= group.max_size);
            prop_assert!(config.launch_templates[&name].port > 0);
            prop_assert!(config.target_groups.contains_key(&name));
            for policy in &group.scaling_policies {
                prop_assert_eq!(policy.faults(), vec![]);
            }
        }
    }
}
