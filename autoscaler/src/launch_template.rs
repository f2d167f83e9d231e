//! What an instance is launched from, in EC2's shape: templates with immutable, numbered
//! versions. Pure.

mod data;
pub mod describe;
mod fault;
pub mod mount;
mod reference;
pub mod user_data;
mod versioned;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::versioned::{
    Author, CreatedBy, LaunchTemplateId, Version, VersionedTemplate, check_name,
};
pub use self::{
    data::LaunchTemplateData,
    fault::LaunchTemplateError,
    mount::Mount,
    reference::{LaunchTemplateReference, VersionSelector},
    user_data::UserData,
};
use crate::instance_type::InstanceType;

/// One immutable version of a launch template.
///
/// It is stored as JSON: a member that is added needs a serde default, so that older versions
/// stay readable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    pub name: String,
    /// Counts up from 1; a number is never given twice.
    pub version: u64,
    /// Container image, for the `docker` provider.
    pub image: Option<String>,
    /// Command of a child process, for the `process` provider.
    pub process: Option<ProcessTemplate>,
    /// As its type was when the version was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<InstanceType>,
    /// CPU quota in cores, in place of the instance type's; see [`Self::quota_cores`].
    pub cpus: Option<f64>,
    /// Memory limit in bytes, in place of the instance type's; see [`Self::memory_limit`].
    pub memory: Option<u64>,
    /// Port the instance serves on: the container's port. A child process is told a free
    /// one of its own in `PORT`.
    pub port: u16,
    pub env: BTreeMap<String, String>,
    /// Names of the security groups that its instances are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
    /// In place of the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// In place of the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Absolute path that the command runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// `user`, `uid`, `user:group` or `uid:gid` inside the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<UserData>,
    /// Whether an instance whose user data fails ends, instead of going on as EC2's do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_data_required: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Whether `mounts` may hold what gives power over the host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_privileged_mounts: bool,
    /// Key pair whose holder may open a shell, looked up at each launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// The Compose service whose container is cloned: what the instance is told is then all the
    /// container's, and `image` is the one that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clone_of: Option<ComposeService>,
}

/// A Compose service as its containers were when a version of the template was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComposeService {
    pub project: String,
    pub service: String,
    /// The engine's name of the network over which its instances are reached.
    pub network: String,
    /// Compose's own word for the service's configuration.
    pub config_hash: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTemplate {
    /// Program and arguments; the program `minicloud` is this very executable.
    pub command: Vec<String>,
}

impl LaunchTemplate {
    /// CPU quota in cores; `None` is no quota.
    pub fn quota_cores(&self) -> Option<f64> {
        let of_type = self.instance_type.as_ref().map(|of| of.vcpus);
        self.cpus.or(of_type)
    }

    /// Memory limit in bytes; `None` is no limit.
    pub fn memory_limit(&self) -> Option<u64> {
        let of_type = self.instance_type.as_ref().map(|of| of.memory);
        self.memory.or(of_type)
    }

    /// The first of its members that only a container can be given.
    pub fn container_only(&self) -> Option<&'static str> {
        if !self.mounts.is_empty() {
            Some("mounts")
        } else {
            self.user.as_ref().map(|_| "user")
        }
    }
}
