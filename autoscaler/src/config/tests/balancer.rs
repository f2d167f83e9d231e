//! Rules, attributes and everything else that the balancer is told.

use std::collections::HashSet;

use minicloud_lb_api::{
    Compression, Condition, DesyncMitigationMode, FixedResponse, Forward, HashKey,
    HealthCheckProtocol, LoadBalancerAttributes, LoadBalancingAlgorithm, Patterns,
    QueryStringKeyValuePair, Queue, RateLimit, RateLimitKey, Redirect, Retry, Rewrite, Rule,
    Stickiness, TargetGroupAttributes, TargetGroupTuple, Transform, XffHeaderProcessingMode,
};

use super::{
    schema::{Absent, Key, Section},
    *,
};

/// A file with every key of launch templates, target groups and load balancers.
pub(super) const EVERY_KEY: &str = include_str!("every_key.yaml");

const HOUR: Duration = Duration::from_secs(3600);

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).into()
}

fn values<const N: usize>(values: [&str; N]) -> Patterns {
    Patterns {
        values: texts(values),
        regex_values: Vec::new(),
    }
}

fn tuple(target_group: &str, weight: u32) -> TargetGroupTuple {
    TargetGroupTuple {
        target_group: target_group.to_owned(),
        weight,
    }
}

fn rewrite(regex: &str, replace: &str) -> Rewrite {
    Rewrite {
        regex: regex.to_owned(),
        replace: replace.to_owned(),
    }
}

/// Every section of the file, once, with each key.
fn walk(visit: &mut impl FnMut(&'static Section, &'static Key)) {
    let mut sections = vec![&file::ROOT];
    let mut places = HashSet::new();
    while let Some(section) = sections.pop() {
        if !places.insert(section.place) {
            continue;
        }
        for key in section.keys {
            visit(section, key);
            sections.extend(key.form.child());
        }
    }
}

fn is_the_balancers(section: &Section) -> bool {
    [
        "target_groups",
        "load_balancers",
        "ACTION",
        "PATTERNS",
        "REWRITE",
    ]
    .iter()
    .any(|head| section.place.starts_with(head))
}

#[test]
fn sample_has_every_key_of_the_balancer() {
    walk(&mut |section, key| {
        let written = format!("{}: ", key.name);
        let at_end = format!("{}:\n", key.name);
        assert!(
            !is_the_balancers(section)
                || EVERY_KEY.contains(&written)
                || EVERY_KEY.contains(&at_end),
            "{} of {}",
            key.name,
            section.place
        );
    });
}

#[test]
fn target_group_attributes_are_read() {
    let config = parse(EVERY_KEY).unwrap();
    let web = &config.target_groups["web"];
    let expected = TargetGroupAttributes {
        load_balancing_algorithm_type: LoadBalancingAlgorithm::CpuHeadroom,
        anomaly_mitigation: false,
        slow_start: Duration::from_secs(30),
        stickiness: Some(Stickiness::AppCookie {
            cookie_name: "SESSION".to_owned(),
            duration: 2 * HOUR,
        }),
        cross_zone: false,
        minimum_healthy_targets: 2,
        max_requests_per_target: Some(100),
        queue: Queue {
            max_requests: 50,
            max_wait: Duration::from_secs(2),
        },
        retry: Retry {
            attempts: 2,
            budget_percent: 10,
            min_per_second: 1,
            hedging: false,
        },
        upgrade_grace: Duration::from_secs(5),
    };
    assert_eq!(web.attributes, expected);
    assert_eq!(web.health_check.protocol, HealthCheckProtocol::Http);
    let api = &config.target_groups["api"];
    let hash = HashKey::HttpHeader("X-Tenant".to_owned());
    let expected = TargetGroupAttributes {
        load_balancing_algorithm_type: LoadBalancingAlgorithm::ConsistentHash(hash),
        stickiness: Some(Stickiness::LbCookie { duration: HOUR }),
        ..TargetGroupAttributes::default()
    };
    assert_eq!(api.attributes, expected);
    assert_eq!(api.health_check.protocol, HealthCheckProtocol::Tcp);
}

#[test]
fn load_balancer_attributes_hold_on_each_listener() {
    let listeners = &parse(EVERY_KEY).unwrap().load_balancers["edge"].listeners;
    let expected = LoadBalancerAttributes {
        desync_mitigation_mode: DesyncMitigationMode::Strictest,
        xff_header_processing_mode: XffHeaderProcessingMode::Preserve,
        trusted_networks: ["10.0.0.0/8", "::1/128", "192.168.1.7/32"]
            .map(|network| network.parse().unwrap())
            .into(),
        idle_timeout: Duration::from_secs(30),
        client_keep_alive: Duration::from_secs(600),
        max_connections_per_client: Some(64),
        max_request_body_bytes: Some(8 << 20),
        min_body_rate_bytes_per_second: 1024,
        ip_permissions: listeners[0].attributes.ip_permissions.clone(),
    };
    assert_eq!(listeners[0].attributes, expected);
    assert_eq!(listeners[0].load_balancer, "edge");
}

#[test]
fn rules_are_read_in_both_forms() {
    let rules = parse(EVERY_KEY).unwrap().load_balancers["edge"].listeners[0]
        .rules
        .clone();
    let forwards = Rule {
        priority: 10,
        conditions: vec![
            Condition::HostHeader(Patterns {
                values: texts(["*.example.com"]),
                regex_values: texts([r"api[0-9]\.example\.com"]),
            }),
            Condition::PathPattern(values(["/api/*", "/v1"])),
            Condition::HttpHeader {
                http_header_name: "User-Agent".to_owned(),
                patterns: values(["*curl*"]),
            },
        ],
        transforms: vec![
            Transform::HostHeaderRewrite(rewrite(r"\.com$", ".net")),
            Transform::UrlRewrite(rewrite("^/api/", "/")),
        ],
        action: Action::Forward(Forward {
            target_groups: vec![tuple("web", 9), tuple("api", 1)],
            target_group_stickiness: HOUR,
        }),
        rate_limit: Some(RateLimit {
            requests_per_second: 2.5,
            burst: 10,
            per: RateLimitKey::Rule,
        }),
        compression: Some(Compression {
            min_bytes: 2048,
            level: 9,
        }),
    };
    let redirects = Rule {
        priority: 20,
        conditions: vec![
            Condition::HttpRequestMethod(texts(["GET", "HEAD"])),
            Condition::QueryString(vec![
                QueryStringKeyValuePair {
                    key: Some("version".to_owned()),
                    value: "v1".to_owned(),
                },
                QueryStringKeyValuePair {
                    key: None,
                    value: "*debug*".to_owned(),
                },
            ]),
            Condition::SourceIp(vec!["10.1.0.0/16".parse().unwrap()]),
        ],
        transforms: Vec::new(),
        action: Action::Redirect(Redirect {
            protocol: "HTTPS".to_owned(),
            host: "www.#{host}".to_owned(),
            port: "443".to_owned(),
            status_code: 301,
            ..Redirect::default()
        }),
        rate_limit: Some(RateLimit {
            requests_per_second: 2.5,
            burst: 3,
            per: RateLimitKey::SourceIp,
        }),
        compression: Some(Compression::default()),
    };
    let answers = Rule {
        priority: 30,
        conditions: vec![Condition::PathPattern(values(["/teapot"]))],
        transforms: Vec::new(),
        action: Action::FixedResponse(FixedResponse {
            status_code: 418,
            content_type: "text/plain".to_owned(),
            message_body: "short and stout".to_owned(),
        }),
        rate_limit: None,
        compression: None,
    };
    assert_eq!(rules, [forwards, redirects, answers]);
}

#[test]
fn reference_example_has_three_kinds_of_action() {
    let config = parse(EXAMPLE_WITH_RULES).unwrap();
    let listener = &config.load_balancers["edge"].listeners[0];
    let kinds = listener.rules.iter().map(|rule| match rule.action {
        Action::Forward(_) => "forward",
        Action::Redirect(_) => "redirect",
        Action::FixedResponse(_) => "fixed_response",
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds, ["forward", "redirect", "fixed_response", "forward"]);
}

/// What the reference page says of a key that is absent is what holds.
#[test]
fn documented_defaults_are_those_of_the_balancer() {
    let written = |place: &str| {
        let mut pairs = Vec::new();
        walk(&mut |section, key| {
            let default = match &key.absent {
                Absent::Default(text) => (*text).to_owned(),
                Absent::ByPace(show) => format!("`{}`", show(defaults::Defaults::of(Pace::Fast))),
                Absent::Fault(_) | Absent::OneOf => return,
            };
            if let (true, Some(value)) = (section.place == place, default.strip_prefix('`')) {
                let value = value.split('`').next().unwrap_or_default();
                // Words follow where the default is that of another key.
                if !default.contains("` ") && !default.contains("`,") {
                    pairs.push(format!("{}: {value}", key.name));
                }
            }
        });
        assert!(!pairs.is_empty(), "{place}");
        format!("{{ {} }}", pairs.join(", "))
    };
    let file = |attributes: &str, group: &str, redirect: &str, limit: &str, compression: &str| {
        parse(&format!(
            "version: 1
target_groups: {{ g: {group} }}
load_balancers:
  l:
    attributes: {attributes}
    listeners:
      - port: 80
        rules:
          - priority: 1
            conditions: [ path_pattern: / ]
            rate_limit: {{ requests_per_second: 1, {limit} }}
            compression: {compression}
            action: {{ forward: g }}
        default_action: {{ redirect: {{ path: /elsewhere, {redirect} }} }}
"
        ))
        .unwrap()
    };
    let inner = |mapping: String| mapping.trim_matches(['{', '}', ' ']).to_owned();
    let silent = file("{}", "{}", "", "", "{}");
    let group = format!(
        "{{ {}, queue: {}, retry: {}, health_check: {} }}",
        inner(written("target_groups.NAME")),
        written("target_groups.NAME.queue"),
        written("target_groups.NAME.retry"),
        written("target_groups.NAME.health_check"),
    );
    let redirect = inner(written("ACTION.redirect")).replace("path: \"/#{path}\", ", "");
    let spelt = file(
        &written("load_balancers.NAME.attributes"),
        &group,
        &redirect,
        &inner(written(
            "load_balancers.NAME.listeners[].rules[].rate_limit",
        )),
        &written("load_balancers.NAME.listeners[].rules[].compression"),
    );
    assert_eq!(spelt, silent);
}

/// A file that is right apart from `old`, which becomes `new`.
fn with(old: &str, new: &str) -> String {
    const RIGHT: &str = "\
version: 1
target_groups:
  web: {}
  api: {}
load_balancers:
  l:
    attributes: { idle_timeout: 1m }
    listeners:
      - port: 80
        rules:
          - priority: 1
            conditions: [ path_pattern: /a ]
            action: { forward: web }
          - priority: 2
            conditions: [ path_pattern: /b ]
            action: { redirect: { host: b } }
        default_action: { fixed_response: { status_code: 404 } }
";
    assert!(parse(RIGHT).is_ok() && RIGHT.contains(old), "{old}");
    let faults = parse(&RIGHT.replacen(old, new, 1)).err();
    faults.map_or_else(String::new, |faults| faults.to_string())
}

#[test]
fn mistakes_of_rules_say_where_what_and_what_to_do() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/config/tests/rule_mistakes.txt"
    );
    let mut found = String::new();
    for (old, new) in MISTAKES {
        let faults = with(old, new);
        assert!(!faults.is_empty(), "{new:?} is taken");
        found += &format!("{}\n{faults}\n\n", new.trim());
    }
    if std::env::var_os("MINICLOUD_BLESS").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(path).unwrap());
}

/// What is right, and what is written instead.
const MISTAKES: &[(&str, &str)] = &[
    // Rules.
    ("priority: 2", "priority: 1"),
    ("priority: 2", "priority: 0"),
    ("priority: 2", "priority: first"),
    ("          - priority: 2\n  ", "          - "),
    ("priority: 2", "prioritty: 2"),
    ("            action: { forward: web }\n", ""),
    (
        "            action: { forward: web }",
        "            actions: { forward: web }",
    ),
    ("conditions: [ path_pattern: /a ]", "path_pattern: /a"),
    (
        "conditions: [ path_pattern: /a ]",
        "conditions: { path_pattern: /a }",
    ),
    ("conditions: [ path_pattern: /a ]", "conditions: []"),
    ("rules:\n", "rules: none\n        x:\n"),
    // Conditions.
    ("path_pattern: /a", "pathpattern: /a"),
    ("path_pattern: /a", "path: /a"),
    ("path_pattern: /a", "{ path_pattern: /a, host_header: b }"),
    ("path_pattern: /a", "{}"),
    ("path_pattern: /a", "path_pattern: /a b"),
    ("path_pattern: /a", "path_pattern: [/a, 5]"),
    ("path_pattern: /a", "path_pattern: []"),
    ("path_pattern: /a", "path_pattern: /a, path_pattern: /b"),
    ("path_pattern: /a", "path_pattern: [/1, /2, /3, /4, /5, /6]"),
    (
        "path_pattern: /a",
        "path_pattern: { regex_values: ['/a', '/(b'] }",
    ),
    ("path_pattern: /a", "path_pattern: { regexvalues: '/(b' }"),
    (
        "path_pattern: /a",
        "path_pattern: { regex_values: '(a{1000}){1000}' }",
    ),
    ("path_pattern: /a", "host_header: *.example.com"),
    ("path_pattern: /a", "host_header: a.example.com:80"),
    ("path_pattern: /a", "http_header: { values: a }"),
    (
        "path_pattern: /a",
        "http_header: { http_header_name: \"a b\", values: a }",
    ),
    ("path_pattern: /a", "http_request_method: [GET, post]"),
    ("path_pattern: /a", "http_request_method: { values: GET }"),
    ("path_pattern: /a", "query_string: version=v1"),
    ("path_pattern: /a", "query_string: { key: version }"),
    ("path_pattern: /a", "source_ip: 10.0.0.0/33"),
    ("path_pattern: /a", "source_ip: [10.1.2.3/8, here]"),
    // A mistake in one does not hide that in another.
    (
        "path_pattern: /a",
        "source_ip: here, path_pattern: { regex_values: '(' }",
    ),
    // Actions.
    ("forward: web", "forward: wbe"),
    ("forward: web", "forwrad: web"),
    ("forward: web", "forward: web, redirect: { host: b }"),
    ("forward: web", ""),
    ("forward: web", "forward: { target_groups: [] }"),
    (
        "forward: web",
        "forward: { target_groups: [{ target_group: web, weight: 0 }, { target_group: api, weight: 0 }] }",
    ),
    (
        "forward: web",
        "forward: { target_groups: [{ target_group: web, weight: 1000 }, { target_group: apj }] }",
    ),
    (
        "forward: web",
        "forward: { target_groups: [{ target_group: web }, { target_group: web }] }",
    ),
    (
        "forward: web",
        "forward: { target_groups: [{ target_group: web }], stickiness: 8d }",
    ),
    ("redirect: { host: b }", "redirect: { query: a }"),
    ("redirect: { host: b }", "redirect: { host: #{host} }"),
    (
        "redirect: { host: b }",
        "redirect: { host: \"#{hots}\", status_code: 307 }",
    ),
    (
        "redirect: { host: b }",
        "redirect: { protocol: https, port: 70000, path: b }",
    ),
    ("redirect: { host: b }", "redirect: { url: https://b/ }"),
    ("status_code: 404", "status_code: 99"),
    ("status_code: 404", "status_code: 204, message_body: text"),
    (
        "status_code: 404",
        "status_code: 404, content_type: image/png",
    ),
    (
        "default_action: { fixed_response: { status_code: 404 } }",
        "default_action: { redirect: {} }",
    ),
    // What else a rule has.
    (
        "action: { forward: web }",
        "action: { forward: web }\n            rate_limit: { requests_per_second: 0, burst: 0, per: ip }",
    ),
    (
        "action: { forward: web }",
        "action: { forward: web }\n            rate_limit: 10",
    ),
    (
        "action: { forward: web }",
        "action: { forward: web }\n            compression: yes",
    ),
    (
        "action: { forward: web }",
        "action: { forward: web }\n            compression: { level: 10, min_bytes: 1000 }",
    ),
    (
        "action: { forward: web }",
        "action: { forward: web }\n            transforms: [ url_rewrite: { regex: '(', replace: / } ]",
    ),
    (
        "action: { forward: web }",
        "action: { forward: web }\n            transforms: [ url_rewrite: { regex: /a, replace: \"$1\" } ]",
    ),
    (
        "action: { redirect: { host: b } }",
        "action: { redirect: { host: b } }\n            transforms: [ url_rewrite: { regex: /a, replace: /b } ]",
    ),
    // Attributes of the load balancer.
    ("idle_timeout: 1m", "idle_timeout: 60"),
    ("idle_timeout: 1m", "idle_timeout: 2h"),
    ("idle_timeout: 1m", "desync_mitigation_mode: strict"),
    (
        "idle_timeout: 1m",
        "routing.http.desync_mitigation_mode: monitor",
    ),
    ("idle_timeout: 1m", "xff_header_processing_mode: replace"),
    (
        "idle_timeout: 1m",
        "trusted_networks: [10.0.0.0/8, 10.0.0.1/8, \"fd00::/129\"]",
    ),
    (
        "idle_timeout: 1m",
        "max_request_body: 10MB, min_body_rate: 240",
    ),
    ("idle_timeout: 1m", "max_connections_per_client: 0"),
    // Attributes of target groups.
    (
        "web: {}",
        "web: { load_balancing_algorithm_type: least_conn }",
    ),
    (
        "web: {}",
        "web: { load_balancing_algorithm_type: consistent_hash }",
    ),
    (
        "web: {}",
        "web: { load_balancing_algorithm_type: { consistent_hash: cookie } }",
    ),
    (
        "web: {}",
        "web: { load_balancing_algorithm_type: { consistent_hash: { http_header: \"a b\" } }, stickiness: on }",
    ),
    (
        "web: {}",
        "web: { load_balancing.algorithm.anomaly_mitigation: off }",
    ),
    ("web: {}", "web: { slow_start: 16m, upgrade_grace: 2h }"),
    (
        "web: {}",
        "web: { stickiness: { lb_cookie: {}, app_cookie: {} } }",
    ),
    (
        "web: {}",
        "web: { stickiness: { app_cookie: { cookie_name: AWSALB, duration: 8h } } }",
    ),
    ("web: {}", "web: { stickiness: { duration: 1h } }"),
    (
        "web: {}",
        "web: { minimum_healthy_targets: 0, max_requests_per_target: 0 }",
    ),
    (
        "web: {}",
        "web: { queue: { max_requests: 100001, max_wait: 10m }, retry: { attempts: 0, budget_percent: 20% } }",
    ),
    (
        "web: {}",
        "web: { health_check: { protocol: tcp, path: /health, matcher: 200 } }",
    ),
    ("web: {}", "web: { health_check: { protocol: udp } }"),
];

/// The ends of our ranges are within the balancer's own.
#[test]
fn balancer_takes_the_ends_of_all_ranges() {
    for (old, new) in [
        ("priority: 2", "priority: 50000"),
        (
            "idle_timeout: 1m",
            "idle_timeout: 1s, client_keep_alive: 1s, max_connections_per_client: 1",
        ),
        (
            "idle_timeout: 1m",
            "idle_timeout: 4000s, client_keep_alive: 168h, max_connections_per_client: 65535",
        ),
        (
            "forward: web",
            "forward: { target_groups: [{ target_group: web, weight: 999 }], target_group_stickiness: 168h }",
        ),
        (
            "redirect: { host: b }",
            "fixed_response: { status_code: 200 }",
        ),
        (
            "redirect: { host: b }",
            "fixed_response: { status_code: 599 }",
        ),
        (
            "redirect: { host: b }",
            "redirect: { host: b, status_code: 301 }",
        ),
        (
            "action: { forward: web }",
            "action: { forward: web }\n            rate_limit: { requests_per_second: 1000000, burst: 1 }",
        ),
        (
            "action: { forward: web }",
            "action: { forward: web }\n            compression: { level: 1 }",
        ),
        (
            "action: { forward: web }",
            "action: { forward: web }\n            compression: { level: 9 }",
        ),
        (
            "web: {}",
            "web: { slow_start: 15m, minimum_healthy_targets: 1000, upgrade_grace: 1h, stickiness: { lb_cookie: { duration: 168h } } }",
        ),
        (
            "web: {}",
            "web: { minimum_healthy_targets: 1, max_requests_per_target: 1, stickiness: { lb_cookie: { duration: 1s } } }",
        ),
        (
            "web: {}",
            "web: { queue: { max_requests: 100000, max_wait: 5m }, retry: { attempts: 10, budget_percent: 100 } }",
        ),
        (
            "web: {}",
            "web: { queue: { max_requests: 0, max_wait: 0s }, retry: { attempts: 1, budget_percent: 0 } }",
        ),
    ] {
        assert_eq!(with(old, new), "", "{new}");
    }
}
