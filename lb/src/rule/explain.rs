use minicloud_lb_api::{Condition, Patterns};

use super::{CompiledRule, Headers, RequestView, RuleSet, condition::CompiledCondition, host};

/// A rule, asked whether it takes a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Considered<'a> {
    /// None: the default.
    pub(crate) priority: Option<u32>,
    pub(crate) label: &'a str,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Takes,
    /// It would, but one before it does.
    ComesLater,
    /// All conditions that do not hold.
    Unmet(Vec<Unmet>),
}

/// A condition that does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unmet {
    /// In the rule's `conditions`.
    pub(crate) index: usize,
    /// Its name on the wire, such as `path_pattern`.
    pub(crate) field: &'static str,
    /// What it asks for.
    pub(crate) wanted: String,
    /// What the request has there; empty where it has nothing.
    pub(crate) found: String,
}

impl RuleSet {
    /// What [`find`](Self::find) does, at length: each rule in order, default last.
    pub(crate) fn explain<H: Headers>(&self, request: &RequestView<'_, H>) -> Vec<Considered<'_>> {
        let host = host::without_port(request.host);
        let mut is_taken = false;
        self.iter()
            .map(|rule| {
                let unmet = unmet(rule, request, host);
                let verdict = match (unmet.is_empty(), is_taken) {
                    (false, _) => Verdict::Unmet(unmet),
                    (true, true) => Verdict::ComesLater,
                    (true, false) => Verdict::Takes,
                };
                is_taken |= verdict == Verdict::Takes;
                Considered {
                    priority: rule.priority,
                    label: &rule.label,
                    verdict,
                }
            })
            .collect()
    }
}

fn unmet<H: Headers>(rule: &CompiledRule, request: &RequestView<'_, H>, host: &[u8]) -> Vec<Unmet> {
    let conditions = rule.conditions.iter().enumerate();
    let unmet = |(index, condition): (usize, &CompiledCondition)| {
        (!condition.holds(request, host)).then(|| Unmet {
            index,
            field: condition.source.field(),
            wanted: wanted(&condition.source),
            found: found(&condition.source, request, host),
        })
    };
    conditions.filter_map(unmet).collect()
}

fn wanted(condition: &Condition) -> String {
    match condition {
        Condition::HostHeader(patterns) | Condition::PathPattern(patterns) => wanted_text(patterns),
        Condition::HttpHeader {
            http_header_name,
            patterns,
        } => format!("{http_header_name}: {}", wanted_text(patterns)),
        Condition::HttpRequestMethod(methods) => methods.join(" or "),
        Condition::QueryString(pairs) => {
            let pair = |key: Option<&str>, value| format!("{}={value}", key.unwrap_or("*"));
            let pairs = pairs.iter();
            alternatives(pairs.map(|each| pair(each.key.as_deref(), &each.value)))
        }
        Condition::SourceIp(networks) => alternatives(networks.iter().map(ToString::to_string)),
    }
}

fn wanted_text(patterns: &Patterns) -> String {
    let regexes = patterns.regex_values.iter();
    let regexes = regexes.map(|regex| format!("regex {regex}"));
    alternatives(patterns.values.iter().cloned().chain(regexes))
}

fn alternatives(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(" or ")
}

fn found<H: Headers>(condition: &Condition, request: &RequestView<'_, H>, host: &[u8]) -> String {
    match condition {
        Condition::HostHeader(_) => printable(host),
        Condition::PathPattern(_) => printable(request.path),
        Condition::HttpHeader {
            http_header_name, ..
        } => {
            let name = http_header_name.to_ascii_lowercase();
            let values = request.headers.values(name.as_bytes());
            values.map(printable).collect::<Vec<_>>().join(", ")
        }
        Condition::HttpRequestMethod(_) => printable(request.method),
        Condition::QueryString(_) => printable(request.query.unwrap_or_default()),
        Condition::SourceIp(_) => request.source_ip.to_canonical().to_string(),
    }
}

/// A request's bytes for somebody's terminal.
fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
