use ipnet::IpNet;
use minicloud_lb_api::{Condition, Patterns, QueryStringKeyValuePair};

use crate::config::{
    fault::Mistake,
    node::Value,
    reader::{Entry, Fields},
    scalar,
    schema::{Absent, Form, Key, Section},
};

pub(super) const SECTION: Section = Section {
    place: "load_balancers.NAME.listeners[].rules[].conditions[]",
    keys: &[
        Key::new(
            HOST_HEADER,
            Form::Or(&Form::TextOrTexts("pattern or list of patterns"), &PATTERNS),
            Absent::OneOf,
            "The Host, without its port, in any case.",
        ),
        Key::new(
            PATH_PATTERN,
            Form::Or(&Form::TextOrTexts("pattern or list of patterns"), &PATTERNS),
            Absent::OneOf,
            "The path as it was sent, without the query.",
        ),
        Key::new(
            HTTP_HEADER,
            Form::Section(&HTTP_HEADER_PATTERNS),
            Absent::OneOf,
            "The value of a header field, in any case.",
        ),
        Key::new(
            HTTP_REQUEST_METHOD,
            Form::TextOrTexts("method or list of methods, such as `GET`"),
            Absent::OneOf,
            "The method, in the case it is written in.",
        ),
        Key::new(
            QUERY_STRING,
            Form::ListOf(&QUERY_STRING_PAIR),
            Absent::OneOf,
            "Members of the query, percent-decoded.",
        ),
        Key::new(
            SOURCE_IP,
            Form::TextOrTexts("network or list of networks, such as `10.0.0.0/8` or `::1`"),
            Absent::OneOf,
            "The client's address, or what a trusted network says of it.",
        ),
    ],
    renamed: &[
        ("field", "remove it: the key says which condition it is"),
        ("host", HOST_HEADER),
        ("host_header_config", HOST_HEADER),
        ("path", PATH_PATTERN),
        ("path_pattern_config", PATH_PATTERN),
        ("header", HTTP_HEADER),
        ("http_header_config", HTTP_HEADER),
        ("method", HTTP_REQUEST_METHOD),
        ("http_request_method_config", HTTP_REQUEST_METHOD),
        ("query", QUERY_STRING),
        ("query_string_config", QUERY_STRING),
        ("ip", SOURCE_IP),
        ("source_ip_config", SOURCE_IP),
    ],
};

const PATTERNS: Section = Section {
    place: "PATTERNS",
    keys: &[VALUES, REGEX_VALUES],
    renamed: RENAMED_PATTERNS,
};

const HTTP_HEADER_PATTERNS: Section = Section {
    place: "load_balancers.NAME.listeners[].rules[].conditions[].http_header",
    keys: &[
        Key::new(
            "http_header_name",
            Form::Text("name of a header field"),
            Absent::Fault("User-Agent"),
            "In any case.",
        ),
        VALUES,
        REGEX_VALUES,
    ],
    renamed: &[
        ("name", "http_header_name"),
        ("header", "http_header_name"),
        ("value", "values"),
        ("regex", "regex_values"),
        ("regexes", "regex_values"),
    ],
};

const VALUES: Key = Key::new(
    "values",
    Form::TextOrTexts("pattern or list of patterns"),
    Absent::Default("none"),
    "`*` stands for any text, `?` for one character. One match is enough.",
);

const REGEX_VALUES: Key = Key::new(
    "regex_values",
    Form::TextOrTexts("regular expression or list of them"),
    Absent::Default("none"),
    "As the Rust crate `regex` has them, of the whole text. One match is enough.",
);

const RENAMED_PATTERNS: &[(&str, &str)] = &[
    ("value", "values"),
    ("patterns", "values"),
    ("regex", "regex_values"),
    ("regexes", "regex_values"),
];

const QUERY_STRING_PAIR: Section = Section {
    place: "load_balancers.NAME.listeners[].rules[].conditions[].query_string[]",
    keys: &[
        Key::new(
            "key",
            Form::Text("text"),
            Absent::Default("any key"),
            "Name of the member.",
        ),
        Key::new(
            "value",
            Form::Text("pattern"),
            Absent::Fault("v1"),
            "`*` stands for any text, `?` for one character, `\\*` and `\\?` for themselves.",
        ),
    ],
    renamed: &[
        ("name", "key"),
        (
            "values",
            "write a list: query_string: [{ key: NAME, value: TEXT }]",
        ),
    ],
};

const HOST_HEADER: &str = "host_header";
const PATH_PATTERN: &str = "path_pattern";
const HTTP_HEADER: &str = "http_header";
const HTTP_REQUEST_METHOD: &str = "http_request_method";
const QUERY_STRING: &str = "query_string";
const SOURCE_IP: &str = "source_ip";

pub(super) fn read(entry: &Entry<'_>) -> Option<Condition> {
    let fields = entry.fields(&SECTION)?;
    let (kind, entry) = fields.only("give it an item of its own, with - before it")?;
    match kind {
        HOST_HEADER => patterns(entry).map(Condition::HostHeader),
        PATH_PATTERN => patterns(entry).map(Condition::PathPattern),
        HTTP_HEADER => http_header(entry),
        HTTP_REQUEST_METHOD => texts(entry).map(Condition::HttpRequestMethod),
        QUERY_STRING => query_string(entry).map(Condition::QueryString),
        _ => source_ip(entry).map(Condition::SourceIp),
    }
}

/// One that nothing can be said against, whatever else a rule has.
pub(super) fn any() -> Condition {
    Condition::HttpHeader {
        http_header_name: "Accept".to_owned(),
        patterns: Patterns {
            values: vec!["any".to_owned()],
            regex_values: Vec::new(),
        },
    }
}

/// A pattern, some of them, or the long form.
fn patterns(entry: &Entry<'_>) -> Option<Patterns> {
    if !matches!(entry.value(), Value::Mapping(_)) {
        return Some(Patterns {
            values: texts(entry)?,
            regex_values: Vec::new(),
        });
    }
    long_patterns(&entry.fields(&PATTERNS)?)
}

fn long_patterns(fields: &Fields<'_>) -> Option<Patterns> {
    let values = fields.or("values", Vec::new(), texts);
    let regex_values = fields.or("regex_values", Vec::new(), texts);
    Some(Patterns {
        values: values?,
        regex_values: regex_values?,
    })
}

fn http_header(entry: &Entry<'_>) -> Option<Condition> {
    let fields = entry.fields(&HTTP_HEADER_PATTERNS)?;
    let name = fields.required("http_header_name", |entry| entry.read(scalar::text));
    let patterns = long_patterns(&fields);
    Some(Condition::HttpHeader {
        http_header_name: name?.to_owned(),
        patterns: patterns?,
    })
}

/// Text, or a list of it.
fn texts(entry: &Entry<'_>) -> Option<Vec<String>> {
    let items = entry.items();
    let texts: Vec<_> = items
        .iter()
        .map(|item| item.read(scalar::text).map(str::to_owned))
        .collect();
    texts.into_iter().collect()
}

fn query_string(entry: &Entry<'_>) -> Option<Vec<QueryStringKeyValuePair>> {
    let items = entry.items();
    let pairs: Vec<_> = items.iter().map(query_string_pair).collect();
    pairs.into_iter().collect()
}

fn query_string_pair(entry: &Entry<'_>) -> Option<QueryStringKeyValuePair> {
    if let Value::Text(text) = entry.value() {
        let mistake = Mistake::new("expected a mapping, found text");
        entry.refuse(match text.split_once('=') {
            Some(_) => mistake.hint("write { key: NAME, value: TEXT } for NAME=TEXT"),
            None => {
                mistake.hint("write { value: TEXT } for any key, or { key: NAME, value: TEXT }")
            }
        });
        return None;
    }
    let fields = entry.fields(&QUERY_STRING_PAIR)?;
    let key = fields.optional("key", |entry| entry.read(scalar::text));
    let value = fields.required("value", |entry| entry.read(scalar::text));
    Some(QueryStringKeyValuePair {
        key: key?.map(str::to_owned),
        value: value?.to_owned(),
    })
}

fn source_ip(entry: &Entry<'_>) -> Option<Vec<IpNet>> {
    let items = entry.items();
    let networks: Vec<_> = items
        .iter()
        .map(|item| item.read(scalar::network))
        .collect();
    networks.into_iter().collect()
}
