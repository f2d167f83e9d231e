//! Which requests a service gets, beside the rules of the file and other services.

use super::*;

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
        "label minicloud.host: `x.localhost/v1` is taken by the service shop-a; choose another minicloud.host or minicloud.path"
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
