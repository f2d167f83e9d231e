//! What a listener or one of its rules does with a request.

use std::time::Duration;

use minicloud_lb_api::{Action, FixedResponse, Forward, Redirect, TargetGroupTuple};

use super::Names;
use crate::config::{
    fault::Mistake,
    limits::Limits,
    node::Value,
    reader::{Entry, Fields},
    scalar,
    schema::{Absent, Form, Key, Section},
};

pub(super) const SECTION: Section = Section {
    place: "ACTION",
    keys: &[
        Key::new(
            FORWARD,
            Form::Or(&Form::Text("name of a target group"), &FORWARD_SECTION),
            Absent::OneOf,
            "Forwards the request to a target of the group, or of one of several groups.",
        ),
        Key::new(
            REDIRECT,
            Form::Section(&REDIRECT_SECTION),
            Absent::OneOf,
            "Sends the client elsewhere.",
        ),
        Key::new(
            FIXED_RESPONSE,
            Form::Section(&FIXED_RESPONSE_SECTION),
            Absent::OneOf,
            "Answers by itself.",
        ),
    ],
    renamed: &[
        ("target_group", FORWARD),
        ("target_group_arn", FORWARD),
        ("forward_config", FORWARD),
        ("redirect_config", REDIRECT),
        ("fixed_response_config", FIXED_RESPONSE),
        ("return", FIXED_RESPONSE),
        ("target_groups", "it belongs in forward"),
        ("type", "remove it: the key says which action it is"),
    ],
};

const FORWARD_SECTION: Section = Section {
    place: "ACTION.forward",
    keys: &[
        Key::new(
            "target_groups",
            Form::ListOf(&TUPLE),
            Absent::Fault("[{ target_group: NAME, weight: 1 }]"),
            "Where requests go, by weight.",
        ),
        Key::new(
            "target_group_stickiness",
            Form::Duration(&STICKINESS),
            Absent::Default("`0s`"),
            "How long a client stays with the group it was sent to first. `0s`: not at all.",
        ),
    ],
    renamed: &[
        (
            "target_group",
            "write target_groups: [{ target_group: NAME }]",
        ),
        ("stickiness", "target_group_stickiness"),
        ("target_group_stickiness_config", "target_group_stickiness"),
        ("target_group_stickiness_seconds", "target_group_stickiness"),
    ],
};

const TUPLE: Section = Section {
    place: "ACTION.forward.target_groups[]",
    keys: &[
        Key::new(
            "target_group",
            Form::Text("name of a target group"),
            Absent::Fault("NAME"),
            "",
        ),
        Key::new(
            "weight",
            Form::Count(&WEIGHT),
            Absent::Default("`1`"),
            "Its share of the sum of all weights. `0`: none.",
        ),
    ],
    renamed: &[
        ("name", "target_group"),
        ("group", "target_group"),
        ("target_group_arn", "target_group"),
        ("share", "weight"),
    ],
};

const REDIRECT_SECTION: Section = Section {
    place: "ACTION.redirect",
    keys: &[
        Key::new(
            "protocol",
            Form::Text("`HTTP`, `HTTPS` or `\"#{protocol}\"`"),
            Absent::Default("`\"#{protocol}\"`"),
            "",
        ),
        Key::new(
            "host",
            Form::Text("text"),
            Absent::Default("`\"#{host}\"`"),
            "",
        ),
        Key::new(
            "port",
            Form::TextOrNumber("1 to 65535, or `\"#{port}\"`"),
            Absent::Default("`\"#{port}\"`"),
            "",
        ),
        Key::new(
            "path",
            Form::Text("path, from its `/`"),
            Absent::Default("`\"/#{path}\"`"),
            "`#{path}` comes without its first `/`.",
        ),
        Key::new(
            "query",
            Form::Text("text, without `?`"),
            Absent::Default("`\"#{query}\"`"),
            "",
        ),
        Key::new(
            "status_code",
            Form::Count(&REDIRECT_STATUS_CODE),
            Absent::ByPace(|_| Redirect::default().status_code.to_string()),
            "Whether the client may remember it.",
        ),
    ],
    renamed: &[
        ("scheme", "protocol"),
        ("status", "status_code"),
        ("code", "status_code"),
        ("url", "write protocol, host, port, path and query"),
        ("to", "write protocol, host, port, path and query"),
    ],
};

const FIXED_RESPONSE_SECTION: Section = Section {
    place: "ACTION.fixed_response",
    keys: &[
        Key::new(
            "status_code",
            Form::Count(&STATUS_CODE),
            Absent::Fault("503"),
            "",
        ),
        Key::new(
            "content_type",
            Form::Text("media type, such as `text/plain`"),
            Absent::Default("none"),
            "",
        ),
        Key::new(
            "message_body",
            Form::Text("text, up to 1024 bytes"),
            Absent::Default("empty"),
            "",
        ),
    ],
    renamed: &[
        ("status", "status_code"),
        ("code", "status_code"),
        ("body", "message_body"),
        ("message", "message_body"),
        ("type", "content_type"),
    ],
};

const FORWARD: &str = "forward";
const REDIRECT: &str = "redirect";
const FIXED_RESPONSE: &str = "fixed_response";

/// ELB's bounds.
const WEIGHT: Limits<u32> = Limits::new(0, 999);
const STATUS_CODE: Limits<u32> = Limits::new(200, 599);
const REDIRECT_STATUS_CODE: Limits<u32> = Limits::new(301, 302);

/// Seven days, ELB's bound.
const STICKINESS: Limits<Duration> = Limits::new(Duration::ZERO, Duration::from_secs(7 * 86400));

/// Where ELB's weight is left out.
const DEFAULT_WEIGHT: u32 = 1;

pub(super) fn read(entry: &Entry<'_>, target_groups: &Names) -> Option<Action> {
    let fields = entry.fields(&SECTION)?;
    let (kind, entry) = fields.only("keep one of the two")?;
    match kind {
        FORWARD => forward(entry, target_groups).map(Action::Forward),
        REDIRECT => redirect(entry).map(Action::Redirect),
        _ => fixed_response(entry).map(Action::FixedResponse),
    }
}

fn forward(entry: &Entry<'_>, target_groups: &Names) -> Option<Forward> {
    if !matches!(entry.value(), Value::Mapping(_)) {
        return entry
            .read(|name| target_groups.resolve(name))
            .map(Forward::to);
    }
    let fields = entry.fields(&FORWARD_SECTION)?;
    let tuples = fields.required("target_groups", |entry| tuples(entry, target_groups));
    let stickiness = fields.or("target_group_stickiness", Duration::ZERO, |entry| {
        entry.read(|time| scalar::duration(time, &STICKINESS))
    });
    Some(Forward {
        target_groups: tuples?,
        target_group_stickiness: stickiness?,
    })
}

fn tuples(entry: &Entry<'_>, target_groups: &Names) -> Option<Vec<TargetGroupTuple>> {
    let items = entry.list()?;
    let tuples: Vec<_> = items
        .iter()
        .map(|item| tuple(item, target_groups))
        .collect();
    let tuples: Vec<_> = tuples.into_iter().collect::<Option<_>>()?;
    // ELB answers 503 then; who wants that writes a fixed_response.
    if !tuples.is_empty() && tuples.iter().all(|tuple| tuple.weight == 0) {
        let mistake = Mistake::new("every weight is 0, so no request would be forwarded");
        entry.refuse(mistake.hint("give one of them 1 or more"));
    }
    Some(tuples)
}

fn tuple(entry: &Entry<'_>, target_groups: &Names) -> Option<TargetGroupTuple> {
    let fields = entry.fields(&TUPLE)?;
    let target_group = fields.required("target_group", |entry| {
        entry.read(|name| target_groups.resolve(name))
    });
    let weight = fields.or("weight", DEFAULT_WEIGHT, |entry| {
        entry.read(|weight| scalar::count(weight, &WEIGHT))
    });
    Some(TargetGroupTuple {
        target_group: target_group?,
        weight: weight?,
    })
}

fn redirect(entry: &Entry<'_>) -> Option<Redirect> {
    let fields = entry.fields(&REDIRECT_SECTION)?;
    let or = Redirect::default();
    let protocol = part(&fields, "protocol", or.protocol);
    let host = part(&fields, "host", or.host);
    let port = part(&fields, "port", or.port);
    let path = part(&fields, "path", or.path);
    let query = part(&fields, "query", or.query);
    let status_code = fields.or("status_code", or.status_code, |entry| {
        status_code(entry, &REDIRECT_STATUS_CODE)
    });
    Some(Redirect {
        protocol: protocol?,
        host: host?,
        port: port?,
        path: path?,
        query: query?,
        status_code: status_code?,
    })
}

/// Text that often begins with `#`, which YAML takes for a comment where it is not quoted.
fn part(fields: &Fields<'_>, key: &'static str, or: String) -> Option<String> {
    fields.or(key, or, |entry| {
        entry.read(|value| match value {
            // A port needs no quotes to be understood.
            Value::Integer(port) if key == "port" => Ok(port.to_string()),
            Value::Null => Err(Mistake::new("expected text, found nothing")
                .hint("put text that begins with # in quotes")),
            other => scalar::text(other).map(str::to_owned),
        })
    })
}

fn fixed_response(entry: &Entry<'_>) -> Option<FixedResponse> {
    let fields = entry.fields(&FIXED_RESPONSE_SECTION)?;
    let status_code = fields.required("status_code", |entry| status_code(entry, &STATUS_CODE));
    let text = |entry: &Entry<'_>| entry.read(scalar::text).map(str::to_owned);
    let content_type = fields.or("content_type", String::new(), text);
    let message_body = fields.or("message_body", String::new(), text);
    Some(FixedResponse {
        status_code: status_code?,
        content_type: content_type?,
        message_body: message_body?,
    })
}

fn status_code(entry: &Entry<'_>, limits: &Limits<u32>) -> Option<u16> {
    let code = entry.read(|code| scalar::count(code, limits))?;
    Some(u16::try_from(code).expect("the limits are those of three digits"))
}
