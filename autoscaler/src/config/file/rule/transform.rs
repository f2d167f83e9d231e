use minicloud_lb_api::{Rewrite, Transform};

use crate::config::{
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
};

pub(super) const SECTION: Section = Section {
    place: "load_balancers.NAME.listeners[].rules[].transforms[]",
    keys: &[
        Key::new(
            HOST_HEADER_REWRITE,
            Form::Section(&REWRITE),
            Absent::OneOf,
            "Rewrites the Host.",
        ),
        Key::new(
            URL_REWRITE,
            Form::Section(&REWRITE),
            Absent::OneOf,
            "Rewrites path and query.",
        ),
    ],
    renamed: &[
        ("type", "remove it: the key says which transform it is"),
        ("host_header_rewrite_config", HOST_HEADER_REWRITE),
        ("host", HOST_HEADER_REWRITE),
        ("url_rewrite_config", URL_REWRITE),
        ("rewrite", URL_REWRITE),
        ("path", URL_REWRITE),
    ],
};

const REWRITE: Section = Section {
    place: "REWRITE",
    keys: &[
        Key::new(
            "regex",
            Form::Text("regular expression"),
            Absent::Fault("^/old/(.*)"),
            "Its first match is replaced.",
        ),
        Key::new(
            "replace",
            Form::Text("text"),
            Absent::Fault("/new/$1"),
            "What stands there instead; `$1` is the first group of the expression.",
        ),
    ],
    renamed: &[
        ("rewrites", "write its regex and replace here"),
        ("pattern", "regex"),
        ("replacement", "replace"),
        ("with", "replace"),
    ],
};

const HOST_HEADER_REWRITE: &str = "host_header_rewrite";
const URL_REWRITE: &str = "url_rewrite";

pub(super) fn read(entry: &Entry<'_>) -> Option<Transform> {
    let fields = entry.fields(&SECTION)?;
    let (kind, entry) = fields.only("give it an item of its own, with - before it")?;
    let rewrite = rewrite(entry)?;
    Some(match kind {
        HOST_HEADER_REWRITE => Transform::HostHeaderRewrite(rewrite),
        _ => Transform::UrlRewrite(rewrite),
    })
}

fn rewrite(entry: &Entry<'_>) -> Option<Rewrite> {
    let fields = entry.fields(&REWRITE)?;
    let regex = fields.required("regex", |entry| entry.read(scalar::text));
    let replace = fields.required("replace", |entry| entry.read(scalar::text));
    Some(Rewrite {
        regex: regex?.to_owned(),
        replace: replace?.to_owned(),
    })
}
