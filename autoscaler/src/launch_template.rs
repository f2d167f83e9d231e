//! What an instance is launched from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One immutable version of a launch template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    pub name: String,
    /// Counts up from 1 whenever the template's text changes; assigned by the store.
    pub version: u64,
    /// Container image, for the `docker` provider.
    pub image: Option<String>,
    /// Command of a child process, for the `process` provider.
    pub process: Option<ProcessTemplate>,
    /// CPU quota in cores; `None` is no quota.
    pub cpus: Option<f64>,
    /// Memory limit in bytes; `None` is no limit.
    pub memory: Option<u64>,
    /// Port the instance serves on: the container's port. A child process is told a free
    /// one of its own in `PORT`.
    pub port: u16,
    pub env: BTreeMap<String, String>,
    /// Names of the security groups that its instances are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTemplate {
    /// Program and arguments; the program `minicloud` is this very executable.
    pub command: Vec<String>,
}
