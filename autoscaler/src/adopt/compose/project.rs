//! What the services of a file have in common.

use super::node::{descend, member, text};
use crate::config::{self, node::Node};

pub(super) struct Project<'a> {
    pub(super) name: String,
    root: &'a Node,
}

impl<'a> Project<'a> {
    /// Named by the file, or else by its folder.
    pub(super) fn of(root: &'a Node, folder: &str) -> Self {
        let named = member(root, "name").and_then(|(_, name)| text(name));
        let name = named.filter(|name| !name.is_empty());
        Self {
            name: name.unwrap_or_else(|| normalized(folder)),
            root,
        }
    }

    /// The engine's name of a network of the file.
    pub(super) fn network(&self, key: &str) -> String {
        let network = descend(self.root, &["networks", key]);
        let named = |keys: &[&str]| network.and_then(|node| descend(node, keys)).and_then(text);
        if let Some(name) = named(&["name"]).or_else(|| named(&["external", "name"])) {
            return name;
        }
        match named(&["external"]).as_deref() {
            Some("true") => key.to_owned(),
            _ => format!("{}_{key}", self.name),
        }
    }

    /// Of what the file takes from elsewhere.
    pub(super) fn notes(&self) -> Vec<config::Fault> {
        let include = member(self.root, "include").map(|(at, _)| config::Fault {
            path: "include".to_owned(),
            line: at.line,
            column: at.column,
            message: "not judged: the files that are included".to_owned(),
            hint: None,
        });
        include.into_iter().collect()
    }
}

/// As Compose makes a project's name of a folder's.
fn normalized(folder: &str) -> String {
    let lower = folder.to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'));
    let kept: String = kept.collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}
