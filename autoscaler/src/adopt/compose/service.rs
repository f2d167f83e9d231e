//! One service of the file, as far as adopting depends on it, and where its parts stand.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use super::{
    mount,
    node::{descend, items, member, members, text},
    port::{self, Port},
    project::Project,
};
use crate::{
    adopt::{HOST_NAMESPACES, Place, Service, ServiceNetwork, labels::PREFIX},
    config::{
        self,
        fault::{Position, shortened},
        node::{Node, Value},
    },
};

/// Stands for a port of the image, which no file tells.
const ANY_PORT: u16 = 1;

pub(super) struct Placed {
    pub(super) service: Service,
    /// Of its name.
    pub(super) at: Position,
    /// Labels of ours whose values only the environment knows; whole names.
    pub(super) unjudged: BTreeSet<String>,
    /// Labels of ours in `deploy.labels`, by name.
    pub(super) deployed: Vec<(String, Position)>,
    pub(super) notes: Vec<config::Fault>,
    path: String,
    /// By name as faults have it.
    labels: HashMap<String, Position>,
    keys: HashMap<&'static str, Position>,
    /// In the order of the service's lists of the same name.
    items: HashMap<&'static str, Vec<Position>>,
}

impl Placed {
    pub(super) fn read(name: &str, at: Position, node: &Node, project: &Project<'_>) -> Self {
        let mut placed = Self {
            service: Service {
                project: project.name.clone(),
                service: name.to_owned(),
                seeds: seeds(node),
                ..Service::default()
            },
            at,
            unjudged: BTreeSet::new(),
            deployed: Vec::new(),
            notes: Vec::new(),
            path: format!("service {}", shortened(name)),
            labels: HashMap::new(),
            keys: HashMap::new(),
            items: HashMap::new(),
        };
        for (key, at, value) in members(node) {
            placed.member(key, at, value, project);
        }
        placed.silence(project);
        placed
    }

    /// Where a part stands; of what is not there, the service.
    pub(super) fn position(&self, place: &Place) -> Position {
        let found = match place {
            Place::Label { name, .. } => self.labels.get(name),
            Place::Key { name, index } => {
                let item = index.and_then(|index| self.items.get(name)?.get(index));
                item.or_else(|| self.keys.get(name))
            }
            Place::Service => None,
        };
        found.copied().unwrap_or(self.at)
    }

    pub(super) fn note(&self, at: Position, message: String) -> config::Fault {
        config::Fault {
            path: self.path.clone(),
            line: at.line,
            column: at.column,
            message,
            hint: None,
        }
    }

    fn member(&mut self, key: &str, at: Position, node: &Node, project: &Project<'_>) {
        match key {
            "labels" => self.labels(node),
            "ports" => self.ports(at, node),
            "expose" => self.expose(node),
            "networks" => self.networks(at, node, project),
            "network_mode" => {
                self.keys.insert("network_mode", at);
                match self.judged("network_mode", node, text).as_deref() {
                    Some("bridge" | "default") => self.service.networks.push(ServiceNetwork {
                        name: "bridge".to_owned(),
                        static_address: None,
                    }),
                    mode => self.service.network_mode = mode.map(str::to_owned),
                }
            }
            "privileged" => self.privilege("privileged", at, node, "true"),
            "volumes" => self.volumes(node),
            "devices" => items(node).iter().for_each(|item| {
                let name = text(item).or_else(|| text(descend(item, &["source"])?));
                self.device(name.unwrap_or_default(), item.at);
            }),
            "gpus" => self.device("gpus".to_owned(), at),
            "deploy" => self.deploy(node),
            "healthcheck" => {
                let disabled = descend(node, &["disable"]).and_then(text);
                self.service.has_health_check = disabled.as_deref() != Some("true");
            }
            "cpus" => self.cpus(node),
            "extends" | "volumes_from" | "label_file" => {
                let note = self.note(at, format!("not judged: what comes by {key}"));
                self.notes.push(note);
            }
            "profiles" => {
                let message = "judged as if its profile were active".to_owned();
                let note = self.note(at, message);
                self.notes.push(note);
            }
            key => {
                if let Some(namespace) = HOST_NAMESPACES.into_iter().find(|it| *it == key) {
                    self.privilege(namespace, at, node, "host");
                }
            }
        }
    }

    fn privilege(&mut self, key: &'static str, at: Position, node: &Node, power: &str) {
        self.keys.insert(key, at);
        if self.judged(key, node, text).as_deref() == Some(power) {
            self.service.privileges.insert(key);
        }
    }

    /// What Compose and the image fill in.
    fn silence(&mut self, project: &Project<'_>) {
        if self.service.networks.is_empty() && self.service.network_mode.is_none() {
            self.service.networks.push(ServiceNetwork {
                name: project.network("default"),
                static_address: None,
            });
        }
        let unjudged = |key| self.unjudged.contains(&format!("{PREFIX}{key}"));
        if unjudged("host") || unjudged("path") {
            // In nobody's way: it may be a host of its own.
            let host = format!("{}.invalid", self.service.service);
            let labels = &mut self.service.labels;
            labels.remove(&format!("{PREFIX}path"));
            labels.insert(format!("{PREFIX}host"), host);
        }
        let says_port = self.labels.contains_key(&format!("{PREFIX}port"));
        if self.service.exposed_ports.is_empty() && !says_port {
            self.service.exposed_ports.insert(ANY_PORT);
            let message =
                "not judged: whether the image exposes one port; minicloud.port says which";
            let note = self.note(self.at, message.to_owned());
            self.notes.push(note);
        }
    }

    /// Reads what the file tells; a note where the environment decides, or it is nothing that
    /// Compose takes.
    fn judged<T>(
        &mut self,
        what: &str,
        node: &Node,
        read: impl FnOnce(&Node) -> Option<T>,
    ) -> Option<T> {
        let value = read(node);
        if value.is_none() {
            let message = format!("not judged: {what}, which cannot be known from this file alone");
            let note = self.note(node.at, message);
            self.notes.push(note);
        }
        value
    }

    fn labels(&mut self, node: &Node) {
        for (name, at, value) in pairs(node) {
            if !name.starts_with(PREFIX) {
                continue;
            }
            self.labels.insert(shortened(&name), at);
            let value = match value {
                Ok(value) => Some(value),
                Err(node) => self.judged(&format!("label {}", shortened(&name)), node, |_| None),
            };
            match value {
                Some(value) => drop(self.service.labels.insert(name, value)),
                None => drop(self.unjudged.insert(name)),
            }
        }
    }

    fn ports(&mut self, at: Position, node: &Node) {
        self.keys.insert("ports", at);
        for item in items(node) {
            let Some(port) = self.judged("a port", item, port::published) else {
                continue;
            };
            self.expose_port(port);
            self.service.published_ports.push(port.published);
            self.items.entry("ports").or_default().push(item.at);
        }
    }

    fn expose(&mut self, node: &Node) {
        for item in items(node) {
            if let Some(port) = self.judged("a port", item, port::exposed) {
                self.expose_port(port);
            }
        }
    }

    fn expose_port(&mut self, port: Port) {
        if port.is_tcp {
            let first = port.published.container_port;
            self.service.exposed_ports.extend([first, port.last]);
        }
    }

    fn networks(&mut self, at: Position, node: &Node, project: &Project<'_>) {
        self.keys.insert("networks", at);
        let named: Vec<_> = items(node)
            .iter()
            .filter_map(|item| Some((text(item)?, item.at, None)))
            .chain(
                members(node)
                    .into_iter()
                    .map(|(name, at, node)| (name.to_owned(), at, Some(node))),
            )
            .collect();
        for (name, at, node) in named {
            let address = |key| -> Option<IpAddr> { text(descend(node?, &[key])?)?.parse().ok() };
            self.service.networks.push(ServiceNetwork {
                name: project.network(&name),
                static_address: address("ipv4_address").or_else(|| address("ipv6_address")),
            });
            self.items.entry("networks").or_default().push(at);
        }
    }

    fn volumes(&mut self, node: &Node) {
        for item in items(node) {
            if let Some(mount) = self.judged("a volume", item, mount::read) {
                self.service.mounts.push(mount);
                self.items.entry("volumes").or_default().push(item.at);
            }
        }
    }

    fn device(&mut self, name: String, at: Position) {
        self.service.devices.push(name);
        self.items.entry("devices").or_default().push(at);
    }

    fn deploy(&mut self, node: &Node) {
        if let Some((_, labels)) = member(node, "labels") {
            let ours = pairs(labels)
                .into_iter()
                .filter(|(name, ..)| name.starts_with(PREFIX));
            self.deployed
                .extend(ours.map(|(name, at, _)| (shortened(&name), at)));
        }
        let devices = descend(node, &["resources", "reservations", "devices"]);
        for item in devices.map_or(&[][..], items) {
            let driver = descend(item, &["driver"]).and_then(text);
            self.device(driver.unwrap_or_else(|| "gpu".to_owned()), item.at);
        }
        if let Some(cpus) = descend(node, &["resources", "limits", "cpus"]) {
            self.cpus(cpus);
        }
    }

    fn cpus(&mut self, node: &Node) {
        let cpus = self.judged("cpus", node, |node| text(node)?.parse::<f64>().ok());
        self.service.cpus = cpus.filter(|cpus| *cpus > 0.0).or(self.service.cpus);
    }
}

/// Containers that Compose will run.
fn seeds(node: &Node) -> u32 {
    let said = [&["scale"][..], &["deploy", "replicas"]]
        .into_iter()
        .find_map(|keys| text(descend(node, keys)?)?.parse().ok());
    said.unwrap_or(1)
}

/// Name, place and value of a mapping, or of a list of `name=value`; or the node of which only
/// the environment knows.
fn pairs(node: &Node) -> Vec<(String, Position, Result<String, &Node>)> {
    let of_mapping = members(node)
        .into_iter()
        .map(|(name, at, node)| (name.to_owned(), at, text(node).ok_or(node)));
    let of_list = items(node).iter().filter_map(|item| {
        let Value::Text(written) = &item.value else {
            return None;
        };
        let (name, _) = written.split_once('=').unwrap_or((written, ""));
        let value = text(item).map(|text| {
            let (_, value) = text.split_once('=').unwrap_or_default();
            value.to_owned()
        });
        Some((name.to_owned(), item.at, value.ok_or(item)))
    });
    of_mapping.chain(of_list).collect()
}
