//! Parts of the tree, without a word on what is missing: the file is Compose's to judge.

use super::interpolate::interpolated;
use crate::config::{
    fault::Position,
    node::{Node, Value},
};

/// The place of a key and its value.
pub(super) fn member<'a>(node: &'a Node, key: &str) -> Option<(Position, &'a Node)> {
    members(node)
        .into_iter()
        .find_map(|(name, at, node)| (name == key).then_some((at, node)))
}

/// The keys of a mapping that are text.
pub(super) fn members(node: &Node) -> Vec<(&str, Position, &Node)> {
    let Value::Mapping(pairs) = &node.value else {
        return Vec::new();
    };
    pairs
        .iter()
        .filter_map(|(key, node)| match &key.value {
            Value::Text(name) => Some((name.as_str(), key.at, node)),
            _ => None,
        })
        .collect()
}

pub(super) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => &[],
    }
}

/// What follows a chain of keys.
pub(super) fn descend<'a>(node: &'a Node, keys: &[&str]) -> Option<&'a Node> {
    keys.iter()
        .try_fold(node, |node, key| member(node, key).map(|(_, node)| node))
}

/// A value as the text that Compose makes of it; none where it is no single value, or where
/// only the environment knows.
pub(super) fn text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Text(text) => interpolated(text),
        Value::List(_) | Value::Mapping(_) => None,
    }
}
