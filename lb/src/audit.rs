//! What a new snapshot changes, in words for the log. Pure.

use std::collections::{BTreeMap, BTreeSet};

use minicloud_lb_api::{Listener, Rule, Snapshot, Target, TargetGroup};
use serde::Serialize;
use serde_json::Value;

/// A change that somebody may ask about later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ListenerAdded,
    ListenerRemoved,
    ListenerChanged,
    RuleAdded,
    RuleRemoved,
    RuleChanged,
    TargetGroupAdded,
    TargetGroupRemoved,
    TargetGroupChanged,
    TargetRegistered,
    TargetDeregistered,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ListenerAdded => "listener_added",
            Self::ListenerRemoved => "listener_removed",
            Self::ListenerChanged => "listener_changed",
            Self::RuleAdded => "rule_added",
            Self::RuleRemoved => "rule_removed",
            Self::RuleChanged => "rule_changed",
            Self::TargetGroupAdded => "target_group_added",
            Self::TargetGroupRemoved => "target_group_removed",
            Self::TargetGroupChanged => "target_group_changed",
            Self::TargetRegistered => "target_registered",
            Self::TargetDeregistered => "target_deregistered",
        }
    }
}

/// Everything that differs but versions and loads, listeners first.
pub(crate) fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let mut changes = Changes::default();
    changes.listeners(before, after);
    changes.groups(before, after);
    changes.0
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, kind: Kind, text: String) {
        self.0.push(Change { kind, text });
    }

    fn listeners(&mut self, before: &Snapshot, after: &Snapshot) {
        let by_port = |listener: &Listener| listener.port;
        for (port, pair) in paired(&before.listeners, &after.listeners, by_port) {
            match pair {
                (None, Some(listener)) => self.added_listener(listener),
                (Some(_), None) => {
                    self.add(Kind::ListenerRemoved, format!("listener {port} removed"));
                }
                (Some(old), Some(new)) => self.listener(old, new),
                (None, None) => {}
            }
        }
    }

    fn added_listener(&mut self, listener: &Listener) {
        let text = format!(
            "listener {} of {} added: {} rules, default {}",
            listener.port,
            listener.load_balancer,
            listener.rules.len(),
            listener.default_action
        );
        self.add(Kind::ListenerAdded, text);
    }

    fn listener(&mut self, old: &Listener, new: &Listener) {
        let port = new.port;
        if old.load_balancer != new.load_balancer {
            let text = format!(
                "listener {port} belongs to {}, not to {}",
                new.load_balancer, old.load_balancer
            );
            self.add(Kind::ListenerChanged, text);
        }
        if old.default_action != new.default_action {
            let text = format!(
                "listener {port}: default {}, was {}",
                new.default_action, old.default_action
            );
            self.add(Kind::ListenerChanged, text);
        }
        if old.attributes != new.attributes {
            let what = differences(&old.attributes, &new.attributes);
            self.add(Kind::ListenerChanged, format!("listener {port}: {what}"));
        }
        let by_priority = |rule: &Rule| rule.priority;
        for (priority, pair) in paired(&old.rules, &new.rules, by_priority) {
            self.rule(port, priority, pair);
        }
    }

    fn rule(&mut self, port: u16, priority: u32, pair: Pair<'_, Rule>) {
        let name = format!("listener {port}: rule {priority}");
        match pair {
            (None, Some(rule)) => {
                let text = format!("{name} added: {}", rule.action);
                self.add(Kind::RuleAdded, text);
            }
            (Some(rule), None) => {
                let text = format!("{name} removed: {}", rule.action);
                self.add(Kind::RuleRemoved, text);
            }
            (Some(old), Some(new)) if old != new => {
                let text = format!("{name}: {}", differences(old, new));
                self.add(Kind::RuleChanged, text);
            }
            _ => {}
        }
    }

    fn groups(&mut self, before: &Snapshot, after: &Snapshot) {
        let by_name = |group: &TargetGroup| group.name.clone();
        for (name, pair) in paired(&before.target_groups, &after.target_groups, by_name) {
            match pair {
                (None, Some(_)) => {
                    self.add(Kind::TargetGroupAdded, format!("target group {name} added"));
                }
                (Some(_), None) => {
                    let text = format!("target group {name} removed");
                    self.add(Kind::TargetGroupRemoved, text);
                }
                (Some(old), Some(new)) => {
                    let what = differences(&without_targets(old), &without_targets(new));
                    if !what.is_empty() {
                        let text = format!("target group {name}: {what}");
                        self.add(Kind::TargetGroupChanged, text);
                    }
                }
                (None, None) => {}
            }
            let [before, after] = [pair.0, pair.1].map(|group| match group {
                Some(group) => &*group.targets,
                None => &[],
            });
            self.targets(&name, before, after);
        }
    }

    /// One that drains is deregistered, though it is still listed.
    fn targets(&mut self, group: &str, before: &[Target], after: &[Target]) {
        let by_address = |target: &Target| (target.id.clone(), target.address.clone());
        for ((id, address), (old, new)) in paired(before, after, by_address) {
            let serves = |target: Option<&Target>| target.is_some_and(|target| !target.draining);
            match (serves(old), serves(new)) {
                (false, true) => {
                    let text = format!("target {id} at {address} registered with {group}");
                    self.add(Kind::TargetRegistered, text);
                }
                (true, false) => {
                    let text = format!("target {id} at {address} deregistered from {group}");
                    self.add(Kind::TargetDeregistered, text);
                }
                _ => {}
            }
        }
    }
}

/// One thing as it was and as it is.
type Pair<'a, T> = (Option<&'a T>, Option<&'a T>);

/// Things of two lists under the keys that name them, in the keys' order.
fn paired<'a, T, K: Ord>(
    before: &'a [T],
    after: &'a [T],
    key: impl Fn(&T) -> K,
) -> BTreeMap<K, Pair<'a, T>> {
    let mut pairs: BTreeMap<K, Pair<'a, T>> = BTreeMap::new();
    for item in before {
        pairs.entry(key(item)).or_default().0.get_or_insert(item);
    }
    for item in after {
        pairs.entry(key(item)).or_default().1.get_or_insert(item);
    }
    pairs
}

fn without_targets(group: &TargetGroup) -> TargetGroup {
    TargetGroup {
        targets: Vec::new(),
        ..group.clone()
    }
}

/// What differs between two values of a kind, by the names that it has on the wire, each with
/// what it is and what it was.
fn differences(old: &impl Serialize, new: &impl Serialize) -> String {
    let [old, new] = [serde_json::to_value(old), serde_json::to_value(new)];
    let mut found = Vec::new();
    if let (Ok(old), Ok(new)) = (old, new) {
        compare("", &old, &new, &mut found);
    }
    found.join(", ")
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let dot = if path.is_empty() { "" } else { "." };
                let [old, new] = [old, new].map(|values| values.get(key).unwrap_or(&Value::Null));
                compare(&format!("{path}{dot}{key}"), old, new, found);
            }
        }
        _ => found.push(format!("{path} {new}, was {old}")),
    }
}

#[cfg(test)]
mod tests;
