//! Reads typed values out of the tree, collecting every fault on the way.
//!
//! A read that fails records why and yields `None`; the caller reads on and gives up only when
//! it has read everything, so that one run shows all there is to mend.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use super::{
    fault::{Fault, Mistake, Position, quoted, shortened},
    node::{Node, Value},
    schema::{Absent, Section},
};

/// Where faults are gathered.
pub(super) type Log = RefCell<Vec<Fault>>;

/// One value, what it is called and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    node: &'a Node,
    /// Of the key, or of the item itself in a list.
    label_at: Position,
    path: String,
    log: &'a Log,
}

/// The values of a mapping whose keys the schema names.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    entry: Entry<'a>,
    section: &'static Section,
    found: HashMap<&'static str, Entry<'a>>,
}

impl<'a> Entry<'a> {
    pub(super) fn root(node: &'a Node, log: &'a Log) -> Self {
        Self {
            node,
            label_at: Position::START,
            path: String::new(),
            log,
        }
    }

    pub(super) fn value(&self) -> &'a Value {
        &self.node.value
    }

    pub(super) fn line(&self) -> usize {
        self.node.at.line
    }

    /// Reads the value; what is wrong with it is recorded here.
    pub(super) fn read<T>(&self, read: impl FnOnce(&'a Value) -> Result<T, Mistake>) -> Option<T> {
        read(self.value())
            .map_err(|mistake| self.refuse(mistake))
            .ok()
    }

    /// Records a mistake in the value.
    pub(super) fn refuse(&self, mistake: Mistake) {
        // Of nothing there is no place: point at the key.
        let at = match self.node.value {
            Value::Null => self.label_at,
            _ => self.node.at,
        };
        self.record(mistake, at);
    }

    /// Records a mistake in what the value is called.
    pub(super) fn refuse_label(&self, mistake: Mistake) {
        self.record(mistake, self.label_at);
    }

    /// A mapping with the keys of `section`; others are faults.
    pub(super) fn fields(&self, section: &'static Section) -> Option<Fields<'a>> {
        let mut found = HashMap::new();
        for (written, entry) in self.mapping()? {
            if let Some(key) = section.key(&written) {
                found.insert(key.name, entry);
                continue;
            }
            let (mistake, meant) = section.unknown(&written);
            entry.refuse_label(mistake);
            // Read on under the right name: what is below may be at fault as well.
            if let Some(key) = meant {
                found.entry(key.name).or_insert(entry);
            }
        }
        Some(Fields {
            entry: self.clone(),
            section,
            found,
        })
    }

    /// A mapping from text to values, in the order of the file and without duplicates.
    pub(super) fn mapping(&self) -> Option<Vec<(String, Entry<'a>)>> {
        let Value::Mapping(pairs) = self.value() else {
            let mistake = Mistake::new(format!("expected a mapping, found {}", self.value()));
            self.refuse(match self.value() {
                Value::Null => mistake.hint("indent its keys below it, or remove it"),
                _ => mistake,
            });
            return None;
        };
        let mut lines: HashMap<&str, usize> = HashMap::new();
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, node) in pairs {
            let Value::Text(name) = &key.value else {
                let mistake = Mistake::new(format!(
                    "expected a name before the `:`, found {}",
                    key.value
                ));
                self.record(mistake.hint("put it in quotes if it is one"), key.at);
                continue;
            };
            let entry = self.child(node, key.at, name);
            if let Some(line) = lines.insert(name, key.at.line) {
                let mistake = Mistake::new(format!("the key appears twice, first in line {line}"));
                entry.refuse_label(mistake.hint("keep one of the two"));
            } else {
                entries.push((name.clone(), entry));
            }
        }
        Some(entries)
    }

    pub(super) fn list(&self) -> Option<Vec<Entry<'a>>> {
        let Value::List(items) = self.value() else {
            let mistake = Mistake::new(format!("expected a list, found {}", self.value()));
            self.refuse(match self.value() {
                Value::Text(text) => mistake.hint(format!("write [{}]", shortened(text))),
                _ => mistake,
            });
            return None;
        };
        let item = |(index, node): (usize, &'a Node)| Entry {
            node,
            label_at: node.at,
            path: format!("{}[{index}]", self.path),
            log: self.log,
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A list whose items differ from one another.
    pub(super) fn distinct(
        &self,
        read: impl Fn(&Entry<'a>) -> Option<String>,
    ) -> Option<Vec<String>> {
        let mut seen = HashSet::new();
        let mut texts = Vec::new();
        for item in self.list()? {
            let Some(text) = read(&item) else {
                continue;
            };
            if !seen.insert(text.clone()) {
                let mistake = Mistake::new(format!("{} is listed twice", quoted(&text)));
                item.refuse(mistake.hint("keep one of the two"));
            }
            texts.push(text);
        }
        Some(texts)
    }

    fn child(&self, node: &'a Node, label_at: Position, name: &str) -> Self {
        let name = shortened(name);
        let path = match self.path.as_str() {
            "" => name,
            parent => format!("{parent}.{name}"),
        };
        Self {
            node,
            label_at,
            path,
            log: self.log,
        }
    }

    fn record(&self, mistake: Mistake, at: Position) {
        self.log.borrow_mut().push(mistake.at(at, &self.path));
    }
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, key: &'static str) -> Option<&Entry<'a>> {
        debug_assert!(self.section.key(key).is_some(), "{key} is in no section");
        self.found.get(key)
    }

    /// The key's value; its absence is a fault.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Entry<'a>) -> Option<T>,
    ) -> Option<T> {
        if let Some(entry) = self.get(key) {
            return read(entry);
        }
        let mistake = Mistake::new(format!("{key} is missing"));
        self.entry
            .refuse_label(match self.section.key(key).map(|key| &key.absent) {
                Some(Absent::Fault(example)) => mistake.hint(format!("add {key}: {example}")),
                _ => mistake,
            });
        None
    }

    /// The key's value, or the default where the key is absent.
    pub(super) fn or<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Entry<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).map_or(Some(default), read)
    }

    /// `Some(None)` where the key is absent.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Entry<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.get(key)
            .map_or(Some(None), |entry| read(entry).map(Some))
    }
}
