use std::mem::{Discriminant, discriminant};

use ipnet::IpNet;

use super::{Faults, MAX_CONDITION_VALUES, MAX_CONDITION_WILDCARDS, is_token};
use crate::{
    Condition, Patterns, QueryStringKeyValuePair,
    notation::{Case, Glob, glob, query_glob, whole_regex},
};

/// Of a value and of a regular expression (`HostHeaderConditionConfig` and its like).
const MAX_VALUE_BYTES: usize = 128;
const MAX_HEADER_NAME_BYTES: usize = 40;
const MAX_METHOD_BYTES: usize = 40;

pub(super) fn check_all(conditions: &[Condition], faults: &mut Faults) {
    faults.unless(
        !conditions.is_empty(),
        "conditions",
        "a rule needs one at least; the default action is for requests that no rule takes",
    );
    let values: usize = conditions.iter().map(value_count).sum();
    let reason = format!("{values} values are too many: up to {MAX_CONDITION_VALUES} a rule");
    faults.unless(values <= MAX_CONDITION_VALUES, "conditions", reason);
    let wildcards: usize = conditions.iter().map(wildcard_count).sum();
    let reason =
        format!("{wildcards} wildcards are too many: up to {MAX_CONDITION_WILDCARDS} a rule");
    faults.unless(wildcards <= MAX_CONDITION_WILDCARDS, "conditions", reason);

    let mut seen: Vec<Discriminant<Condition>> = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = format!("conditions[{index}].{}", condition.field());
        let kind = discriminant(condition);
        if is_single(condition) && seen.contains(&kind) {
            let reason = "a rule has one such condition; name all values in it";
            faults.add(&*path, reason);
        }
        seen.push(kind);
        check(condition, &path, faults);
    }
}

impl Condition {
    /// Its name on the wire.
    pub fn field(&self) -> &'static str {
        match self {
            Self::HostHeader(_) => "host_header",
            Self::PathPattern(_) => "path_pattern",
            Self::HttpHeader { .. } => "http_header",
            Self::HttpRequestMethod(_) => "http_request_method",
            Self::QueryString(_) => "query_string",
            Self::SourceIp(_) => "source_ip",
        }
    }
}

/// Conditions that a rule has once (`RuleCondition`).
fn is_single(condition: &Condition) -> bool {
    !matches!(
        condition,
        Condition::HttpHeader { .. } | Condition::QueryString(_)
    )
}

fn value_count(condition: &Condition) -> usize {
    match condition {
        Condition::HostHeader(patterns)
        | Condition::PathPattern(patterns)
        | Condition::HttpHeader { patterns, .. } => {
            patterns.values.len() + patterns.regex_values.len()
        }
        Condition::HttpRequestMethod(methods) => methods.len(),
        Condition::QueryString(pairs) => pairs.len(),
        Condition::SourceIp(networks) => networks.len(),
    }
}

fn wildcard_count(condition: &Condition) -> usize {
    let count = |pieces: Vec<Glob>| {
        let is_wild = |piece: &&Glob| matches!(piece, Glob::One | Glob::Many);
        pieces.iter().filter(is_wild).count()
    };
    match condition {
        Condition::HostHeader(patterns)
        | Condition::PathPattern(patterns)
        | Condition::HttpHeader { patterns, .. } => {
            patterns.values.iter().map(|value| count(glob(value))).sum()
        }
        Condition::QueryString(pairs) => pairs
            .iter()
            .flat_map(|pair| [pair.key.as_deref(), Some(&*pair.value)])
            .flatten()
            .map(|text| count(query_glob(text)))
            .sum(),
        Condition::HttpRequestMethod(_) | Condition::SourceIp(_) => 0,
    }
}

fn check(condition: &Condition, path: &str, faults: &mut Faults) {
    let some = value_count(condition) > 0;
    faults.unless(some, path, "it has no value, so no request would match");
    match condition {
        Condition::HostHeader(patterns) => {
            check_patterns(patterns, path, Case::Ignored, host_fault, faults);
        }
        Condition::PathPattern(patterns) => {
            check_patterns(patterns, path, Case::Sensitive, path_fault, faults);
        }
        Condition::HttpHeader {
            http_header_name,
            patterns,
        } => {
            if let Some(reason) = header_name_fault(http_header_name) {
                faults.add(format!("{path}.http_header_name"), reason);
            }
            check_patterns(patterns, path, Case::Ignored, header_fault, faults);
        }
        Condition::HttpRequestMethod(methods) => check_methods(methods, path, faults),
        Condition::QueryString(pairs) => check_pairs(pairs, path, faults),
        Condition::SourceIp(networks) => check_networks(networks, path, faults),
    }
}

fn check_patterns(
    patterns: &Patterns,
    path: &str,
    case: Case,
    fault: fn(&str) -> Option<&'static str>,
    faults: &mut Faults,
) {
    for (index, value) in patterns.values.iter().enumerate() {
        let reason = length_fault(value).or_else(|| fault(value).map(str::to_owned));
        if let Some(reason) = reason {
            faults.add(format!("{path}.values[{index}]"), reason);
        }
    }
    for (index, value) in patterns.regex_values.iter().enumerate() {
        let reason = length_fault(value).or_else(|| whole_regex(value, case).err());
        if let Some(reason) = reason {
            faults.add(format!("{path}.regex_values[{index}]"), reason);
        }
    }
}

fn check_methods(methods: &[String], path: &str, faults: &mut Faults) {
    let is_allowed = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
    for (index, method) in methods.iter().enumerate() {
        faults.unless(
            (1..=MAX_METHOD_BYTES).contains(&method.len()) && method.bytes().all(is_allowed),
            format!("{path}[{index}]"),
            format!("`{method}` is no method: up to 40 of A-Z, - and _, such as GET"),
        );
    }
}

fn check_pairs(pairs: &[QueryStringKeyValuePair], path: &str, faults: &mut Faults) {
    for (index, pair) in pairs.iter().enumerate() {
        let key = pair.key.as_deref().map(|key| ("key", key));
        for (name, text) in key.into_iter().chain([("value", &*pair.value)]) {
            if let Some(reason) = length_fault(text) {
                faults.add(format!("{path}[{index}].{name}"), reason);
            }
        }
    }
}

fn check_networks(networks: &[IpNet], path: &str, faults: &mut Faults) {
    for (index, network) in networks.iter().enumerate() {
        let is_mapped = match network {
            IpNet::V4(_) => false,
            IpNet::V6(network) => network.addr().to_ipv4_mapped().is_some(),
        };
        // Clients that come this way are matched by their IPv4 address.
        let reason = "write an IPv4 network as such, without ::ffff:";
        faults.unless(!is_mapped, format!("{path}[{index}]"), reason);
    }
}

fn length_fault(value: &str) -> Option<String> {
    match value.len() {
        0 => Some("it is empty".to_owned()),
        1..=MAX_VALUE_BYTES => None,
        length => Some(format!(
            "{length} bytes are too long: up to {MAX_VALUE_BYTES}"
        )),
    }
}

fn host_fault(host: &str) -> Option<&'static str> {
    if host.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Some("a host is of visible ASCII; write other scripts as xn--");
    }
    if host.contains('/') {
        return Some("a host is a name or an address, without scheme and path");
    }
    if !host.contains(':') {
        return None;
    }
    let is_address = host.starts_with('[') && host.ends_with(']');
    (!is_address).then_some("the port is not compared; leave it out, and write IPv6 in brackets")
}

fn path_fault(path: &str) -> Option<&'static str> {
    if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Some("no path has blanks; write %20");
    }
    // Each would be compared with a path that never has one.
    path.contains('#').then_some("no path has a #")
}

fn header_fault(value: &str) -> Option<&'static str> {
    let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    (value.bytes().any(is_control)).then_some("no header's value has control characters")
}

fn header_name_fault(name: &str) -> Option<&'static str> {
    if name.len() > MAX_HEADER_NAME_BYTES || !is_token(name) {
        return Some("a header's name is up to 40 letters, digits and !#$%&'*+-.^_`|~");
    }
    let is_host = name.eq_ignore_ascii_case("host");
    is_host.then_some("use host_header for Host")
}
