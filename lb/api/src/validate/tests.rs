use std::time::Duration;

use super::*;
use crate::{
    Action, Condition, FixedResponse, Forward, HashKey, LoadBalancingAlgorithm, Patterns,
    QueryStringKeyValuePair, Redirect, Rewrite, Stickiness, TargetGroupAttributes,
    TargetGroupTuple,
};

fn rule() -> Rule {
    Rule {
        priority: 10,
        conditions: vec![Condition::PathPattern(values(&["/api/*"]))],
        transforms: Vec::new(),
        action: Action::forward("web"),
        rate_limit: None,
        compression: None,
    }
}

fn values(values: &[&str]) -> Patterns {
    Patterns {
        values: values.iter().map(|&value| value.to_owned()).collect(),
        regex_values: Vec::new(),
    }
}

fn regexes(regexes: &[&str]) -> Patterns {
    Patterns {
        values: Vec::new(),
        regex_values: values(regexes).values,
    }
}

fn header(name: &str, patterns: Patterns) -> Condition {
    Condition::HttpHeader {
        http_header_name: name.to_owned(),
        patterns,
    }
}

fn query(key: Option<&str>, value: &str) -> Condition {
    Condition::QueryString(vec![QueryStringKeyValuePair {
        key: key.map(str::to_owned),
        value: value.to_owned(),
    }])
}

fn with_conditions(conditions: Vec<Condition>) -> Rule {
    Rule {
        conditions,
        ..rule()
    }
}

fn with_action(action: Action) -> Rule {
    Rule { action, ..rule() }
}

fn paths(result: Result<(), Vec<RuleFault>>) -> Vec<String> {
    let faults = result.err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.path).collect()
}

#[test]
fn good_conditions_pass() {
    for condition in [
        Condition::HostHeader(values(&["*.example.com", "localhost", "[::1]"])),
        Condition::HostHeader(regexes(&[r"(api|www)\.example\.com"])),
        Condition::PathPattern(values(&["/a?c/*", "*.png"])),
        header("X-Version", values(&["v1", "two words"])),
        Condition::HttpRequestMethod(vec!["GET".to_owned(), "M-SEARCH".to_owned()]),
        query(Some("version"), "v*"),
        query(None, r"\*\*\*\*\*\*"),
        Condition::SourceIp(vec!["10.0.0.0/8".parse().unwrap(), "::/0".parse().unwrap()]),
    ] {
        let rule = with_conditions(vec![condition]);
        assert_eq!(rule.validate(), Ok(()), "{:?}", rule.conditions);
    }
}

#[test]
fn bad_values_are_named() {
    let long = "a".repeat(129);
    let method = |method: &str| Condition::HttpRequestMethod(vec![method.to_owned()]);
    for (condition, path) in [
        (
            Condition::HostHeader(values(&["a", "b:80"])),
            "host_header.values[1]",
        ),
        (
            Condition::HostHeader(values(&["::1"])),
            "host_header.values[0]",
        ),
        (
            Condition::HostHeader(values(&["http://a"])),
            "host_header.values[0]",
        ),
        (
            Condition::HostHeader(values(&["a b"])),
            "host_header.values[0]",
        ),
        (Condition::HostHeader(values(&[])), "host_header"),
        (
            Condition::PathPattern(values(&[""])),
            "path_pattern.values[0]",
        ),
        (
            Condition::PathPattern(values(&["/a\r\n"])),
            "path_pattern.values[0]",
        ),
        (
            Condition::PathPattern(values(&["/a#b"])),
            "path_pattern.values[0]",
        ),
        (
            Condition::PathPattern(values(&[&long])),
            "path_pattern.values[0]",
        ),
        (
            Condition::PathPattern(regexes(&["a", "("])),
            "path_pattern.regex_values[1]",
        ),
        (
            Condition::PathPattern(regexes(&[&long])),
            "path_pattern.regex_values[0]",
        ),
        (
            header("host", values(&["a"])),
            "http_header.http_header_name",
        ),
        (
            header("x y", values(&["a"])),
            "http_header.http_header_name",
        ),
        (header("", values(&["a"])), "http_header.http_header_name"),
        (header("x", values(&["a\n"])), "http_header.values[0]"),
        (method("get"), "http_request_method[0]"),
        (method("GE*"), "http_request_method[0]"),
        (method(""), "http_request_method[0]"),
        (query(Some(""), "a"), "query_string[0].key"),
        (query(None, ""), "query_string[0].value"),
        (
            Condition::SourceIp(vec!["::ffff:10.0.0.0/104".parse().unwrap()]),
            "source_ip[0]",
        ),
    ] {
        let rule = with_conditions(vec![condition]);
        let expected = [format!("conditions[0].{path}")];
        assert_eq!(paths(rule.validate()), expected, "{:?}", rule.conditions);
    }
}

#[test]
fn conditions_are_counted() {
    let path = |path| Condition::PathPattern(values(&[path]));
    assert_eq!(paths(with_conditions(vec![]).validate()), ["conditions"]);
    let twice = with_conditions(vec![path("/a"), path("/b")]);
    assert_eq!(paths(twice.validate()), ["conditions[1].path_pattern"]);
    let headers = vec![header("a", values(&["1"])), header("a", values(&["2"]))];
    assert_eq!(with_conditions(headers).validate(), Ok(()));
    let five = ["/1", "/2", "/3", "/4", "/5"];
    let full = |more: Vec<Condition>| {
        let mut conditions = vec![Condition::PathPattern(values(&five))];
        conditions.extend(more);
        with_conditions(conditions)
    };
    assert_eq!(full(vec![]).validate(), Ok(()));
    let six = full(vec![query(None, "a")]);
    assert_eq!(paths(six.validate()), ["conditions"]);
    let wild = |pattern| paths(with_conditions(vec![path(pattern)]).validate());
    assert!(wild("/*?*?*").is_empty());
    assert_eq!(wild("/*?*?*?"), ["conditions"]);
}

#[test]
fn bad_forwards_are_refused() {
    let tuple = |target_group: &str, weight| TargetGroupTuple {
        target_group: target_group.to_owned(),
        weight,
    };
    let forward = |target_groups, stickiness| {
        let target_group_stickiness = Duration::from_secs(stickiness);
        let action = Action::Forward(Forward {
            target_groups,
            target_group_stickiness,
        });
        paths(with_action(action).validate())
    };
    assert!(forward(vec![tuple("a", 0), tuple("b", 999)], 604_800).is_empty());
    assert_eq!(forward(vec![], 0), ["action.forward.target_groups"]);
    let six = (0..6).map(|at| tuple(&at.to_string(), 1)).collect();
    assert_eq!(forward(six, 0), ["action.forward.target_groups"]);
    assert_eq!(
        forward(vec![tuple("a", 1000), tuple("a", 1), tuple("", 1)], 604_801),
        [
            "action.forward.target_groups[0].weight",
            "action.forward.target_groups[1].target_group",
            "action.forward.target_groups[2].target_group",
            "action.forward.target_group_stickiness_seconds",
        ]
    );
}

#[test]
fn bad_redirects_are_refused() {
    let check = |redirect| paths(with_action(Action::Redirect(redirect)).validate());
    let base = || Redirect {
        protocol: "HTTPS".to_owned(),
        ..Redirect::default()
    };
    assert!(check(base()).is_empty());
    assert_eq!(check(Redirect::default()), ["action.redirect"]);
    let query = "#{query}&again=1".to_owned();
    assert_eq!(
        check(Redirect {
            query,
            ..Redirect::default()
        }),
        ["action.redirect"]
    );
    let protocol = "HTTP".to_owned();
    assert_eq!(
        check(Redirect {
            protocol,
            ..Redirect::default()
        }),
        ["action.redirect"]
    );
    for protocol in ["https", "", "ftp", "#{host}"] {
        let protocol = protocol.to_owned();
        assert!(
            check(Redirect { protocol, ..base() }).contains(&"action.redirect.protocol".to_owned())
        );
    }
    for host in ["", "a/b", "a:80", "#{path}", "a b", "user@a", "a\r\nb"] {
        let host = host.to_owned();
        assert_eq!(check(Redirect { host, ..base() }), ["action.redirect.host"]);
    }
    for port in ["", "0", "65536", "+80", "https", "1#{port}"] {
        let port = port.to_owned();
        assert_eq!(check(Redirect { port, ..base() }), ["action.redirect.port"]);
    }
    for path in [
        "",
        "a",
        "/a?b",
        "/#a",
        "/#{query}",
        "/#{hots}",
        "/a\n",
        "/ü",
    ] {
        let path = path.to_owned();
        assert_eq!(check(Redirect { path, ..base() }), ["action.redirect.path"]);
    }
    for query in ["?a", "a b", "#{x}", "a#b"] {
        let query = query.to_owned();
        assert_eq!(
            check(Redirect { query, ..base() }),
            ["action.redirect.query"]
        );
    }
    let found = Redirect {
        status_code: 307,
        ..base()
    };
    assert_eq!(check(found), ["action.redirect.status_code"]);
}

#[test]
fn bad_fixed_responses_are_refused() {
    let check = |status_code, content_type: &str, body: usize| {
        let response = FixedResponse {
            status_code,
            content_type: content_type.to_owned(),
            message_body: "a".repeat(body),
        };
        paths(with_action(Action::FixedResponse(response)).validate())
    };
    assert!(check(200, "", 0).is_empty() && check(599, "text/plain", 1024).is_empty());
    for status in [100, 199, 301, 304, 600, 0] {
        assert_eq!(check(status, "", 0), ["action.fixed_response.status_code"]);
    }
    for content_type in ["text/xml", "text/plain\r\nx: y", "TEXT/PLAIN"] {
        assert_eq!(
            check(200, content_type, 0),
            ["action.fixed_response.content_type"]
        );
    }
    assert_eq!(check(200, "", 1025), ["action.fixed_response.message_body"]);
    assert_eq!(check(204, "", 1), ["action.fixed_response.message_body"]);
}

#[test]
fn bad_transforms_are_refused() {
    let rewrite = |regex: &str, replace: &str| Rewrite {
        regex: regex.to_owned(),
        replace: replace.to_owned(),
    };
    let check = |transforms| {
        paths(
            Rule {
                transforms,
                ..rule()
            }
            .validate(),
        )
    };
    let url = |regex, replace| Transform::UrlRewrite(rewrite(regex, replace));
    let host = |regex, replace| Transform::HostHeaderRewrite(rewrite(regex, replace));
    assert!(check(vec![url("^/a/(.*)", "/$1"), host("a", "b$")]).is_empty());
    assert_eq!(
        check(vec![url("a", "/"), url("b", "/")]),
        ["transforms[1].url_rewrite"]
    );
    assert_eq!(
        check(vec![host("(", "a"), url("(a)", "$2")]),
        [
            "transforms[0].host_header_rewrite.regex",
            "transforms[1].url_rewrite.replace",
        ]
    );
    let long = "a".repeat(1025);
    for (regex, replace, field) in [
        ("", "/", "regex"),
        (&*long, "/", "regex"),
        ("a", "/\r\n", "replace"),
        ("a", "/ ", "replace"),
        ("a", "$0", "replace"),
        ("a", &*long, "replace"),
    ] {
        let expected = format!("transforms[0].url_rewrite.{field}");
        assert_eq!(check(vec![url(regex, replace)]), [expected]);
    }
    let redirect = Action::Redirect(Redirect {
        protocol: "HTTPS".to_owned(),
        ..Redirect::default()
    });
    let inert = Rule {
        transforms: vec![url("a", "/")],
        ..with_action(redirect)
    };
    assert_eq!(paths(inert.validate()), ["transforms"]);
}

#[test]
fn limits_and_compression_have_ranges() {
    let limit = |requests_per_second, burst| {
        let rate_limit = RateLimit {
            requests_per_second,
            burst,
            per: Default::default(),
        };
        paths(
            Rule {
                rate_limit: Some(rate_limit),
                ..rule()
            }
            .validate(),
        )
    };
    assert!(limit(0.1, 1).is_empty());
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(limit(rate, 1), ["rate_limit.requests_per_second"], "{rate}");
    }
    assert_eq!(limit(1.0, 0), ["rate_limit.burst"]);
    for (level, good) in [(0, false), (1, true), (9, true), (10, false)] {
        let compression = Some(Compression {
            level,
            ..Compression::default()
        });
        let faults = paths(
            Rule {
                compression,
                ..rule()
            }
            .validate(),
        );
        assert_eq!(faults.is_empty(), good, "{level}");
    }
}

#[test]
fn listener_names_the_rule_at_fault() {
    let mut listener = Listener {
        load_balancer: "demo".to_owned(),
        port: 8080,
        rules: vec![
            rule(),
            Rule {
                priority: 0,
                ..rule()
            },
            rule(),
        ],
        default_action: Action::Redirect(Redirect::default()),
        attributes: Default::default(),
    };
    listener.attributes.idle_timeout = Duration::ZERO;
    assert_eq!(
        paths(listener.validate()),
        [
            "default_action.redirect",
            "rules[1].priority",
            "rules[2].priority",
            "attributes.idle_timeout_seconds",
        ]
    );
    listener.rules = (1..=101)
        .map(|priority| Rule { priority, ..rule() })
        .collect();
    assert!(paths(listener.validate()).contains(&"rules".to_owned()));
}

#[test]
fn target_group_attributes_have_ranges() {
    let default = TargetGroupAttributes::default();
    assert_eq!(default.validate(), Ok(()));
    let mut attributes = TargetGroupAttributes {
        load_balancing_algorithm_type: LoadBalancingAlgorithm::ConsistentHash(HashKey::HttpHeader(
            "a b".to_owned(),
        )),
        slow_start: Duration::from_secs(901),
        stickiness: Some(Stickiness::AppCookie {
            cookie_name: "AWSALB".to_owned(),
            duration: Duration::ZERO,
        }),
        minimum_healthy_targets: 0,
        max_requests_per_target: Some(0),
        upgrade_grace: Duration::from_secs(3601),
        ..default
    };
    attributes.queue.max_requests = 100_001;
    attributes.queue.max_wait = Duration::from_secs(301);
    attributes.retry.attempts = 0;
    attributes.retry.budget_percent = 101;
    assert_eq!(
        paths(attributes.validate()),
        [
            "slow_start_seconds",
            "minimum_healthy_targets",
            "max_requests_per_target",
            "upgrade_grace_seconds",
            "load_balancing_algorithm_type.consistent_hash.http_header",
            "stickiness.app_cookie.duration_seconds",
            "stickiness.app_cookie.cookie_name",
            "queue.max_requests",
            "queue.max_wait_seconds",
            "retry.attempts",
            "retry.budget_percent",
        ]
    );
}
