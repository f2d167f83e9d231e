//! What becomes of services: refusals, networks, and the configuration that they are merged into.

mod merged;
mod refusal;
mod routes;

use std::collections::{BTreeMap, BTreeSet};

use minicloud_lb_api::Action;
use proptest::prelude::*;

use super::*;
use crate::config::Config;

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
    fn hostile_text_is_tamed(
        names in prop::collection::vec("\\PC{0,12}|[\u{0}-\u{1f}\u{202e}]{1,4}|x{5000}", 6),
        label in prop::option::of(any::<String>()),
        shared in any::<bool>(),
    ) {
        let mut api = service(&names[0], &[]);
        api.project.clone_from(&names[1]);
        api.network_mode = Some(format!("service:{}", names[2]));
        api.networks = vec![on(&names[3]), on(&names[4])];
        api.networks[1].static_address = Some([10, 0, 0, 1].into());
        api.devices = vec![names[5].clone()];
        api.mounts = vec![SeedMount {
            source: names[2].clone(),
            target: names[5].clone(),
            read_only: false,
            kind: SeedMountKind::Bind,
        }];
        api.labels.extend(label.map(|label| ("minicloud.network".to_owned(), label)));
        let networks = [&*names[3], &*names[4]];
        let balancer = balancer(if shared { &networks[..] } else { &[] });
        let merged = merge(&file(FILE), &[api], &balancer);
        for fault in &merged.services[0].faults {
            let shown = fault.to_string();
            prop_assert!(shown.len() < 2000 && !shown.contains(char::is_control), "{shown:?}");
            prop_assert!(!shown.contains('\u{202e}'), "{shown:?}");
        }
    }

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
