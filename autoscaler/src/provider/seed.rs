//! Compose services that ask to be adopted, as the provider shows them.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;

use crate::{
    adopt::{Balancer, Service, SharedNetworks},
    instance::InstanceId,
};

/// What there is to adopt, and who would send it requests.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedServices {
    pub services: Vec<ObservedService>,
    pub balancer: Balancer,
}

impl Default for ObservedServices {
    fn default() -> Self {
        Self {
            services: Vec::new(),
            balancer: Balancer {
                container: String::new(),
                networks: SharedNetworks::All,
            },
        }
    }
}

/// One service of one project, with at least one container.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedService {
    /// As the newest of its containers that run has it, or the newest of all where none runs.
    /// `seeds` is how many of them run.
    pub service: Service,
    /// Of the same container.
    pub revision: Revision,
    /// Exited ones too, as long as they are there; not those that have never run.
    pub seeds: Vec<ObservedSeed>,
}

/// What sets a container that Compose recreates apart from the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// Id of the image that the container runs.
    pub image: String,
    /// Compose's hash of the service's configuration.
    pub config_hash: String,
    /// Memory limit in bytes.
    pub memory: Option<u64>,
}

/// A container that Compose runs of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedSeed {
    /// Made from the container's id: `i-` and its first 17 digits.
    pub instance_id: InstanceId,
    /// Compose's number of it, from 1.
    pub index: u32,
    pub launch_time: Timestamp,
    pub state: SeedState,
    pub revision: Revision,
    /// See [`ObservedInstance::metric_ids`](super::ObservedInstance::metric_ids).
    pub metric_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedState {
    /// It runs, and its HEALTHCHECK has not passed yet.
    Starting,
    /// Its address on each of its networks, by the engine's name.
    Running { addresses: BTreeMap<String, IpAddr> },
    /// How it ended.
    Exited { detail: String },
}

impl SeedState {
    /// Whether it serves or is about to.
    pub fn is_up(&self) -> bool {
        !matches!(self, Self::Exited { .. })
    }
}
