//! The JSON Schema says what the reader says, as far as a schema can.

use std::collections::BTreeSet;

use jsonschema::Validator;
use serde_json::Value;

use super::*;
use crate::config::{node::Node, yaml};

/// What the reader says of mistakes that a schema can see. Not of quantities with a unit: to
/// compare those is beyond a pattern.
const VISIBLE: [&str; 6] = [
    "unknown key",
    "unknown value",
    "expected",
    "has no unit",
    "is not a duration",
    "is missing",
];

fn validator() -> Validator {
    jsonschema::draft202012::new(&Config::json_schema()).unwrap()
}

/// As an editor has it. Of a key that appears twice the last counts.
fn instance(text: &str) -> Value {
    fn value(node: Node) -> Value {
        match node.value {
            node::Value::List(items) => items.into_iter().map(value).collect(),
            node::Value::Mapping(pairs) => {
                let pairs = pairs.into_iter().map(|(key, node)| match key.value {
                    node::Value::Text(name) => (name, value(node)),
                    other => panic!("{other} is no name"),
                });
                Value::Object(pairs.collect())
            }
            _ => node.try_into().unwrap(),
        }
    }
    value(yaml::parse(text.as_bytes()).unwrap())
}

#[test]
fn schema_in_contrib_is_current() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../contrib/schema/minicloud.schema.json"
    );
    let schema = serde_json::to_string_pretty(&Config::json_schema()).unwrap() + "\n";
    if std::env::var_os("MINICLOUD_BLESS").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == schema,
        "contrib/schema/minicloud.schema.json is out of date: MINICLOUD_BLESS=1 cargo test -p minicloud-autoscaler --lib -- json_schema"
    );
}

#[test]
fn schema_takes_what_the_reader_takes() {
    for text in [
        EXAMPLE,
        EXAMPLE_WITH_RULES,
        include_str!("every_key.yaml"),
        "version: 1",
    ] {
        parse(text).unwrap();
        let instance = instance(text);
        let errors: Vec<_> = validator()
            .iter_errors(&instance)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?} in:\n{text}");
    }
}

/// Both ways: what the schema can see it refuses, and it refuses nothing else.
#[test]
fn schema_sees_the_mistakes_that_it_can() {
    let instance = instance(MISTAKES);
    let seen: BTreeSet<_> = validator()
        .iter_errors(&instance)
        .map(|error| place(&error.instance_path().to_string()))
        .collect();
    let faults = parse(MISTAKES).unwrap_err();
    // An unknown key and a missing one are mistakes of the mapping.
    let in_mapping = |path: &str| {
        path.rsplit_once('.')
            .map_or("", |(above, _)| above)
            .to_owned()
    };
    let covers =
        |place: &String, fault: &Fault| *place == fault.path || *place == in_mapping(&fault.path);
    for fault in faults.iter() {
        let visible = VISIBLE.iter().any(|words| fault.message.contains(words));
        // Below an unknown key there is nothing that a schema knows.
        let below_unknown = faults.iter().any(|other| {
            other.message == "unknown key" && fault != other && fault.path.starts_with(&other.path)
        });
        assert!(
            !visible || below_unknown || seen.iter().any(|place| covers(place, fault)),
            "{}: {} is not seen; {seen:#?}",
            fault.path,
            fault.message
        );
    }
    for place in &seen {
        assert!(
            faults.iter().any(|fault| covers(place, fault)),
            "{place} is no fault of the reader's"
        );
    }
}

/// `/a/0/b` as the reader says it: `a[0].b`.
fn place(pointer: &str) -> String {
    let steps = pointer.split('/').skip(1);
    steps.fold(String::new(), |place, step| match step.parse::<usize>() {
        Ok(index) => format!("{place}[{index}]"),
        Err(_) if place.is_empty() => step.to_owned(),
        Err(_) => format!("{place}.{step}"),
    })
}

#[test]
fn references_lead_to_definitions() {
    let schema = Config::json_schema();
    let text = schema.to_string();
    let references = text.split("\"$ref\":\"#/$defs/").skip(1);
    let names: BTreeSet<_> = references
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let defined: BTreeSet<_> = schema["$defs"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(names, defined);
}
