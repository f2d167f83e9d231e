//! What holds for any rules and any request; checked by fuzzing.

use std::net::Ipv4Addr;

use minicloud_lb_api::{
    Action, Condition, Listener, LoadBalancerAttributes, Patterns, QueryStringKeyValuePair,
    Redirect, Rewrite, Rule, Transform,
    notation::{Case, Glob, glob, query_glob},
};

use super::{
    CompiledAction, Headers, RequestView, RuleSet, Verdict, host, query, wildcard::Wildcard,
};

/// Rules and a request, cut from one input: each text is preceded by its length.
pub(crate) fn any_rules(mut input: &[u8]) {
    let mut bytes = || take(&mut input);
    let request = RequestView {
        method: bytes(),
        host: bytes(),
        path: bytes(),
        query: Some(bytes()),
        source_ip: Ipv4Addr::LOCALHOST.into(),
        headers: OneField(bytes()),
        is_https: false,
        port: 80,
    };
    let mut text = || String::from_utf8_lossy(take(&mut input)).into_owned();
    let mut listener = listener(&mut text);
    let rules = without_bad_rules(&mut listener);
    finds_what_it_explains(&rules, &request);
    matches_as_all_tries_do(&listener, &request);
    makes_only_clean_parts(&rules, &request);
}

/// The values of every field.
#[derive(Clone, Copy)]
struct OneField<'a>(&'a [u8]);

impl Headers for OneField<'_> {
    fn values<'a>(&'a self, _: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        [self.0].into_iter()
    }
}

fn take<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let Some((&len, rest)) = input.split_first() else {
        return &[];
    };
    let (taken, rest) = rest.split_at(rest.len().min(usize::from(len)));
    *input = rest;
    taken
}

fn listener(text: &mut impl FnMut() -> String) -> Listener {
    // An empty text leaves its value out: most inputs are fast, without regular expressions.
    let one = |text: String| Vec::from_iter(Some(text).filter(|text| !text.is_empty()));
    let mut patterns = || Patterns {
        values: one(text()),
        regex_values: one(text()),
    };
    let mut conditions = vec![
        Condition::HostHeader(patterns()),
        Condition::PathPattern(patterns()),
        Condition::HttpHeader {
            http_header_name: "x-version".to_owned(),
            patterns: patterns(),
        },
    ];
    conditions.push(Condition::HttpRequestMethod(vec![text()]));
    conditions.push(Condition::QueryString(vec![QueryStringKeyValuePair {
        key: Some(text()).filter(|key| !key.is_empty()),
        value: text(),
    }]));
    let rules = conditions.into_iter().zip(1..);
    let mut rules: Vec<_> = rules
        .map(|(condition, priority)| rule(priority, condition))
        .collect();
    let transforms = rewrite(text).map(Transform::HostHeaderRewrite);
    rules[0].transforms = transforms.into_iter().collect();
    let transforms = rewrite(text).map(Transform::UrlRewrite);
    rules[1].transforms = transforms.into_iter().collect();
    rules[2].action = Action::Redirect(Redirect {
        protocol: text(),
        host: text(),
        port: text(),
        path: text(),
        query: text(),
        status_code: 302,
    });
    Listener {
        load_balancer: "demo".to_owned(),
        port: 80,
        rules,
        default_action: Action::forward("web"),
        attributes: LoadBalancerAttributes::default(),
    }
}

fn rule(priority: u32, condition: Condition) -> Rule {
    Rule {
        priority,
        conditions: vec![condition],
        transforms: Vec::new(),
        action: Action::forward("web"),
        rate_limit: None,
        compression: None,
    }
}

fn rewrite(text: &mut impl FnMut() -> String) -> Option<Rewrite> {
    let (regex, replace) = (text(), text());
    (!regex.is_empty()).then_some(Rewrite { regex, replace })
}

/// Whatever no error names has no fault, and compiles.
fn without_bad_rules(listener: &mut Listener) -> RuleSet {
    let errors = match RuleSet::compile(listener) {
        Ok(rules) => return rules,
        Err(errors) => errors,
    };
    let is_bad = |rule: &Rule| {
        errors
            .iter()
            .any(|error| error.priority == Some(rule.priority))
    };
    listener.rules.retain(|rule| !is_bad(rule));
    RuleSet::compile(listener).expect("errors name every bad rule")
}

fn finds_what_it_explains<H: Headers>(rules: &RuleSet, request: &RequestView<'_, H>) {
    let explained = rules.explain(request);
    let taker = explained.iter().find(|rule| rule.verdict == Verdict::Takes);
    assert_eq!(
        taker.map(|rule| rule.label),
        Some(&*rules.find(request).label)
    );
}

fn matches_as_all_tries_do<H>(listener: &Listener, request: &RequestView<'_, H>) {
    let check = |pieces: Vec<Glob>, text: &[u8], case| {
        let expected = tries_all(&pieces, text, case);
        let wildcard = Wildcard::new(pieces, case);
        assert_eq!(wildcard.matches(text), expected);
        assert_eq!(wildcard.matches_bytes(text.iter().copied()), expected);
    };
    for condition in listener.rules.iter().flat_map(|rule| &rule.conditions) {
        match condition {
            Condition::HostHeader(patterns) => {
                for value in &patterns.values {
                    check(glob(value), request.host, Case::Ignored);
                }
            }
            Condition::PathPattern(patterns) => {
                for value in &patterns.values {
                    check(glob(value), request.path, Case::Sensitive);
                }
            }
            Condition::QueryString(pairs) => {
                for (_, value) in query::members(request.query.unwrap_or_default()) {
                    let value: Vec<u8> = query::percent_decoded(value).collect();
                    check(query_glob(&pairs[0].value), &value, Case::Ignored);
                }
            }
            _ => {}
        }
    }
}

/// Which prefixes of the text each prefix of the pattern matches.
fn tries_all(pieces: &[Glob], text: &[u8], case: Case) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match piece {
                Glob::Many => reached[at] || at > 0 && next[at - 1],
                Glob::One => at > 0 && reached[at - 1],
                Glob::Byte(byte) => {
                    let is_byte = |other: &u8| match case {
                        Case::Sensitive => byte == other,
                        Case::Ignored => byte.eq_ignore_ascii_case(other),
                    };
                    at > 0 && reached[at - 1] && is_byte(&text[at - 1])
                }
            };
        }
        reached = next;
    }
    reached[text.len()]
}

fn makes_only_clean_parts<H: Headers>(rules: &RuleSet, request: &RequestView<'_, H>) {
    for rule in rules.iter() {
        if let CompiledAction::Redirect(redirect) = &rule.action {
            let location = redirect.location(request).unwrap_or_default();
            assert!(location.iter().all(u8::is_ascii_graphic), "{location:?}");
        }
        let Ok(rewritten) = rule.transforms.apply(request.host, request.path) else {
            continue;
        };
        assert!(rewritten.host.as_deref().is_none_or(host::is_valid));
        if let Some(url) = rewritten.path_and_query {
            let is_bad = |byte: &u8| *byte <= b' ' || matches!(byte, 0x7f | b'#');
            assert!(url.starts_with(b"/") && !url.iter().any(is_bad), "{url:?}");
        }
    }
}
