use minicloud_lb_api::{HashKey, LoadBalancingAlgorithm};

use crate::config::{
    fault::Mistake,
    node::Value,
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
};

/// The short form: every algorithm but the one that wants to know more.
pub(super) const SHORT: Form = Form::OneOf(WORDS);

pub(super) const SECTION: Section = Section {
    place: "target_groups.NAME.load_balancing_algorithm_type",
    keys: &[Key::new(
        CONSISTENT_HASH,
        Form::Or(&Form::OneOf(KEY_WORDS), &HASH_KEY),
        Absent::Fault("source_ip"),
        "The same key goes to the same target, as long as that is there.",
    )],
    renamed: &[
        ("hash", CONSISTENT_HASH),
        (
            "round_robin",
            "write load_balancing_algorithm_type: round_robin",
        ),
        (
            "peak_ewma",
            "write load_balancing_algorithm_type: peak_ewma",
        ),
    ],
};

const HASH_KEY: Section = Section {
    place: "target_groups.NAME.load_balancing_algorithm_type.consistent_hash",
    keys: &[Key::new(
        "http_header",
        Form::Text("name of a header field"),
        Absent::Fault("X-Tenant"),
        "Its value; the client's address where it is missing.",
    )],
    renamed: &[
        ("header", "http_header"),
        ("http_header_name", "http_header"),
        ("source_ip", "write consistent_hash: source_ip"),
        ("path", "write consistent_hash: path"),
    ],
};

const CONSISTENT_HASH: &str = "consistent_hash";

const WORDS: &[&str] = &[
    "round_robin",
    "least_outstanding_requests",
    "weighted_random",
    "peak_ewma",
    "cpu_headroom",
];

const ALGORITHMS: &[LoadBalancingAlgorithm] = &[
    LoadBalancingAlgorithm::RoundRobin,
    LoadBalancingAlgorithm::LeastOutstandingRequests,
    LoadBalancingAlgorithm::WeightedRandom,
    LoadBalancingAlgorithm::PeakEwma,
    LoadBalancingAlgorithm::CpuHeadroom,
];

const KEY_WORDS: &[&str] = &["source_ip", "path"];

pub(super) fn read(entry: &Entry<'_>) -> Option<LoadBalancingAlgorithm> {
    if matches!(entry.value(), Value::Mapping(_)) {
        let fields = entry.fields(&SECTION)?;
        let key = fields.required(CONSISTENT_HASH, hash_key)?;
        return Some(LoadBalancingAlgorithm::ConsistentHash(key));
    }
    entry.read(|value| {
        if matches!(value, Value::Text(text) if text == CONSISTENT_HASH) {
            let mistake = Mistake::new(format!("{CONSISTENT_HASH} of what?"));
            return Err(mistake.hint(format!(
                "write {{ {CONSISTENT_HASH}: source_ip }}, or path or {{ http_header: NAME }}"
            )));
        }
        scalar::one_of(value, WORDS, ALGORITHMS)
    })
}

fn hash_key(entry: &Entry<'_>) -> Option<HashKey> {
    if matches!(entry.value(), Value::Mapping(_)) {
        let fields = entry.fields(&HASH_KEY)?;
        let name = fields.required("http_header", |entry| entry.read(scalar::text))?;
        return Some(HashKey::HttpHeader(name.to_owned()));
    }
    let keys = [HashKey::SourceIp, HashKey::Path];
    entry.read(|key| scalar::one_of(key, KEY_WORDS, &keys))
}
