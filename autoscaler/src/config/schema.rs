//! What a section of the file may hold. Each section's table stands beside its reading in
//! `file`: the reader refuses what is not in it, and docs/reference/configuration.md and the JSON Schema
//! are written from it.

use std::{fmt, time::Duration};

use super::{
    defaults::Defaults,
    fault::Mistake,
    limits::Limits,
    suggest::{nearest, snake_case},
    units::{Bytes, Rate},
};

/// A mapping with known keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// Where it stands, in the words that the head of the reference page explains: `NAME` is
    /// any name, `[]` any item. Empty for the file itself.
    pub(crate) place: &'static str,
    pub(crate) keys: &'static [Key],
    /// What people write here who know botocore's model or another tool, in snake_case, and
    /// what to do: the key of this section that is meant, or a sentence.
    pub(crate) renamed: &'static [(&'static str, &'static str)],
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) absent: Absent,
    pub(crate) meaning: &'static str,
}

/// What may stand after a key.
#[derive(Debug)]
pub(crate) enum Form {
    Count(&'static Limits<u32>),
    /// Of what, and how many.
    Number(&'static str, &'static Limits<f64>),
    Duration(&'static Limits<Duration>),
    Bytes(&'static Limits<Bytes>),
    Rate(&'static Limits<Rate>),
    Flag,
    OneOf(&'static [&'static str]),
    /// This number and no other.
    Exactly(u32),
    /// In words, as what follows.
    Text(&'static str),
    TextOrNumber(&'static str),
    Texts(&'static str),
    /// Of one, the list may be left out.
    TextOrTexts(&'static str),
    TextsByName(&'static str),
    Section(&'static Section),
    /// A short form, or the long one.
    Or(&'static Form, &'static Section),
    /// A mapping from names to sections.
    Named(&'static Section),
    ListOf(&'static Section),
}

/// What holds where a key is absent.
#[derive(Debug)]
pub(crate) enum Absent {
    /// It is a fault, mended by a value such as this.
    Fault(&'static str),
    Default(&'static str),
    /// Exactly one of the section's keys that say so is there.
    OneOf,
    ByPace(fn(&Defaults) -> String),
}

impl Section {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The least that may stand there, where something must.
    pub(crate) fn example(&self) -> Option<String> {
        let required = self.keys.iter().filter_map(|key| match key.absent {
            Absent::Fault(value) => Some(format!("{}: {value}", key.name)),
            _ => None,
        });
        let required: Vec<_> = required.collect();
        (!required.is_empty()).then(|| format!("{{ {} }}", required.join(", ")))
    }

    /// What is wrong with a key that is not in this section, and which key it stands for.
    pub(crate) fn unknown(&self, written: &str) -> (Mistake, Option<&'static Key>) {
        let mistake = Mistake::new("unknown key");
        let snake = snake_case(written);
        if let Some(key) = self.key(&snake) {
            return (mistake.hint(format!("write {}", key.name)), Some(key));
        }
        if let Some((_, fix)) = self.renamed.iter().find(|(old, _)| *old == snake) {
            return match self.key(fix) {
                Some(key) => (mistake.hint(format!("write {fix}")), Some(key)),
                None => (mistake.hint(*fix), None),
            };
        }
        let near = nearest(written, self.keys.iter().map(|key| key.name));
        match near.and_then(|name| self.key(name)) {
            Some(key) => (
                mistake.hint(format!("did you mean {}?", key.name)),
                Some(key),
            ),
            None => (mistake.hint(format!("known here: {}", self.list())), None),
        }
    }

    /// Its keys, as a message lists them.
    pub(crate) fn list(&self) -> String {
        let names: Vec<_> = self.keys.iter().map(|key| key.name).collect();
        names.join(", ")
    }
}

impl Key {
    pub(crate) const fn new(
        name: &'static str,
        form: Form,
        absent: Absent,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            form,
            absent,
            meaning,
        }
    }
}

impl Form {
    /// The section that may stand there.
    pub(crate) fn child(&self) -> Option<&'static Section> {
        match self {
            Self::Section(section)
            | Self::Or(_, section)
            | Self::Named(section)
            | Self::ListOf(section) => Some(section),
            _ => None,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(limits) => write!(f, "whole number, {limits}"),
            Self::Number(what, limits) => write!(f, "{what}, {limits}"),
            Self::Duration(limits) => write!(f, "duration, {limits}"),
            Self::Bytes(limits) => write!(f, "size, {limits}"),
            Self::Rate(limits) => write!(f, "rate, {limits}"),
            Self::Flag => f.write_str("`true` or `false`"),
            Self::OneOf([first @ .., second_last, last]) => {
                first.iter().try_for_each(|word| write!(f, "`{word}`, "))?;
                write!(f, "`{second_last}` or `{last}`")
            }
            Self::OneOf(words) => write!(f, "`{}`", words.concat()),
            Self::Exactly(number) => write!(f, "`{number}`"),
            Self::Text(what)
            | Self::TextOrNumber(what)
            | Self::Texts(what)
            | Self::TextOrTexts(what)
            | Self::TextsByName(what) => f.write_str(what),
            Self::Section(_) => f.write_str("mapping"),
            Self::Or(short, _) => write!(f, "{short}, or mapping"),
            Self::Named(_) => f.write_str("mapping of names to mappings"),
            Self::ListOf(_) => f.write_str("list of mappings"),
        }
    }
}
