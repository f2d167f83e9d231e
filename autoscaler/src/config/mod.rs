//! The checked, fully defaulted configuration, and how a file becomes one: `yaml` makes bytes a
//! tree that knows its places, `file` walks it with the `reader`, which collects every fault.
//!
//! Deliberately absent: I/O, the environment, and anything that needs a running system to judge.

mod busy_check;
pub(crate) mod defaults;
mod effective;
pub(crate) mod fault;
pub(crate) mod file;
mod foreign_changes;
mod host_headroom;
mod json_schema;
pub(crate) mod limits;
pub(crate) mod node;
mod reader;
pub(crate) mod reference;
pub(crate) mod scalar;
pub(crate) mod schema;
mod suggest;
mod syntax;
mod termination_policy;
mod unenforced;
pub(crate) mod units;
mod warning;
pub(crate) mod yaml;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, time::Duration};

use minicloud_lb_api::{HealthCheck, Listener, TargetGroupAttributes};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

pub use self::{
    busy_check::{BusyCheck, BusyQuestion},
    effective::{EffectiveValue, Origin, effective},
    fault::{Fault, Faults},
    foreign_changes::ForeignChanges,
    host_headroom::HostHeadroom,
    termination_policy::TerminationPolicy,
    warning::Warning,
};
pub(crate) use self::{
    suggest::{nearest, snake_case},
    units::show_duration,
};
use crate::{
    instance_type::InstanceType,
    key_pair::KeyPair,
    launch_template::{LaunchTemplate, LaunchTemplateData, LaunchTemplateReference},
    notification::NotificationConfiguration,
    scaling_policy::ScalingPolicy,
    schedule::ScheduledAction,
    security_group::SecurityGroups,
};

/// The file that is built in, and that docker-compose.yml mounts.
pub const EXAMPLE: &str = include_str!("../../../minicloud.yaml");

/// What rules look like, for the reference page.
const EXAMPLE_WITH_RULES: &str = include_str!("example_with_rules.yaml");

/// A longer file is refused unread: no need to read more than one byte beyond.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Largest `max_size`: more instances than one machine's minicloud is made for.
pub const MAX_SIZE: u32 = 1000;

/// What `minicloud.yaml` says, every reference resolved and every bound checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub pace: Pace,
    /// Sizes besides EC2's.
    pub instance_types: BTreeMap<String, InstanceType>,
    /// By name.
    pub key_pairs: BTreeMap<String, KeyPair>,
    pub launch_templates: BTreeMap<String, LaunchTemplate>,
    pub auto_scaling_groups: BTreeMap<String, AutoScalingGroup>,
    pub target_groups: BTreeMap<String, TargetGroup>,
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    pub security_groups: SecurityGroups,
    pub host_headroom: HostHeadroom,
}

impl Config {
    /// Reads a file, or finds everything that is wrong with it. That each group can be launched
    /// by one provider or another is checked; whether by the one in use, by
    /// [`parse_for`](Self::parse_for).
    pub fn parse(bytes: &[u8]) -> Result<Self, Faults> {
        Self::read(bytes, None)
    }

    /// The same, and every group's launch template has what the provider needs.
    pub fn parse_for(bytes: &[u8], provider: ProviderKind) -> Result<Self, Faults> {
        Self::read(bytes, Some(provider))
    }

    /// What [`EXAMPLE`] says.
    pub fn example() -> Self {
        Self::parse(EXAMPLE.as_bytes()).expect("a test parses the built-in example")
    }

    /// The JSON Schema (2020-12) of the file. It takes whatever [`parse`](Self::parse) takes, and
    /// refuses most of what that refuses: not what concerns several keys, or the text of one.
    pub fn json_schema() -> serde_json::Value {
        json_schema::of_file()
    }

    /// The reference page of the file in Markdown: every key with unit, range and default.
    pub fn reference() -> String {
        reference::page()
    }

    fn read(bytes: &[u8], provider: Option<ProviderKind>) -> Result<Self, Faults> {
        file::read(&yaml::parse(bytes)?, provider)
    }
}

/// Reads `members` as the file's `launch_templates.NAME` is read, with the instance types
/// and security groups that `config` has; else says everything that is wrong, in one sentence.
pub(crate) fn launch_template_data(
    members: serde_json::Map<String, serde_json::Value>,
    config: &Config,
) -> Result<LaunchTemplateData, String> {
    let node = node::Node::from(serde_json::Value::Object(members));
    file::read_launch_template_data(&node, config).map_err(|faults| faults.as_sentence())
}

/// A mapping of YAML as JSON, for what takes the members of a launch template.
///
/// # Errors
/// What is no YAML, or no mapping, or has a key that is not text.
pub fn yaml_members(bytes: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>, Faults> {
    let node = yaml::parse(bytes)?;
    let at = node.at;
    match serde_json::Value::try_from(node).map_err(|mistake| mistake.at(at, ""))? {
        serde_json::Value::Object(members) => Ok(members),
        _ => {
            let mistake = fault::Mistake::new("expected keys and values of a launch template");
            Err(mistake.hint("write such as image: nginx").at(at, "").into())
        }
    }
}

/// `128MiB`, as the file has it.
pub(crate) fn show_bytes(bytes: u64) -> String {
    // The file has no unit for what is no whole number of KiB: a fraction says it exactly.
    match bytes.is_multiple_of(1024) {
        true => units::Bytes(bytes).to_string(),
        #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
        false => format!("{}KiB", bytes as f64 / 1024.0),
    }
}

/// Where instances live, as the command line and the messages call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Child processes of minicloud; needs `process` in the launch template.
    Process,
    /// Containers of the local engine; needs `image` in the launch template.
    Docker,
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Docker => "docker",
        })
    }
}

/// Which set of timing defaults applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Seconds: one-second samples, a decision each second.
    #[default]
    Fast,
    /// EC2 Auto Scaling's own timing: 60 s periods, three out, fifteen in.
    Aws,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AutoScalingGroup {
    pub name: String,
    /// Of the file, or else of those that the control API made.
    pub launch_template: LaunchTemplateReference,
    pub min_size: u32,
    pub max_size: u32,
    pub desired_capacity: u32,
    /// Never empty; `["local"]` where the file names none.
    pub availability_zones: Vec<String>,
    pub target_groups: Vec<String>,
    pub health_check_type: HealthCheckType,
    /// From launch; health checks do not replace the instance before.
    #[serde(serialize_with = "as_written")]
    pub health_check_grace_period: Duration,
    /// From `InService`; until then the instance stays out of the group's average.
    #[serde(serialize_with = "as_written")]
    pub default_instance_warmup: Duration,
    /// From the end of a simple policy's activity; until then none begins another.
    #[serde(serialize_with = "as_written")]
    pub default_cooldown: Duration,
    pub scaling_policies: Vec<ScalingPolicy>,
    /// In the order in which they are asked; never empty.
    pub termination_policies: Vec<TerminationPolicy>,
    pub new_instances_protected_from_scale_in: bool,
    /// None: nobody is asked.
    pub busy_check: Option<BusyCheck>,
    pub capacity_distribution: CapacityDistributionStrategy,
    pub foreign_changes: ForeignChanges,
    pub scheduled_actions: Vec<ScheduledAction>,
    pub notifications: Vec<NotificationConfiguration>,
}

/// What becomes of a launch that its zone refuses: `CapacityDistributionStrategy` of botocore's
/// `autoscaling` model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityDistributionStrategy {
    /// Another zone takes it.
    #[default]
    BalancedBestEffort,
    /// It is tried again where it belongs.
    BalancedOnly,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum HealthCheckType {
    /// Replace an instance that no longer runs.
    #[default]
    #[serde(rename = "EC2")]
    Ec2,
    /// The same, and one that its target group finds unhealthy.
    #[serde(rename = "ELB")]
    Elb,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetGroup {
    pub name: String,
    pub health_check: HealthCheck,
    #[serde(serialize_with = "as_written")]
    pub deregistration_delay: Duration,
    pub attributes: TargetGroupAttributes,
    /// `host:port` of targets registered by hand.
    pub targets: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancer {
    pub name: String,
    pub listeners: Vec<Listener>,
    /// None: everybody may reach its listeners.
    pub security_groups: Vec<String>,
}

/// With its unit, as in the file.
fn as_written<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show_duration(*duration))
}
