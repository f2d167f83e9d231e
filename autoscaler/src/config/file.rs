//! From the tree of a file to a [`Config`]: the sections at the root, and what spans sections.

mod action;
pub(crate) mod auto_scaling_group;
mod busy_check;
mod host_headroom;
mod instance_type;
mod key_pair;
mod launch_template;
mod load_balancer;
mod notification;
mod rule;
mod scaling_policy;
mod scheduled_action;
mod security_group;
pub(crate) mod target_group;
pub(crate) mod termination_policies;

use std::collections::BTreeMap;

use minicloud_lb_api::RuleFault;

use super::{
    Config, Pace, ProviderKind,
    defaults::Defaults,
    fault::{Faults, Mistake, quoted, sentence, shortened},
    node::{Node, Value},
    reader::{Entry, Fields, Log},
    scalar,
    schema::{Absent, Form, Key, Section},
    suggest::nearest,
};
use crate::launch_template::LaunchTemplateData;

/// The one version of the format there is.
const VERSION: i128 = 1;

pub(super) const ROOT: Section = Section {
    place: "",
    keys: &[
        Key::new(
            "version",
            Form::Exactly(1),
            Absent::Fault("1"),
            "Version of this format.",
        ),
        Key::new(
            "pace",
            Form::OneOf(PACES),
            Absent::Default("`fast`"),
            "Whose timing holds where the file is silent: seconds, or that of AWS.",
        ),
        Key::new(
            "instance_types",
            Form::Named(&instance_type::SECTION),
            Absent::Default("none"),
            "Sizes that launch templates may name besides EC2's own.",
        ),
        Key::new(
            "key_pairs",
            Form::Named(&key_pair::SECTION),
            Absent::Default("none"),
            "Public keys whose holders may open a shell in instances, besides those that the control API made.",
        ),
        Key::new(
            "launch_templates",
            Form::Named(&launch_template::SECTION),
            Absent::Default("none"),
            "What instances are launched from.",
        ),
        Key::new(
            "auto_scaling_groups",
            Form::Named(&auto_scaling_group::SECTION),
            Absent::Default("none"),
            "Groups of instances that grow and shrink.",
        ),
        Key::new(
            "target_groups",
            Form::Named(&target_group::SECTION),
            Absent::Default("none"),
            "Where requests may go, and how targets are checked.",
        ),
        Key::new(
            "load_balancers",
            Form::Named(&load_balancer::SECTION),
            Absent::Default("none"),
            "Where requests come in.",
        ),
        Key::new(
            "security_groups",
            Form::Named(&security_group::SECTION),
            Absent::Default("none"),
            "Who may reach listeners and instances.",
        ),
        Key::new(
            "host_headroom",
            Form::Section(&host_headroom::SECTION),
            Absent::Default("as below"),
            "What is kept free of the machine: a group does not grow into it.",
        ),
    ],
    renamed: &[
        ("groups", "auto_scaling_groups"),
        ("asgs", "auto_scaling_groups"),
        ("templates", "launch_templates"),
        ("launch_configurations", "launch_templates"),
        ("balancers", "load_balancers"),
        ("firewall", "security_groups"),
        ("headroom", "host_headroom"),
        ("keys", "key_pairs"),
        ("ssh_keys", "key_pairs"),
        (
            "services",
            "write a launch_templates entry and an auto_scaling_groups entry for each service",
        ),
    ],
};

const SECURITY_GROUP: &str = "security group";

const PACES: &[&str] = &["fast", "aws"];

/// Names that references of one kind may use.
pub(super) struct Names {
    kind: &'static str,
    /// `None` where the section that holds them could not be read.
    names: Option<Vec<String>>,
}

/// Reads everything, then answers with the configuration or with every fault there is.
pub(super) fn read(node: &Node, provider: Option<ProviderKind>) -> Result<Config, Faults> {
    let log = Log::default();
    let config = root(&Entry::root(node, &log), provider);
    Faults::check(log.into_inner())?;
    Ok(config)
}

/// Reads the members of a launch template that came by another way than the file.
pub(super) fn read_launch_template_data(
    node: &Node,
    config: &Config,
) -> Result<LaunchTemplateData, Faults> {
    let log = Log::default();
    let context = launch_template::Context {
        instance_types: &config.instance_types,
        security_groups: &Names::known(SECURITY_GROUP, config.security_groups.keys()),
    };
    let data = launch_template::read_members(&Entry::root(node, &log), &context);
    Faults::check(log.into_inner())?;
    Ok(data.unwrap_or_default())
}

/// With a fault in the log, less than the file holds.
fn root(entry: &Entry<'_>, provider: Option<ProviderKind>) -> Config {
    let mistake = match entry.value() {
        Value::Mapping(_) => {
            let file = entry.fields(&ROOT);
            return file
                .map(|file| sections(&file, provider))
                .unwrap_or_default();
        }
        Value::Null => Mistake::new("the file is empty"),
        other => Mistake::new(format!("expected keys and values, found {other}")),
    };
    entry.refuse_label(mistake.hint("begin with version: 1"));
    Config::default()
}

fn sections(file: &Fields<'_>, provider: Option<ProviderKind>) -> Config {
    file.required("version", version);
    let pace = file.or("pace", Pace::default(), pace).unwrap_or_default();
    let defaults = Defaults::of(pace);
    let host_headroom = file
        .or(
            "host_headroom",
            host_headroom::or_default(defaults),
            |entry| host_headroom::read(entry, defaults),
        )
        .unwrap_or_default();
    let target_group_names = Names::of(file, "target_groups", "target group");
    let instance_types = named(file, "instance_types", instance_type::read);
    let security_group_names = Names::of(file, "security_groups", SECURITY_GROUP);
    let security_groups = named_as(
        file,
        "security_groups",
        security_group::check_name,
        |name, entry| security_group::read(name, entry, &security_group_names),
    );
    let templates = launch_template::Context {
        instance_types: &instance_types,
        security_groups: &security_group_names,
    };
    let key_pairs = named(file, "key_pairs", key_pair::read);
    let launch_templates = named(file, "launch_templates", |name, entry| {
        launch_template::read(name, entry, &templates)
    });
    let groups = auto_scaling_group::Context {
        defaults,
        provider,
        launch_template_names: Names::of(file, "launch_templates", "launch template"),
        launch_templates: &launch_templates,
        target_groups: &target_group_names,
    };
    let auto_scaling_groups = named(file, "auto_scaling_groups", |name, entry| {
        auto_scaling_group::read(name, entry, &groups)
    });
    let target_groups = named(file, "target_groups", |name, entry| {
        target_group::read(name, entry, defaults)
    });
    let mut ports = load_balancer::Ports::default();
    let balancers = load_balancer::Context {
        target_groups: &target_group_names,
        security_group_names: &security_group_names,
        security_groups: &security_groups,
    };
    let load_balancers = named(file, "load_balancers", |name, entry| {
        load_balancer::read(name, entry, &balancers, &mut ports)
    });
    Config {
        pace,
        instance_types,
        key_pairs,
        launch_templates,
        auto_scaling_groups,
        target_groups,
        load_balancers,
        security_groups,
        host_headroom,
    }
}

fn version(entry: &Entry<'_>) -> Option<()> {
    entry.read(|value| match value {
        Value::Integer(VERSION) => Ok(()),
        other => Err(Mistake::new(format!(
            "this minicloud reads version {VERSION}, found {other}"
        ))
        .hint(format!("write {VERSION}"))),
    })
}

fn pace(entry: &Entry<'_>) -> Option<Pace> {
    entry.read(|pace| scalar::one_of(pace, PACES, &[Pace::Fast, Pace::Aws]))
}

/// Records what the balancer's own checks say against what was read from `entry`.
fn accepts(entry: &Entry<'_>, verdict: Result<(), Vec<RuleFault>>) -> Option<()> {
    let faults = verdict.err().unwrap_or_default();
    for fault in &faults {
        entry
            .nearest_to(&fault.path)
            .refuse(Mistake::new(sentence(&fault.reason)));
    }
    faults.is_empty().then_some(())
}

/// The entries of a section whose keys are names.
fn named<'a, T>(
    file: &Fields<'a>,
    key: &'static str,
    read: impl FnMut(&str, &Entry<'a>) -> Option<T>,
) -> BTreeMap<String, T> {
    named_as(file, key, scalar::check_name, read)
}

/// The same, where the names follow a rule of their own.
fn named_as<'a, T>(
    file: &Fields<'a>,
    key: &'static str,
    check: impl Fn(&str) -> Result<(), Mistake>,
    mut read: impl FnMut(&str, &Entry<'a>) -> Option<T>,
) -> BTreeMap<String, T> {
    let entries = file.get(key).and_then(Entry::mapping).unwrap_or_default();
    let mut all = BTreeMap::new();
    for (name, entry) in entries {
        if let Err(mistake) = check(&name) {
            entry.refuse_label(mistake);
        }
        if let Some(value) = read(&name, &entry) {
            all.insert(name, value);
        }
    }
    all
}

impl Names {
    fn of(file: &Fields<'_>, key: &'static str, kind: &'static str) -> Self {
        let names = match file.get(key).map(Entry::value) {
            None => Some(Vec::new()),
            Some(Value::Mapping(pairs)) => Some(pairs.iter().filter_map(text_key).collect()),
            Some(_) => None,
        };
        Self { kind, names }
    }

    fn known<'a>(kind: &'static str, names: impl Iterator<Item = &'a String>) -> Self {
        let names = Some(names.cloned().collect());
        Self { kind, names }
    }

    /// A name out of these, or one that resembles none of them and passes `check`: such things
    /// are kept elsewhere as well.
    fn resolve_or_foreign(
        &self,
        value: &Value,
        check: impl Fn(&str) -> Result<(), Mistake>,
    ) -> Result<String, Mistake> {
        let name = scalar::text(value)?;
        let resembles = |names: &Vec<String>| {
            let near = || nearest(name, names.iter().map(String::as_str)).is_some();
            names.iter().any(|known| known == name) || near()
        };
        match self.names.as_ref().is_some_and(resembles) {
            true => self.resolve(value),
            false => check(name).map(|()| name.to_owned()),
        }
    }

    /// A name out of these.
    fn resolve(&self, value: &Value) -> Result<String, Mistake> {
        let name = scalar::text(value)?;
        let Some(names) = &self.names else {
            return Ok(name.to_owned());
        };
        if names.iter().any(|known| known == name) {
            return Ok(name.to_owned());
        }
        let mistake = Mistake::new(format!("there is no {} {}", self.kind, quoted(name)));
        Err(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => mistake.hint(format!("did you mean {near}?")),
            None if names.is_empty() => mistake.hint("the file defines none"),
            None => mistake.hint(format!("known: {}", some_of(names))),
        })
    }
}

fn text_key((key, _): &(Node, Node)) -> Option<String> {
    match &key.value {
        Value::Text(name) => Some(name.clone()),
        _ => None,
    }
}

/// Enough names to choose from, not a page of them.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|name| shortened(name))
        .collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    shown.join(", ") + more
}
