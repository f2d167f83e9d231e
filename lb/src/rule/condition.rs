use ipnet::IpNet;
use minicloud_lb_api::{
    Condition, Patterns,
    notation::{Case, glob, query_glob, whole_regex},
};
use regex::bytes::Regex;

use super::{
    Headers, RequestView,
    query::{members, percent_decoded},
    wildcard::Wildcard,
};

#[derive(Debug)]
pub(super) struct CompiledCondition {
    test: Test,
    /// As it was written, to explain it.
    pub(super) source: Condition,
}

#[derive(Debug)]
enum Test {
    Host(Texts),
    Path(Texts),
    Header { name: Box<[u8]>, values: Texts },
    Method(Vec<Box<[u8]>>),
    Query(Vec<Member>),
    SourceIp(Vec<IpNet>),
}

/// One of these matches.
#[derive(Debug)]
struct Texts {
    wildcards: Vec<Wildcard>,
    regexes: Vec<Regex>,
}

#[derive(Debug)]
struct Member {
    /// None: any.
    key: Option<Wildcard>,
    value: Wildcard,
}

impl CompiledCondition {
    /// Of a condition without faults.
    pub(super) fn new(condition: &Condition) -> Self {
        Self {
            test: Test::new(condition),
            source: condition.clone(),
        }
    }

    /// `host` is the request's, without its port.
    pub(super) fn holds<H: Headers>(&self, request: &RequestView<'_, H>, host: &[u8]) -> bool {
        match &self.test {
            Test::Host(hosts) => hosts.match_one(host),
            Test::Path(paths) => paths.match_one(request.path),
            Test::Header { name, values } => {
                let mut sent = request.headers.values(name);
                sent.any(|value| values.match_one(value))
            }
            Test::Method(methods) => methods.iter().any(|method| **method == *request.method),
            Test::Query(wanted) => {
                let mut sent = members(request.query.unwrap_or_default());
                sent.any(|(key, value)| wanted.iter().any(|each| each.matches(key, value)))
            }
            Test::SourceIp(networks) => {
                let source = request.source_ip.to_canonical();
                networks.iter().any(|network| network.contains(&source))
            }
        }
    }
}

impl Test {
    fn new(condition: &Condition) -> Self {
        match condition {
            Condition::HostHeader(hosts) => Self::Host(Texts::new(hosts, Case::Ignored)),
            Condition::PathPattern(paths) => Self::Path(Texts::new(paths, Case::Sensitive)),
            Condition::HttpHeader {
                http_header_name,
                patterns,
            } => Self::Header {
                name: http_header_name.to_ascii_lowercase().into_bytes().into(),
                values: Texts::new(patterns, Case::Ignored),
            },
            Condition::HttpRequestMethod(methods) => Self::Method(
                methods
                    .iter()
                    .map(|method| method.as_bytes().into())
                    .collect(),
            ),
            Condition::QueryString(pairs) => {
                let wildcard = |text: &str| Wildcard::new(query_glob(text), Case::Ignored);
                let member = |key: Option<&str>, value: &str| Member {
                    key: key.map(wildcard),
                    value: wildcard(value),
                };
                let pairs = pairs.iter();
                Self::Query(
                    pairs
                        .map(|pair| member(pair.key.as_deref(), &pair.value))
                        .collect(),
                )
            }
            Condition::SourceIp(networks) => Self::SourceIp(networks.clone()),
        }
    }
}

impl Texts {
    fn new(patterns: &Patterns, case: Case) -> Self {
        let wildcard = |value: &String| Wildcard::new(glob(value), case);
        let regex = |value: &String| {
            whole_regex(value, case)
                .expect("a rule with a bad regex has faults and is not compiled")
        };
        Self {
            wildcards: patterns.values.iter().map(wildcard).collect(),
            regexes: patterns.regex_values.iter().map(regex).collect(),
        }
    }

    fn match_one(&self, text: &[u8]) -> bool {
        self.wildcards.iter().any(|wildcard| wildcard.matches(text))
            || self.regexes.iter().any(|regex| regex.is_match(text))
    }
}

impl Member {
    fn matches(&self, key: &[u8], value: &[u8]) -> bool {
        let key_matches = |wanted: &Wildcard| matches_decoded(wanted, key);
        self.key.as_ref().is_none_or(key_matches) && matches_decoded(&self.value, value)
    }
}

fn matches_decoded(wanted: &Wildcard, text: &[u8]) -> bool {
    match text.contains(&b'%') {
        true => wanted.matches_bytes(percent_decoded(text)),
        false => wanted.matches(text),
    }
}
