use std::{net::Ipv4Addr, time::Duration};

use minicloud_lb_api::{
    Condition, Forward, LoadBalancerAttributes, Patterns, QueryStringKeyValuePair, RateLimitKey,
    Rewrite, Transform,
};
use proptest::prelude::*;

use super::{explain::Unmet, *};

/// Fields with names in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, &'static [u8])>);

impl Headers for Fields {
    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let named = move |field: &&(&str, &'a [u8])| field.0.as_bytes() == name;
        self.0.iter().filter(named).map(|&(_, value)| value)
    }
}

/// `GET http://www.example.com:8080/`.
pub(super) fn request() -> RequestView<'static, Fields> {
    RequestView {
        method: b"GET",
        host: b"www.example.com:8080",
        path: b"/",
        query: None,
        source_ip: Ipv4Addr::new(192, 0, 2, 1).into(),
        headers: Fields::default(),
        is_https: false,
        port: 8080,
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

fn header(patterns: Patterns) -> Condition {
    Condition::HttpHeader {
        http_header_name: "X-Version".to_owned(),
        patterns,
    }
}

fn query(pairs: &[(Option<&str>, &str)]) -> Condition {
    let pair = |&(key, value): &(Option<&str>, &str)| QueryStringKeyValuePair {
        key: key.map(str::to_owned),
        value: value.to_owned(),
    };
    Condition::QueryString(pairs.iter().map(pair).collect())
}

fn rule(priority: u32, conditions: Vec<Condition>) -> Rule {
    Rule {
        priority,
        conditions,
        transforms: Vec::new(),
        action: Action::forward(format!("group-{priority}")),
        rate_limit: None,
        compression: None,
    }
}

fn listener(rules: Vec<Rule>) -> Listener {
    Listener {
        load_balancer: "demo".to_owned(),
        port: 8080,
        rules,
        default_action: Action::forward("web"),
        attributes: LoadBalancerAttributes::default(),
    }
}

fn compile(rules: Vec<Rule>) -> RuleSet {
    RuleSet::compile(&listener(rules)).unwrap()
}

fn matches(condition: Condition, request: &RequestView<'_, Fields>) -> bool {
    let rules = compile(vec![rule(1, vec![condition])]);
    rules.find(request).priority == Some(1)
}

#[test]
fn hosts_match_without_port_and_case() {
    let names = |names: &[&str]| Condition::HostHeader(values(names));
    let regex = |regex: &str| Condition::HostHeader(regexes(&[regex]));
    let table: [(Condition, &[u8], bool); 16] = [
        (names(&["www.example.com"]), b"www.example.com", true),
        (names(&["www.example.com"]), b"WWW.Example.COM:8080", true),
        (names(&["WWW.EXAMPLE.com"]), b"www.example.com:1", true),
        (names(&["*.example.com"]), b"a.b.EXAMPLE.com:80", true),
        (names(&["*.example.com"]), b"example.com", false),
        (names(&["*.example.com"]), b"example.com.evil.test", false),
        (
            names(&["*.example.com"]),
            b"evil.test:80.example.com",
            false,
        ),
        (names(&["a", "b"]), b"b", true),
        (names(&["[::1]"]), b"[::1]:8080", true),
        (names(&["[::*]"]), b"[::1]", true),
        (names(&["[::1]"]), b"[::1].example.com", false),
        (names(&["*"]), b"", true),
        (names(&["?"]), b"\xff", true),
        (
            regex("(api|www)[.]example[.]com"),
            b"API.example.com:80",
            true,
        ),
        (regex("example[.]com"), b"www.example.com", false),
        (regex("example[.]com"), b"example.com\n", false),
    ];
    for (condition, host, expected) in table {
        let request = RequestView { host, ..request() };
        let text = host.escape_ascii();
        assert_eq!(
            matches(condition.clone(), &request),
            expected,
            "{condition:?} {text}"
        );
    }
}

#[test]
fn paths_match_with_case() {
    let paths = |paths: &[&str]| Condition::PathPattern(values(paths));
    let regex = |regex: &str| Condition::PathPattern(regexes(&[regex]));
    let table: [(Condition, &[u8], bool); 14] = [
        (paths(&["/api/*"]), b"/api/v1", true),
        (paths(&["/api/*"]), b"/api/", true),
        (paths(&["/api/*"]), b"/api", false),
        (paths(&["/api/*"]), b"/API/v1", false),
        (paths(&["/api", "/api/*"]), b"/api", true),
        (paths(&["*.png"]), b"/a/b.png", true),
        (paths(&["/a?c"]), b"/abc", true),
        (paths(&["/a?c"]), b"/ac", false),
        // As it was sent: nothing is decoded.
        (paths(&["/api/*"]), b"/%61pi/v1", false),
        (paths(&["/api/*"]), b"*", false),
        (paths(&["/*"]), b"/\xff\0\r\n", true),
        (regex("/v[0-9]+/.*"), b"/v12/a/b", true),
        (regex("/v[0-9]+"), b"/v1/", false),
        (regex("/V1"), b"/v1", false),
    ];
    for (condition, path, expected) in table {
        let request = RequestView { path, ..request() };
        let text = path.escape_ascii();
        assert_eq!(
            matches(condition.clone(), &request),
            expected,
            "{condition:?} {text}"
        );
    }
}

#[test]
fn one_of_a_headers_values_is_enough() {
    let table: [(Condition, &[&'static str], bool); 7] = [
        (header(values(&["v2"])), &["V2"], true),
        (header(values(&["v2"])), &["v1", "v2"], true),
        (header(values(&["v2"])), &["v1, v2"], false),
        (header(values(&["*v2*"])), &["v1, v2"], true),
        (header(values(&["*"])), &[], false),
        (header(values(&["*"])), &[""], true),
        (header(regexes(&["v[12]"])), &["V2"], true),
    ];
    for (condition, sent, expected) in table {
        let fields = |name| sent.iter().map(move |value| (name, value.as_bytes()));
        let request = |name| RequestView {
            headers: Fields(fields(name).collect()),
            ..request()
        };
        let matched = matches(condition.clone(), &request("x-version"));
        assert_eq!(matched, expected, "{condition:?} {sent:?}");
        assert!(!matches(condition, &request("x-other")), "{sent:?}");
    }
}

#[test]
fn methods_match_as_written() {
    let methods = ["GET", "M-SEARCH"].map(str::to_owned).to_vec();
    let table: [(&[u8], bool); 6] = [
        (b"GET", true),
        (b"M-SEARCH", true),
        (b"get", false),
        (b"GETX", false),
        (b"POST", false),
        (b"", false),
    ];
    for (method, expected) in table {
        let request = RequestView {
            method,
            ..request()
        };
        let condition = Condition::HttpRequestMethod(methods.clone());
        assert_eq!(matches(condition, &request), expected, "{method:?}");
    }
}

#[test]
fn queries_match_decoded_members() {
    let one = |key, value| query(&[(key, value)]);
    let table: [(Condition, Option<&[u8]>, bool); 22] = [
        (one(Some("version"), "v1"), Some(b"version=v1"), true),
        (one(Some("version"), "v1"), Some(b"a=b&VERSION=V1"), true),
        (
            one(Some("version"), "v1"),
            Some(b"version=v2&version=v1"),
            true,
        ),
        (one(Some("version"), "v1"), Some(b"version=v12"), false),
        (one(Some("version"), "v1"), Some(b"other=v1"), false),
        (one(Some("version"), "v1"), None, false),
        (one(None, "v1"), Some(b"any=v1"), true),
        (one(None, "v1"), Some(b"=v1"), true),
        (one(None, "v1"), Some(b"v1"), false),
        (one(Some("v1"), "*"), Some(b"v1"), true),
        (one(None, "*"), Some(b""), false),
        (one(None, "*"), Some(b"&&"), false),
        (one(None, "a b"), Some(b"q=a%20b"), true),
        (one(None, "a b"), Some(b"q=a+b"), false),
        (one(Some("k&"), "="), Some(b"k%26=%3D"), true),
        (one(Some("k"), "%41"), Some(b"k=%2541"), true),
        (one(Some("k"), "a=b"), Some(b"k=a=b"), true),
        (one(Some("k"), r"\*"), Some(b"k=*"), true),
        (one(Some("k"), r"\*"), Some(b"k=a"), false),
        (one(Some("k"), "?"), Some(b"k=%ff"), true),
        (one(Some("k*"), "?b*"), Some(b"key=%61%62%63"), true),
        (
            query(&[(Some("a"), "1"), (Some("b"), "2")]),
            Some(b"b=2"),
            true,
        ),
    ];
    for (condition, query, expected) in table {
        let request = RequestView { query, ..request() };
        let text = query.unwrap_or_default().escape_ascii();
        assert_eq!(
            matches(condition.clone(), &request),
            expected,
            "{condition:?} {text}"
        );
    }
}

#[test]
fn sources_match_networks() {
    let networks = |networks: &[&str]| {
        let networks = networks.iter().map(|network| network.parse().unwrap());
        Condition::SourceIp(networks.collect())
    };
    for (condition, source, expected) in [
        (networks(&["10.0.0.0/8"]), "10.255.0.1", true),
        (networks(&["10.0.0.7/8"]), "10.255.0.1", true),
        (networks(&["10.0.0.0/8"]), "11.0.0.1", false),
        (networks(&["10.0.0.0/8"]), "::ffff:10.0.0.1", true),
        (
            networks(&["10.0.0.0/8", "2001:db8::/32"]),
            "2001:db8::1",
            true,
        ),
        (networks(&["2001:db8::/32"]), "2001:db9::1", false),
        (networks(&["0.0.0.0/0"]), "::1", false),
        (networks(&["::/0"]), "::1", true),
    ] {
        let request = RequestView {
            source_ip: source.parse().unwrap(),
            ..request()
        };
        assert_eq!(
            matches(condition.clone(), &request),
            expected,
            "{condition:?} {source}"
        );
    }
}

#[test]
fn lowest_priority_that_matches_takes() {
    let path = |path| Condition::PathPattern(values(&[path]));
    let get = || Condition::HttpRequestMethod(vec!["GET".to_owned()]);
    let rules = compile(vec![
        rule(50_000, vec![path("/*")]),
        rule(20, vec![path("/api/*")]),
        rule(3, vec![path("/api/*"), get()]),
    ]);
    let find = |method, path| {
        let request = RequestView {
            method,
            path,
            ..request()
        };
        rules.find(&request).label.clone()
    };
    assert_eq!(find(b"GET", b"/api/a"), "3");
    assert_eq!(find(b"PUT", b"/api/a"), "20");
    assert_eq!(find(b"PUT", b"/"), "50000");
    assert_eq!(find(b"OPTIONS", b"*"), "default");
    let places: Vec<_> = rules
        .iter()
        .map(|rule| (rule.index, &*rule.label))
        .collect();
    assert_eq!(places, [(0, "3"), (1, "20"), (2, "50000"), (3, "default")]);
}

#[test]
fn every_bad_rule_is_reported() {
    let path = |path| vec![Condition::PathPattern(values(&[path]))];
    let mut bad = listener(vec![
        rule(7, path("/a")),
        rule(8, vec![Condition::PathPattern(regexes(&["("]))]),
        rule(0, path("/a")),
        rule(7, path("/a")),
    ]);
    bad.default_action = Action::Redirect(minicloud_lb_api::Redirect::default());
    let errors = RuleSet::compile(&bad).unwrap_err();
    let places: Vec<_> = errors
        .iter()
        .map(|error| (error.priority, &*error.fault.path))
        .collect();
    assert_eq!(
        places,
        [
            (None, "default_action.redirect"),
            (Some(8), "conditions[0].path_pattern.regex_values[0]"),
            (Some(0), "priority"),
            (Some(7), "priority"),
        ]
    );
    assert_eq!(
        errors[1].to_string(),
        "rule 8: conditions[0].path_pattern.regex_values[0]: not a regular expression: unclosed group"
    );
}

#[test]
fn what_validation_lets_pass_compiles() {
    let rewrite = |regex: &str, replace: &str| Rewrite {
        regex: regex.to_owned(),
        replace: replace.to_owned(),
    };
    let transforms = vec![
        Transform::HostHeaderRewrite(rewrite("a", "b")),
        Transform::UrlRewrite(rewrite("(?x) ^/a # b", "/$$")),
    ];
    for regex in [
        "(?x) a # b",
        "(?i)a|b",
        "(?m)^a$",
        "",
        "a)(b",
        "(?-u:\\xff)",
        "[a&&b]",
    ] {
        let conditions = vec![Condition::PathPattern(regexes(&[regex]))];
        let transforms = transforms.clone();
        let listener = listener(vec![Rule {
            transforms,
            ..rule(1, conditions)
        }]);
        // No panic is what counts: refused or compiled.
        assert_eq!(
            RuleSet::compile(&listener).is_ok(),
            listener.validate().is_ok(),
            "{regex}"
        );
    }
}

#[test]
fn explain_names_what_is_unmet() {
    let rules = compile(vec![
        rule(
            1,
            vec![
                Condition::PathPattern(values(&["/*"])),
                header(values(&["v2"])),
                Condition::HostHeader(regexes(&["api[.].*"])),
            ],
        ),
        rule(2, vec![Condition::PathPattern(values(&["/a*"]))]),
        rule(3, vec![Condition::PathPattern(values(&["/*"]))]),
        rule(4, vec![query(&[(None, "x"), (Some("k"), "v")])]),
    ]);
    let headers = Fields(vec![("x-version", b"v1"), ("x-version", b"\x1b[2J")]);
    let request = RequestView {
        path: b"/abc",
        query: Some(b"q=1"),
        headers,
        ..request()
    };
    let unmet = |index, field, wanted: &str, found: &str| Unmet {
        index,
        field,
        wanted: wanted.to_owned(),
        found: found.to_owned(),
    };
    let verdicts: Vec<_> = rules.explain(&request).into_iter().collect();
    let considered = |priority: Option<u32>, label, verdict| Considered {
        priority,
        label,
        verdict,
    };
    assert_eq!(
        verdicts,
        [
            considered(
                Some(1),
                "1",
                Verdict::Unmet(vec![
                    unmet(1, "http_header", "X-Version: v2", r"v1, \x1b[2J"),
                    unmet(2, "host_header", "regex api[.].*", "www.example.com"),
                ])
            ),
            considered(Some(2), "2", Verdict::Takes),
            considered(Some(3), "3", Verdict::ComesLater),
            considered(
                Some(4),
                "4",
                Verdict::Unmet(vec![unmet(0, "query_string", "*=x or k=v", "q=1")])
            ),
            considered(None, "default", Verdict::ComesLater),
        ]
    );
}

#[test]
fn fixed_response_keeps_what_it_is_told() {
    let response = |content_type: &str, message_body: &str| {
        let compiled = FixedResponse::new(&minicloud_lb_api::FixedResponse {
            status_code: 503,
            content_type: content_type.to_owned(),
            message_body: message_body.to_owned(),
        });
        assert_eq!(
            (compiled.status, &*compiled.body),
            (503, message_body.as_bytes())
        );
        compiled.content_type
    };
    assert_eq!(response("", ""), None);
    assert_eq!(
        response("", "<b>").as_deref(),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(response("text/html", "").as_deref(), Some("text/html"));
}

#[test]
fn rule_keeps_what_else_it_asks() {
    let rate_limit = Some(RateLimit {
        requests_per_second: 2.5,
        burst: 5,
        per: RateLimitKey::Rule,
    });
    let compression = Some(Compression::default());
    let forward = Forward {
        target_group_stickiness: Duration::from_secs(60),
        ..Forward::to("blue")
    };
    let rules = compile(vec![Rule {
        rate_limit: rate_limit.clone(),
        compression: compression.clone(),
        action: Action::Forward(forward),
        ..rule(1, vec![Condition::PathPattern(values(&["/*"]))])
    }]);
    let rule = rules.find(&request());
    assert_eq!(
        (&rule.rate_limit, &rule.compression),
        (&rate_limit, &compression)
    );
    let CompiledAction::Forward(forward) = &rule.action else {
        panic!("{:?}", rule.action);
    };
    assert_eq!(forward.stickiness, Duration::from_secs(60));
    assert_eq!(forward.groups[0].target_group, "blue");
}

/// A small world in which requests and conditions often meet.
fn some_condition() -> impl Strategy<Value = Condition> {
    let word = "[ab*?]{1,2}";
    prop_oneof![
        word.prop_map(|word| Condition::HostHeader(values(&[&word]))),
        word.prop_map(|word| Condition::PathPattern(values(&[&word]))),
        "[ab]{1,2}".prop_map(|word| Condition::PathPattern(regexes(&[&word]))),
        word.prop_map(|word| header(values(&[&word]))),
        "[AB]".prop_map(|method| Condition::HttpRequestMethod(vec![method])),
        (prop::option::of(word), word).prop_map(|(key, value)| query(&[(key.as_deref(), &value)])),
        (0..4_u8).prop_map(|last| {
            Condition::SourceIp(vec![format!("10.0.0.{last}/31").parse().unwrap()])
        }),
    ]
}

/// Whether a condition of `some_condition` holds, by another way: everything as a regex.
fn holds(condition: &Condition, request: &RequestView<'_, Fields>) -> bool {
    let like = |pattern: &str, text: &[u8]| {
        let regex = pattern.replace('?', ".").replace('*', ".*");
        let regex = regex::bytes::Regex::new(&format!("^(?:{regex})$")).unwrap();
        regex.is_match(text)
    };
    let any = |patterns: &Patterns, text: &[u8]| {
        let all = patterns.values.iter().chain(&patterns.regex_values);
        all.into_iter().any(|pattern| like(pattern, text))
    };
    match condition {
        Condition::HostHeader(patterns) => {
            any(patterns, request.host.strip_suffix(b":8080").unwrap())
        }
        Condition::PathPattern(patterns) => any(patterns, request.path),
        Condition::HttpHeader { patterns, .. } => request
            .headers
            .0
            .iter()
            .any(|(_, value)| any(patterns, value)),
        Condition::HttpRequestMethod(methods) => methods[0].as_bytes() == request.method,
        Condition::QueryString(pairs) => {
            let query = str::from_utf8(request.query.unwrap()).unwrap();
            let (key, value) = query.split_once('=').unwrap();
            let wanted = pairs[0].key.as_deref().unwrap_or("*");
            like(wanted, key.as_bytes()) && like(&pairs[0].value, value.as_bytes())
        }
        Condition::SourceIp(networks) => networks[0].contains(&request.source_ip),
    }
}

proptest! {
    #[test]
    fn find_agrees_with_asking_every_rule(
        rules in prop::collection::btree_map(
            1..=50_000_u32,
            prop::collection::vec(some_condition(), 1..3),
            0..8,
        ),
        words in prop::array::uniform4(prop::sample::select(vec!["a", "b", "ab", "ba"])),
        method in prop::sample::select(vec!["A", "B"]),
        last in 0..4_u8,
    ) {
        // Later first, so that the order in the listener cannot be what decides.
        let rules = rules.into_iter().rev();
        let rules = rules.map(|(priority, conditions)| rule(priority, conditions));
        let rules: Vec<_> = rules.filter(|rule| rule.validate().is_ok()).collect();
        let host = format!("{}:8080", words[0]);
        let query = format!("{}={}", words[2], words[3]);
        let request = RequestView {
            method: method.as_bytes(),
            host: host.as_bytes(),
            path: words[1].as_bytes(),
            query: Some(query.as_bytes()),
            source_ip: Ipv4Addr::new(10, 0, 0, last).into(),
            headers: Fields(vec![("x-version", words[3].as_bytes())]),
            is_https: false,
            port: 8080,
        };
        let takes = |rule: &&Rule| rule.conditions.iter().all(|each| holds(each, &request));
        let expected = rules.iter().filter(takes).map(|rule| rule.priority).min();
        let set = compile(rules);
        prop_assert_eq!(set.find(&request).priority, expected);
        let explained = set.explain(&request);
        let taker = explained.iter().find(|each| each.verdict == Verdict::Takes);
        prop_assert_eq!(taker.map(|each| each.priority), Some(expected));
    }

    #[test]
    fn properties_hold_for_any_bytes(
        texts in prop::collection::vec(
            prop_oneof![
                "[ab/.*?=&$(){}#:1]{0,6}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..6),
            ],
            0..24,
        ),
    ) {
        let texts = texts.iter().flat_map(|text| [&[text.len() as u8], &text[..]].concat());
        properties::any_rules(&texts.collect::<Vec<u8>>());
    }
}
