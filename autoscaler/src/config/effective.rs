//! Every value that a file puts in force, those it leaves out included, and where each one
//! comes from. Walks the tables that the reader goes by.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Config, Pace,
    defaults::Defaults,
    fault::{Faults, Position},
    file::ROOT,
    node::{Node, Value},
    schema::{Absent, Form, Key, Section},
    yaml,
};

/// A value of the configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveValue {
    /// As messages have it: `auto_scaling_groups.web.min_size`.
    pub path: String,
    /// As the file would have it; of a default, perhaps in words.
    pub value: String,
    pub origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Origin {
    /// It is written there, in the file or in what was applied.
    Written { line: usize, column: usize },
    /// Nothing is written, and this holds always.
    Default,
    /// Nothing is written, and this holds at this `pace`.
    Pace,
    /// A request to the control API or a scaling policy has set it since.
    Runtime,
}

/// The values of a file, in the order of the reference page.
///
/// # Errors
/// All that is wrong with the file.
pub fn effective(bytes: &[u8]) -> Result<Vec<EffectiveValue>, Faults> {
    let pace = Config::parse(bytes)?.pace;
    let mut walk = Walk {
        pace,
        values: Vec::new(),
    };
    if let Value::Mapping(members) = yaml::parse(bytes)?.value {
        walk.section(&ROOT, members, "");
    }
    Ok(walk.values)
}

struct Walk {
    pace: Pace,
    values: Vec<EffectiveValue>,
}

impl Walk {
    fn section(&mut self, section: &'static Section, members: Vec<(Node, Node)>, path: &str) {
        let mut members: Vec<_> = members
            .into_iter()
            .map(|(name, node)| (text(name), node))
            .collect();
        for key in section.keys {
            let path = below(path, key.name);
            match members.iter().position(|(name, _)| name == key.name) {
                Some(index) => self.form(&key.form, members.swap_remove(index).1, path),
                None => self.absent(key, path),
            }
        }
    }

    fn form(&mut self, form: &'static Form, node: Node, path: String) {
        let Some(section) = form.child() else {
            return self.written(node, path);
        };
        match (node.value, form) {
            (Value::Mapping(members), Form::Named(_)) => {
                for (name, node) in members {
                    self.item(section, node, below(&path, &text(name)));
                }
            }
            (Value::List(items), _) => {
                for (index, node) in items.into_iter().enumerate() {
                    self.item(section, node, format!("{path}[{index}]"));
                }
            }
            (Value::Mapping(members), _) => self.section(section, members, &path),
            (value, _) => self.written(Node { value, ..node }, path),
        }
    }

    fn item(&mut self, section: &'static Section, node: Node, path: String) {
        match node.value {
            Value::Mapping(members) => self.section(section, members, &path),
            // A short form.
            value => self.written(Node { value, ..node }, path),
        }
    }

    fn written(&mut self, node: Node, path: String) {
        let Position { line, column } = node.at;
        let origin = Origin::Written { line, column };
        let value = text(node);
        self.values.push(EffectiveValue {
            path,
            value,
            origin,
        });
    }

    fn absent(&mut self, key: &'static Key, path: String) {
        let (value, origin) = match (&key.absent, &key.form) {
            // What its own keys are when it is empty.
            (Absent::Default(_), Form::Section(section)) if section.example().is_none() => {
                return self.section(section, Vec::new(), &path);
            }
            (Absent::Default(value), _) => (value.replace('`', ""), Origin::Default),
            (Absent::ByPace(value), _) => (value(Defaults::of(self.pace)), Origin::Pace),
            // Another one is there in its place.
            (Absent::Fault(_) | Absent::OneOf, _) => return,
        };
        self.values.push(EffectiveValue {
            path,
            value,
            origin,
        });
    }
}

fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// Text as it is, all else as JSON, which YAML takes.
fn text(node: Node) -> String {
    match serde_json::Value::try_from(node) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(file: &str) -> Vec<String> {
        let values = effective(file.as_bytes()).unwrap();
        let line = |it: &EffectiveValue| match it.origin {
            Origin::Written { line, .. } => format!("{}={} line {line}", it.path, it.value),
            origin => format!("{}={} {origin:?}", it.path, it.value),
        };
        values.iter().map(line).collect()
    }

    #[test]
    fn values_say_where_they_come_from() {
        let shown = shown(crate::config::EXAMPLE);
        for wanted in [
            "version=1 line 3",
            "pace=fast line 4",
            "launch_templates.web.process.command=[\"minicloud\",\"sample-app\"] line 8",
            "launch_templates.web.cpus=0.5 line 8",
            "auto_scaling_groups.web.max_size=2 line 15",
            "auto_scaling_groups.web.default_cooldown=30s Pace",
            "auto_scaling_groups.web.scaling_policies[0].target_tracking.target_value=80 line 20",
            "key_pairs=none Default",
            "host_headroom.cpu=10% Default",
        ] {
            let path = wanted.split('=').next().unwrap();
            let found: Vec<_> = shown.iter().filter(|line| line.starts_with(path)).collect();
            assert!(
                shown.iter().any(|line| line == wanted),
                "{wanted}: {found:?}"
            );
        }
    }

    #[test]
    fn defaults_follow_the_pace() {
        let file = "version: 1\npace: aws\n";
        let values = effective(file.as_bytes()).unwrap();
        let enabled = values.iter().find(|it| it.path == "host_headroom.enabled");
        assert_eq!(enabled.unwrap().value, "false");
        assert_eq!(enabled.unwrap().origin, Origin::Pace);
    }

    #[test]
    fn faulty_file_has_no_values() {
        assert!(effective(b"version: 1\npaces: fast\n").is_err());
    }
}
