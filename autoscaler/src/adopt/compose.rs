//! What a compose file says about adopting, before anything runs: its services are read as far
//! as adopting depends on them, and merged into a configuration that has room for all of them.
//!
//! Deliberately absent: the environment, `.env`, `extends`, `include` and the images. What
//! depends on one of these is named as not judged.

mod interpolate;
mod mount;
mod node;
mod port;
mod project;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use minicloud_lb_api::{Action, FixedResponse, Listener};

use self::{project::Project, service::Placed};
use super::{
    AdoptedService, Balancer, ENABLE, Fault, Place, SharedNetworks,
    labels::{PREFIX, family},
    merge,
};
use crate::config::{
    self, Config, Faults, LoadBalancer,
    fault::Position,
    node::{Node, Value},
    yaml,
};

/// What may make good a refusal.
const ALLOW: &str = "minicloud.allow";

/// What became of a compose file without faults.
#[derive(Clone, Debug, PartialEq)]
pub struct ComposeVerdict {
    /// Those that ask to be adopted; none where the file has no such service.
    pub services: Vec<AdoptedService>,
    /// What was not judged, and what works hardly as wished, by place.
    pub notes: Vec<config::Fault>,
}

/// Whether it is a compose file rather than a minicloud.yaml: it has services, and not the
/// version that ours has.
pub fn is_compose_file(bytes: &[u8]) -> bool {
    let Ok(root) = yaml::parse(bytes) else {
        return false;
    };
    let ours = node::member(&root, "version")
        .is_some_and(|(_, version)| matches!(version.value, Value::Integer(_)));
    !ours && node::member(&root, "services").is_some()
}

/// Judges a compose file in a folder of that name, by which Compose names the project where
/// the file does not.
///
/// # Errors
/// What is no YAML, and everything that keeps a service from being adopted.
pub fn validate_compose(bytes: &[u8], folder: &str) -> Result<ComposeVerdict, Faults> {
    let root = yaml::parse(bytes)?;
    let project = Project::of(&root, folder);
    let placed = placed(&root, &project);
    let asking: Vec<_> = placed.values().map(|one| one.service.clone()).collect();
    let merged = merge(&room(), &asking, &anywhere());
    let mut faults = Vec::new();
    let mut notes = project.notes();
    for (name, one) in &placed {
        faults.extend(one.forgotten());
        notes.extend(one.notes.iter().cloned());
        let adopted = merged.services.iter().find(|it| it.service == **name);
        if let Some(adopted) = adopted {
            let judged = adopted.faults.iter().filter(|fault| one.judges(fault));
            faults.extend(judged.map(|fault| one.at_place(fault)));
            let warnings = adopted.warnings.iter();
            notes.extend(warnings.map(|warning| one.note(one.at, warning.clone())));
        }
    }
    Faults::check(faults)?;
    notes.sort_by_key(|note| (note.line, note.column));
    Ok(ComposeVerdict {
        services: merged.services,
        notes,
    })
}

/// The services that may ask to be adopted, by name.
fn placed<'a>(root: &'a Node, project: &Project<'_>) -> BTreeMap<&'a str, Placed> {
    let services = node::member(root, "services");
    let services = services.map_or_else(Vec::new, |(_, services)| node::members(services));
    services
        .into_iter()
        .map(|(name, at, node)| (name, Placed::read(name, at, node, project)))
        .filter(|(_, one)| one.is_ours())
        .collect()
}

/// A file that takes none of a service's names and routes.
fn room() -> Config {
    let load_balancer = LoadBalancer {
        name: "lb".to_owned(),
        listeners: vec![Listener {
            load_balancer: "lb".to_owned(),
            port: 80,
            rules: Vec::new(),
            default_action: Action::FixedResponse(FixedResponse {
                status_code: 404,
                content_type: String::new(),
                message_body: String::new(),
            }),
            attributes: Default::default(),
        }],
        security_groups: Vec::new(),
    };
    Config {
        load_balancers: BTreeMap::from([("lb".to_owned(), load_balancer)]),
        ..Config::default()
    }
}

/// Which networks the balancer will be on, no file says.
fn anywhere() -> Balancer {
    Balancer {
        container: String::new(),
        networks: SharedNetworks::All,
    }
}

impl Placed {
    /// Has a label of ours, and does not decline.
    fn is_ours(&self) -> bool {
        let labels = &self.service.labels;
        let has_label = labels.keys().any(|name| name.starts_with(PREFIX));
        let declines = labels.get(ENABLE).is_some_and(|value| value == "false");
        !declines && (has_label || !self.unjudged.is_empty() || !self.deployed.is_empty())
    }

    /// Whether a fault is one of the file, and not of what the file leaves open.
    fn judges(&self, fault: &Fault) -> bool {
        match &fault.place {
            Place::Label { name, .. } => {
                let unjudged = |other: &String| family(other) == family(name);
                !self.unjudged.iter().any(unjudged)
            }
            Place::Key { name, .. } => *name != "volumes" || !self.unjudged.contains(ALLOW),
            Place::Service => true,
        }
    }

    /// Labels that nobody reads.
    fn forgotten(&self) -> Vec<config::Fault> {
        let deployed = self.deployed.iter().map(|(name, at)| {
            let message = format!(
                "label {name}: it stands in deploy.labels, which are Swarm's: no container has it"
            );
            self.fault(*at, message, Some("move it to labels".to_owned()))
        });
        let mut forgotten: Vec<_> = deployed.collect();
        let labels = &self.service.labels;
        if !labels.contains_key(ENABLE) && !self.unjudged.contains(ENABLE) {
            let first = labels.keys().find(|name| name.starts_with(PREFIX));
            forgotten.extend(first.map(|name| {
                let place = Place::label(name, "");
                let message = format!("{place}nothing reads it, for want of {ENABLE}");
                let hint = format!("add {ENABLE}: \"true\"");
                self.fault(self.position(&place), message, Some(hint))
            }));
        }
        forgotten
    }

    fn at_place(&self, fault: &Fault) -> config::Fault {
        let message = format!("{}{}", fault.place, fault.message);
        self.fault(self.position(&fault.place), message, fault.hint.clone())
    }

    fn fault(&self, at: Position, message: String, hint: Option<String>) -> config::Fault {
        config::Fault {
            hint,
            ..self.note(at, message)
        }
    }
}
