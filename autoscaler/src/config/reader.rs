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
        for (written, entry) in self.mapping_such_as(section.example())? {
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
        self.mapping_such_as(None)
    }

    fn mapping_such_as(&self, example: Option<String>) -> Option<Vec<(String, Entry<'a>)>> {
        let Value::Mapping(pairs) = self.value() else {
            let mistake = Mistake::new(format!("expected a mapping, found {}", self.value()));
            self.refuse(match (self.value(), example) {
                (Value::Null, _) => mistake.hint("indent its keys below it, or remove it"),
                (_, Some(example)) => mistake.hint(format!("write {example}")),
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
                Value::Mapping(_) => mistake.hint("begin each item with -"),
                _ => mistake,
            });
            return None;
        };
        let items = items.iter().enumerate();
        Some(
            items
                .map(|(index, node)| self.numbered(index, node))
                .collect(),
        )
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

    /// The items of a list; what is no list is the one item there is.
    pub(super) fn items(&self) -> Vec<Self> {
        match self.value() {
            Value::List(_) => self.list().unwrap_or_default(),
            _ => vec![self.clone()],
        }
    }

    /// Where `path` leads from here: `conditions[0].path_pattern.values[1]`, keys with or without
    /// the unit that they have on the wire. Where the file has a shorter form, as far as it goes.
    pub(super) fn nearest_to(&self, path: &str) -> Self {
        let mut entry = self.clone();
        for step in path.split(['.', '[']) {
            let next = match step.strip_suffix(']') {
                Some(index) => entry.item(index),
                None => entry.member(step),
            };
            entry = next.unwrap_or(entry);
        }
        entry
    }

    fn item(&self, index: &str) -> Option<Self> {
        match self.value() {
            Value::List(items) => {
                let index: usize = index.parse().ok()?;
                Some(self.numbered(index, items.get(index)?))
            }
            _ => None,
        }
    }

    fn member(&self, name: &str) -> Option<Self> {
        let Value::Mapping(pairs) = self.value() else {
            return None;
        };
        let without_unit = name.strip_suffix("_seconds").unwrap_or(name);
        pairs.iter().find_map(|(key, node)| match &key.value {
            Value::Text(text) if text == name || text == without_unit => {
                Some(self.child(node, key.at, text))
            }
            _ => None,
        })
    }

    fn numbered(&self, index: usize, node: &'a Node) -> Self {
        Self {
            node,
            label_at: node.at,
            path: format!("{}[{index}]", self.path),
            log: self.log,
        }
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

    /// The one key that is there: none is a fault, and so is a second, of which `instead` says
    /// what becomes of it.
    pub(super) fn only(&self, instead: &str) -> Option<(&'static str, &Entry<'a>)> {
        let mut found: Vec<_> = self
            .found
            .iter()
            .map(|(key, entry)| (*key, entry))
            .collect();
        found.sort_by_key(|(key, entry)| (entry.label_at, *key));
        for (key, entry) in found.iter().skip(1) {
            let mistake = Mistake::new(format!("{key} stands beside {}", found[0].0));
            entry.refuse_label(mistake.hint(instead));
        }
        // A key that nobody knows is a fault already.
        if matches!(self.entry.value(), Value::Mapping(pairs) if pairs.is_empty()) {
            let mistake = Mistake::new("the mapping is empty");
            self.entry
                .refuse(mistake.hint(format!("write one of {}", self.section.list())));
        }
        found.first().copied()
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
