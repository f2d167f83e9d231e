//! The JSON Schema of the file, for editors, written from the tables that the reader goes by.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Pace,
    defaults::Defaults,
    file::ROOT,
    limits::{Limits, Quantity},
    schema::{Absent, Form, Key, Section},
    units::{self, Measure},
};

/// Sections by the place that they stand at.
type Definitions = BTreeMap<String, Value>;

pub(super) fn of_file() -> Value {
    let mut definitions = Definitions::new();
    let mut schema = of_section(&ROOT, &mut definitions);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "minicloud.yaml",
        "description": "Every key with its meaning: docs/reference/configuration.md",
        "$defs": definitions,
    });
    extend(&mut schema, head);
    schema
}

fn of_section(section: &'static Section, definitions: &mut Definitions) -> Value {
    let properties: Map<_, _> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), of_key(key, definitions)))
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    let required = names(section, |absent| matches!(absent, Absent::Fault(_)));
    if !required.is_empty() {
        extend(&mut schema, json!({ "required": required }));
    }
    let alternatives = names(section, |absent| matches!(absent, Absent::OneOf));
    if !alternatives.is_empty() {
        let alternatives = alternatives
            .iter()
            .map(|name| json!({ "required": [name] }));
        extend(
            &mut schema,
            json!({ "oneOf": alternatives.collect::<Value>() }),
        );
    }
    schema
}

fn names(section: &Section, are: impl Fn(&Absent) -> bool) -> Vec<&'static str> {
    let keys = section.keys.iter().filter(|key| are(&key.absent));
    keys.map(|key| key.name).collect()
}

fn of_key(key: &'static Key, definitions: &mut Definitions) -> Value {
    let mut schema = of_form(&key.form, definitions);
    extend(&mut schema, json!({ "description": description(key) }));
    schema
}

fn description(key: &Key) -> String {
    let default = match &key.absent {
        Absent::Default(value) => format!(" Default: {value}."),
        Absent::ByPace(value) => {
            let [fast, aws] = [Pace::Fast, Pace::Aws].map(|pace| value(Defaults::of(pace)));
            format!(" Default: `{fast}`, with `pace: aws` `{aws}`.")
        }
        Absent::Fault(_) | Absent::OneOf => String::new(),
    };
    format!("{} ({}){default}", key.meaning, key.form)
        .trim_start()
        .to_owned()
}

fn of_form(form: &'static Form, definitions: &mut Definitions) -> Value {
    match form {
        Form::Count(limits) => between("integer", limits),
        Form::Number(_, limits) => between("number", limits),
        Form::Duration(limits) => with_unit(&units::TIME, limits),
        Form::Bytes(limits) => with_unit(&units::SIZE, limits),
        Form::Rate(limits) => with_unit(&units::RATE, limits),
        Form::Flag => json!({ "type": "boolean" }),
        Form::OneOf(words) => json!({ "enum": words }),
        Form::Exactly(number) => json!({ "const": number }),
        Form::Text(_) => text(),
        Form::TextOrNumber(_) => json!({ "type": ["string", "number"] }),
        Form::Texts(_) => json!({ "type": "array", "items": text() }),
        Form::TextOrTexts(_) => json!({ "type": ["string", "array"], "items": text() }),
        Form::TextsByName(_) => json!({ "type": "object", "additionalProperties": text() }),
        Form::Section(section) => reference(section, definitions),
        Form::Or(short, section) => {
            let forms = [of_form(short, definitions), reference(section, definitions)];
            json!({ "anyOf": forms })
        }
        Form::Named(section) => {
            json!({ "type": "object", "additionalProperties": reference(section, definitions) })
        }
        Form::ListOf(section) => {
            json!({ "type": "array", "items": reference(section, definitions) })
        }
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn between<T: Copy + Serialize>(kind: &str, limits: &Limits<T>) -> Value {
    let low = match limits.is_above() {
        true => "exclusiveMinimum",
        false => "minimum",
    };
    json!({ "type": kind, low: limits.low(), "maximum": limits.high() })
}

/// A pattern cannot hold a quantity to its limits, except that it has a unit.
fn with_unit<T: Quantity>(measure: &Measure, limits: &Limits<T>) -> Value {
    json!({ "type": "string", "pattern": measure.pattern(), "examples": [limits.high().show()] })
}

/// Sections stand in the definitions, each once.
fn reference(section: &'static Section, definitions: &mut Definitions) -> Value {
    // Brackets have no place in the fragment of a URI.
    let name = section.place.replace("[]", ".item");
    if !definitions.contains_key(&name) {
        definitions.insert(name.clone(), Value::Null);
        let schema = of_section(section, definitions);
        definitions.insert(name.clone(), schema);
    }
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn extend(schema: &mut Value, with: Value) {
    if let (Value::Object(members), Value::Object(with)) = (schema, with) {
        members.extend(with);
    }
}
