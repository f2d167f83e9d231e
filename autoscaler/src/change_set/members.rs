use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::config::{show_bytes, show_duration};

/// Members of AWS's that are seconds without saying so.
const SECONDS: [&str; 4] = [
    "cooldown",
    "estimated_instance_warmup",
    "period",
    "scale_in_cooldown",
];

/// One member of a resource, as the file writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Detail {
    /// From the resource: `health_check.path`, `scaling_policies.cpu80.target_tracking.metric`.
    pub name: String,
    /// Absent: it is not there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_value: Option<String>,
    /// Absent: it will not be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_value: Option<String>,
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberAction<'a> {
    Add(&'a str),
    Modify(&'a str, &'a str),
    Remove(&'a str),
}

/// The members of a resource by their path, each in the words of the file.
pub(super) type Members = BTreeMap<String, String>;

impl Detail {
    /// `None` where it says nothing.
    pub fn action(&self) -> Option<MemberAction<'_>> {
        match (self.before_value.as_deref(), self.after_value.as_deref()) {
            (None, None) => None,
            (None, Some(after)) => Some(MemberAction::Add(after)),
            (Some(before), Some(after)) => Some(MemberAction::Modify(before, after)),
            (Some(before), None) => Some(MemberAction::Remove(before)),
        }
    }
}

/// What a resource has, without `hidden` members.
pub(super) fn members(resource: &impl Serialize, hidden: &[&str]) -> Members {
    let mut members = Members::new();
    let value = serde_json::to_value(resource).expect("resources are plain data");
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            if !hidden.contains(&name.as_str()) {
                gather(name, &value, &mut members);
            }
        }
    }
    members
}

/// From one state of a resource to another.
pub(super) fn details(before: &Members, after: &Members) -> Vec<Detail> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let details = names.into_iter().map(|name| Detail {
        name: name.clone(),
        before_value: before.get(name).cloned(),
        after_value: after.get(name).cloned(),
    });
    details
        .filter(|detail| detail.before_value != detail.after_value)
        .collect()
}

fn gather(path: String, value: &Value, members: &mut Members) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            if let Some(time) = duration(fields) {
                members.insert(path, show_duration(time));
                return;
            }
            for (name, value) in fields {
                gather(format!("{path}.{name}"), value, members);
            }
        }
        Value::Array(items) if items.iter().all(is_scalar) => {
            // What is not there and what is empty are the same to a file.
            if !items.is_empty() {
                let items: Vec<_> = items.iter().map(scalar).collect();
                members.insert(path, format!("[{}]", items.join(", ")));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                match item.get("name").and_then(Value::as_str) {
                    Some(name) => gather(format!("{path}.{name}"), item, members),
                    None => gather(format!("{path}[{index}]"), item, members),
                }
            }
        }
        // The wire has the unit in the name, the file in the value.
        value => {
            let is_seconds =
                |name: &&str| SECONDS.contains(&name.rsplit('.').next().unwrap_or(name));
            let of_seconds = path.strip_suffix("_seconds");
            let of_seconds = of_seconds.or(Some(path.as_str()).filter(is_seconds));
            match (
                of_seconds,
                seconds(value),
                path.strip_suffix("_bytes"),
                value.as_u64(),
            ) {
                (Some(path), Some(time), ..) => {
                    members.insert(path.to_owned(), show_duration(time))
                }
                (.., Some(path), Some(bytes)) => members.insert(path.to_owned(), show_bytes(bytes)),
                _ => members.insert(path, scalar(value)),
            };
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// Of what serde makes of a `Duration`.
fn duration(fields: &Map<String, Value>) -> Option<Duration> {
    let (secs, nanos) = (
        fields.get("secs")?.as_u64()?,
        fields.get("nanos")?.as_u64()?,
    );
    (fields.len() == 2).then(|| Duration::from_secs(secs) + Duration::from_nanos(nanos))
}

fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

/// As one would write it; nothing that a terminal would obey.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"')
}
