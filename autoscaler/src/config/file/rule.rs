mod condition;
mod transform;

use std::collections::HashMap;

use minicloud_lb_api::{
    Action, Compression, Condition, RateLimit, RateLimitKey, Rule, Transform, validate::PRIORITIES,
};

use super::{Names, accepts, action};
use crate::config::{
    fault::Mistake,
    limits::Limits,
    node::Value,
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
    units::Bytes,
};

pub(super) const SECTION: Section = Section {
    place: "load_balancers.NAME.listeners[].rules[]",
    keys: &[
        Key::new(
            "priority",
            Form::Count(&PRIORITY),
            Absent::Fault("10"),
            "Unique in the listener; the lowest is asked first.",
        ),
        Key::new(
            "conditions",
            Form::ListOf(&condition::SECTION),
            Absent::Fault(A_CONDITION),
            "All must hold; one at least, with up to 5 values and 5 wildcards together. Each item has one key.",
        ),
        Key::new(
            "transforms",
            Form::ListOf(&transform::SECTION),
            Absent::Default("none"),
            "Change what the target sees, in this order. Each item has one key.",
        ),
        Key::new(
            "action",
            Form::Section(&action::SECTION),
            Absent::Fault("{ forward: NAME }"),
            "What is done with a request that it takes.",
        ),
        Key::new(
            "rate_limit",
            Form::Section(&RATE_LIMIT),
            Absent::Default("none"),
            "Requests over it get 429 with a Retry-After.",
        ),
        Key::new(
            "compression",
            Form::Or(&Form::Flag, &COMPRESSION),
            Absent::Default("`false`"),
            "Compresses responses with gzip, for clients that take it.",
        ),
    ],
    renamed: &[
        ("condition", "conditions"),
        ("match", "conditions"),
        ("when", "conditions"),
        ("transform", "transforms"),
        ("actions", "action"),
        ("default_action", "action"),
        ("forward", "write action: { forward: NAME }"),
        ("redirect", "write action: { redirect: { ... } }"),
        (
            "fixed_response",
            "write action: { fixed_response: { ... } }",
        ),
        ("target_group", "write action: { forward: NAME }"),
        ("path_pattern", "it belongs in conditions[]"),
        ("host_header", "it belongs in conditions[]"),
        ("http_header", "it belongs in conditions[]"),
        ("http_request_method", "it belongs in conditions[]"),
        ("query_string", "it belongs in conditions[]"),
        ("source_ip", "it belongs in conditions[]"),
        ("host_header_rewrite", "it belongs in transforms[]"),
        ("url_rewrite", "it belongs in transforms[]"),
        ("gzip", "compression"),
    ],
};

const RATE_LIMIT: Section = Section {
    place: "load_balancers.NAME.listeners[].rules[].rate_limit",
    keys: &[
        Key::new(
            "requests_per_second",
            Form::Number("requests", &REQUESTS_PER_SECOND),
            Absent::Fault("10"),
            "Requests that are let through, in the long run.",
        ),
        Key::new(
            "burst",
            Form::Count(&BURST),
            Absent::Default("`requests_per_second`, rounded up"),
            "Requests that may come at once.",
        ),
        Key::new(
            "per",
            Form::OneOf(PER),
            Absent::Default("`source_ip`"),
            "Whether each client address has its own allowance (of IPv6 each /64) or all share that of the rule.",
        ),
    ],
    renamed: &[
        ("rps", "requests_per_second"),
        ("rate", "requests_per_second"),
        ("limit", "requests_per_second"),
        ("key", "per"),
    ],
};

const COMPRESSION: Section = Section {
    place: "load_balancers.NAME.listeners[].rules[].compression",
    keys: &[
        Key::new(
            "min_bytes",
            Form::Bytes(&MIN_BYTES),
            Absent::ByPace(|_| Bytes(Compression::default().min_bytes).to_string()),
            "Responses known to be shorter are left alone.",
        ),
        Key::new(
            "level",
            Form::Count(&LEVEL),
            Absent::ByPace(|_| Compression::default().level.to_string()),
            "From fast to small.",
        ),
    ],
    renamed: &[
        ("min_size", "min_bytes"),
        ("min_length", "min_bytes"),
        ("quality", "level"),
        ("enabled", "write compression: true or compression: false"),
    ],
};

const PER: &[&str] = &["source_ip", "rule"];

const PRIORITY: Limits<u32> = Limits::new(*PRIORITIES.start(), *PRIORITIES.end());

const A_CONDITION: &str = "[{ path_pattern: /api/* }]";

/// More than one machine answers is no limit.
const REQUESTS_PER_SECOND: Limits<f64> = Limits::above(0.0, 1_000_000.0);
const BURST: Limits<u32> = Limits::new(1, 1_000_000);

const MIN_BYTES: Limits<Bytes> = Limits::new(Bytes(0), Bytes(1 << 30));
const LEVEL: Limits<u32> = Limits::new(1, 9);

/// What stands in a rule for a part of it that could not be read.
const ANY_PRIORITY: u32 = 1;
const ANY_TARGET_GROUP: &str = "any";

/// The line that has each priority of a listener.
pub(super) type Priorities = HashMap<u32, usize>;

pub(super) fn read(
    entry: &Entry<'_>,
    target_groups: &Names,
    priorities: &mut Priorities,
) -> Option<Rule> {
    let fields = entry.fields(&SECTION)?;
    let priority = fields.required("priority", |entry| free_priority(entry, priorities));
    let conditions = fields.required("conditions", |entry| {
        let items = entry.list()?;
        Some(items.iter().map(condition::read).collect::<Vec<_>>())
    });
    let transforms = fields.or("transforms", Vec::new(), transforms);
    let action = fields.required("action", |entry| action::read(entry, target_groups));
    let rate_limit = fields.optional("rate_limit", rate_limit);
    let compression = fields.or("compression", None, compression);
    // What could be read is judged even where the rest could not: everything at once.
    let draft = Rule {
        priority: priority.unwrap_or(ANY_PRIORITY),
        conditions: conditions
            .as_deref()
            .map_or_else(|| vec![condition::any()], drafts),
        transforms: transforms.clone().unwrap_or_default(),
        action: action
            .clone()
            .unwrap_or_else(|| Action::forward(ANY_TARGET_GROUP)),
        rate_limit: rate_limit.flatten(),
        compression: compression.flatten(),
    };
    accepts(entry, draft.validate())?;
    Some(Rule {
        priority: priority?,
        conditions: conditions?.into_iter().collect::<Option<_>>()?,
        transforms: transforms?,
        action: action?,
        ..draft
    })
}

/// A condition that could not be read stands in as one that nothing can be said against.
fn drafts(conditions: &[Option<Condition>]) -> Vec<Condition> {
    let draft = |condition: &Option<Condition>| condition.clone().unwrap_or_else(condition::any);
    conditions.iter().map(draft).collect()
}

fn free_priority(entry: &Entry<'_>, priorities: &mut Priorities) -> Option<u32> {
    let priority = entry.read(|priority| scalar::count(priority, &PRIORITY))?;
    if let Some(line) = priorities.get(&priority) {
        let mistake = Mistake::new(format!(
            "priority {priority} is taken by the rule in line {line}"
        ));
        entry.refuse(mistake.hint("choose another"));
        return None;
    }
    priorities.insert(priority, entry.line());
    Some(priority)
}

fn transforms(entry: &Entry<'_>) -> Option<Vec<Transform>> {
    let items = entry.list()?;
    let transforms: Vec<_> = items.iter().map(transform::read).collect();
    transforms.into_iter().collect()
}

fn rate_limit(entry: &Entry<'_>) -> Option<RateLimit> {
    let fields = entry.fields(&RATE_LIMIT)?;
    let rate = fields.required("requests_per_second", |entry| {
        entry.read(|rate| scalar::number(rate, &REQUESTS_PER_SECOND))
    });
    let burst = fields.optional("burst", |entry| {
        entry.read(|burst| scalar::count(burst, &BURST))
    });
    let per = fields.or("per", RateLimitKey::default(), |entry| {
        let keys = [RateLimitKey::SourceIp, RateLimitKey::Rule];
        entry.read(|per| scalar::one_of(per, PER, &keys))
    });
    let requests_per_second = rate?;
    Some(RateLimit {
        requests_per_second,
        burst: burst?.unwrap_or_else(|| second_of(requests_per_second)),
        per: per?,
    })
}

/// What comes in one second, one at least.
fn second_of(requests_per_second: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rate is above 0 and up to a million"
    )]
    {
        requests_per_second.ceil() as u32
    }
}

fn compression(entry: &Entry<'_>) -> Option<Option<Compression>> {
    let or = Compression::default();
    if !matches!(entry.value(), Value::Mapping(_)) {
        let on = entry.read(scalar::flag)?;
        return Some(on.then_some(or));
    }
    let fields = entry.fields(&COMPRESSION)?;
    let min_bytes = fields.or("min_bytes", Bytes(or.min_bytes), |entry| {
        entry.read(|size| scalar::bytes(size, &MIN_BYTES))
    });
    let level = fields.or("level", or.level, |entry| {
        entry.read(|level| scalar::count(level, &LEVEL))
    });
    Some(Some(Compression {
        min_bytes: min_bytes?.0,
        level: level?,
    }))
}
