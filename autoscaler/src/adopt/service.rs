//! A Compose service that asks to be adopted, as far as adopting it depends on it: read from
//! the engine's containers, or from a compose file that is validated.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// One service of one project. Everything in it is somebody else's text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    pub project: String,
    pub service: String,
    /// Containers that Compose runs of it.
    pub seeds: u32,
    /// Those that begin with `minicloud.`, whole names.
    pub labels: BTreeMap<String, String>,
    /// Ports that the image or the service exposes, TCP.
    pub exposed_ports: BTreeSet<u16>,
    pub published_ports: Vec<PublishedPort>,
    /// As Compose has it, where it is not a network of the project: `host`, `none`,
    /// `container:ID`, `service:NAME`.
    pub network_mode: Option<String>,
    pub networks: Vec<ServiceNetwork>,
    pub mounts: Vec<SeedMount>,
    /// Devices and GPUs, by the names that the service gives them.
    pub devices: Vec<String>,
    /// What gives it power over the machine: keys of a compose file, `privileged` and those of
    /// namespaces that it shares with the host.
    pub privileges: BTreeSet<&'static str>,
    /// The image or the service has a HEALTHCHECK.
    pub has_health_check: bool,
    /// Cores; none where it has no limit.
    pub cpus: Option<f64>,
}

/// Keys of a compose file that let a service share a namespace with the host.
pub const HOST_NAMESPACES: [&str; 3] = ["pid", "ipc", "uts"];

/// A port of the host that leads to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// None: the engine chooses one, so that two containers do not clash.
    pub host_port: Option<u16>,
    pub container_port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceNetwork {
    /// The engine's name of it.
    pub name: String,
    /// That the service asks for; not one that the engine gave it.
    pub static_address: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedMount {
    /// Name of the volume, or path on the host.
    pub source: String,
    pub target: String,
    pub read_only: bool,
    pub kind: SeedMountKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedMountKind {
    Volume,
    Bind,
    Tmpfs,
}

/// Networks on which the balancer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedNetworks {
    /// The balancer runs on the host, which reaches every network of its engine; or nobody
    /// knows yet, as in a compose file that is validated.
    All,
    /// By the engine's names.
    Named(BTreeSet<String>),
}

/// The balancer as adopting sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// Name of its container, for `docker network connect NETWORK NAME`; unused with
    /// [`SharedNetworks::All`].
    pub container: String,
    pub networks: SharedNetworks,
}
