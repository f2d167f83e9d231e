//! Typed values out of a map of text, collecting every fault on the way.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};

use super::schema::SECTION;
use crate::{
    adopt::{ENABLE, Fault, Place},
    config::{
        fault::{Mistake, shortened},
        nearest,
        node::Value,
        schema::{Form, Key},
        snake_case,
    },
};

/// What our labels begin with.
pub(in crate::adopt) const PREFIX: &str = "minicloud.";

/// No value of ours is longer.
const MAX_VALUE: usize = 4096;

/// The labels that we know, by their names without [`PREFIX`].
pub(super) struct Fields<'a> {
    found: HashMap<&'static str, Found<'a>>,
    faults: RefCell<Vec<Fault>>,
}

struct Found<'a> {
    /// As written, whole.
    name: &'a str,
    value: &'a str,
}

/// Unknown labels that are looked at: each is compared with all that we know.
const MAX_STRANGERS: usize = 64;

/// Whether the service asks to be adopted; so does one that says neither yes nor no.
pub(in crate::adopt) fn is_on(labels: &BTreeMap<String, String>) -> bool {
    labels.get(ENABLE).is_some_and(|value| value != "false")
}

/// Labels of one family are judged together: without the one nothing is known of the other.
/// By whole name.
pub(in crate::adopt) fn family(label: &str) -> &str {
    match label.strip_prefix(PREFIX).unwrap_or(label) {
        "min" | "max" | "desired" | "schedule" => "size",
        "health.interval" | "health.timeout" => "health",
        "host" | "path" => "route",
        name => name,
    }
}

impl<'a> Fields<'a> {
    /// Of `labels` those that are ours; unknown ones are faults.
    pub(super) fn of(labels: &'a BTreeMap<String, String>) -> Self {
        let mut fields = Self {
            found: HashMap::new(),
            faults: RefCell::default(),
        };
        let mut strangers = Vec::new();
        for (name, value) in labels {
            let Some(written) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let found = Found { name, value };
            match SECTION.key(written) {
                Some(key) => drop(fields.found.insert(key.name, found)),
                None => strangers.push((written, found)),
            }
        }
        let more = strangers.len().saturating_sub(MAX_STRANGERS);
        if more > 0 {
            let mistake = Mistake::new(format!("{more} more labels that begin with {PREFIX}"));
            fields.record(
                Place::Service,
                mistake.hint("remove those that are unknown"),
            );
        }
        for (written, found) in strangers.into_iter().take(MAX_STRANGERS) {
            let (mistake, meant) = unknown(written);
            fields.record(Place::label(found.name, found.value), mistake);
            // Read on under the right name: its value may be at fault as well.
            if let Some(key) = meant {
                fields.found.entry(key.name).or_insert(found);
            }
        }
        fields.found.retain(|_, found| {
            let fits = found.value.len() <= MAX_VALUE;
            if !fits {
                let length = found.value.len();
                let mistake = Mistake::new(format!("{length} bytes are too long"));
                let mistake = mistake.hint(format!("write up to {MAX_VALUE}"));
                let fault = Place::label(found.name, found.value).fault(mistake);
                fields.faults.borrow_mut().push(fault);
            }
            fits
        });
        fields
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        debug_assert!(SECTION.key(key).is_some(), "{key} is no label");
        self.found.contains_key(key)
    }

    /// The label's value as YAML would read it; none where it is absent or at fault.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Mistake>,
    ) -> Option<T> {
        self.read_text(key, |text| read(&value(text)))
    }

    /// The label's value as it is written; none where it is absent or at fault.
    pub(super) fn read_text<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'a str) -> Result<T, Mistake>,
    ) -> Option<T> {
        debug_assert!(SECTION.key(key).is_some(), "{key} is no label");
        let found = self.found.get(key)?;
        read(found.value)
            .map_err(|mistake| self.refuse(key, mistake))
            .ok()
    }

    /// Records a mistake in a label, or in its absence.
    pub(super) fn refuse(&self, key: &'static str, mistake: Mistake) {
        let place = match self.found.get(key) {
            Some(found) => Place::label(found.name, found.value),
            None => Place::label(&format!("{PREFIX}{key}"), ""),
        };
        let mut fault = place.fault(mistake);
        let form = SECTION.key(key).map(|key| &key.form);
        fault.hint = fault.hint.or_else(|| form.map(what_to_write));
        self.faults.borrow_mut().push(fault);
    }

    /// By label.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by(|a, b| a.place.cmp(&b.place));
        faults
    }

    fn record(&self, place: Place, mistake: Mistake) {
        self.faults.borrow_mut().push(place.fault(mistake));
    }
}

/// What is wrong with a label that is none of ours, and which one it stands for.
fn unknown(written: &str) -> (Mistake, Option<&'static Key>) {
    let mistake = Mistake::new("unknown");
    let whole = |key: &Key| format!("{PREFIX}{}", key.name);
    let snake = snake_case(&shortened(written));
    let same = |key: &&Key| snake_case(key.name) == snake;
    if let Some(key) = SECTION.keys.iter().find(same) {
        return (mistake.hint(format!("write {}", whole(key))), Some(key));
    }
    if let Some((_, fix)) = SECTION.renamed.iter().find(|(old, _)| *old == snake) {
        return match SECTION.key(fix) {
            Some(key) => (mistake.hint(format!("write {}", whole(key))), Some(key)),
            None => (mistake.hint(*fix), None),
        };
    }
    let near = nearest(written, SECTION.keys.iter().map(|key| key.name));
    match near.and_then(|name| SECTION.key(name)) {
        Some(key) => {
            let hint = format!("did you mean {}?", whole(key));
            (mistake.hint(hint), Some(key))
        }
        None => {
            let hint = format!("known after {PREFIX}: {}", SECTION.list());
            (mistake.hint(hint), None)
        }
    }
}

fn what_to_write(form: &Form) -> String {
    let article = match form {
        Form::Count(_) | Form::Duration(_) => "a ",
        _ => "",
    };
    format!("write {article}{form}")
}

/// Labels are text: a number, or true and false, as YAML has them without quotes.
fn value(text: &str) -> Value {
    let digit = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if !digit => Value::Text(text.to_owned()),
        _ => match (text.parse(), text.parse::<f64>()) {
            (Ok(number), _) => Value::Integer(number),
            (Err(_), Ok(number)) if number.is_finite() => Value::Float(number),
            _ => Value::Text(text.to_owned()),
        },
    }
}
