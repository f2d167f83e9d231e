//! Bodies of the API that are not in [`describe`](crate::describe).

use std::sync::Arc;

use bytes::Bytes;
use minicloud_lb_api::{Listener, RequestFailure, TargetHealthDescription};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    alarms::{Alarm, AlarmHistoryItem},
    config::{self, EffectiveValue},
    describe::{
        Activity, AutoScalingGroup, Configuration, Instance, ScheduledUpdateGroupAction,
        TargetGroup,
    },
    foreign_change::Resolution,
    instance_refresh::{InstanceRefresh, RefreshPreferences},
    instance_type::InstanceType,
    key_pair::KeyPairInfo,
    launch_template::describe::{LaunchTemplateDescription, LaunchTemplateVersionDescription},
    provider::Terminal,
    scaling_policy::ScalingPolicy,
    security_group::SecurityGroup,
};

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AutoScalingGroups {
    pub auto_scaling_groups: Vec<Arc<AutoScalingGroup>>,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectiveConfiguration {
    pub configuration: Configuration,
    /// In the order of the reference page.
    pub values: Vec<EffectiveValue>,
}

/// Opens a shell.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellRequest {
    /// Of the challenge.
    pub nonce: String,
    /// Over it, as [`PrivateKey::answer`](crate::key_pair::PrivateKey::answer) makes it.
    pub signature: String,
    /// Program and arguments; `/bin/sh` where there are none.
    #[serde(default)]
    pub command: Vec<String>,
    /// Absent: pipes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Instances {
    pub instances: Vec<Instance>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Activities {
    pub activities: Vec<Activity>,
    /// Where to go on, where there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `StartInstanceRefresh`'s members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartInstanceRefresh {
    #[serde(default)]
    pub preferences: RefreshPreferences,
}

/// `CancelInstanceRefresh` has no members here; a form cannot forge an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelInstanceRefresh {}

/// Newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InstanceRefreshes {
    pub instance_refreshes: Vec<InstanceRefresh>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduledActions {
    pub scheduled_update_group_actions: Vec<ScheduledUpdateGroupAction>,
}

/// By name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyPairs {
    pub key_pairs: Vec<KeyPairInfo>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LaunchTemplates {
    pub launch_templates: Vec<LaunchTemplateDescription>,
}

/// Oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LaunchTemplateVersions {
    pub launch_template_versions: Vec<LaunchTemplateVersionDescription>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InstanceTypes {
    pub instance_types: Vec<InstanceTypeInfo>,
}

/// `InstanceTypeInfo`, whose vCPUs may be fractions here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InstanceTypeInfo {
    pub instance_type: String,
    pub vcpu_info: VCpuInfo,
    pub memory_info: MemoryInfo,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VCpuInfo {
    pub default_vcpus: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemoryInfo {
    pub size_in_mib: u64,
}

impl From<InstanceType> for InstanceTypeInfo {
    fn from(of: InstanceType) -> Self {
        Self {
            instance_type: of.name,
            vcpu_info: VCpuInfo {
                default_vcpus: of.vcpus,
            },
            memory_info: MemoryInfo {
                size_in_mib: of.memory >> 20,
            },
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScalingPolicies {
    pub scaling_policies: Vec<ScalingPolicy>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Alarms {
    pub metric_alarms: Vec<Alarm>,
}

/// Newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlarmHistoryItems {
    pub alarm_history_items: Vec<AlarmHistoryItem>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetGroups {
    pub target_groups: Vec<Arc<TargetGroup>>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetHealthDescriptions {
    pub target_health_descriptions: Vec<TargetHealthDescription>,
}

/// With all their rules, as the balancer is told them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Listeners {
    pub listeners: Vec<Listener>,
}

/// Newest first; those that the balancer reported last.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestFailures {
    pub request_failures: Vec<RequestFailure>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecurityGroups {
    pub security_groups: Vec<SecurityGroup>,
}

/// What a probe of the control plane itself answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeStatus {
    pub status: String,
}

/// Body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaultBody {
    pub error: FaultDetail,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaultDetail {
    pub code: String,
    pub message: String,
    /// What is wrong with a configuration that was sent, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<config::Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecRequest {
    /// Program and arguments; no shell comes between.
    pub command: Vec<String>,
}

/// `TerminateInstanceInAutoScalingGroup`'s members, the instance apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminateInstance {
    /// Whether the group does without it, or replaces it.
    pub should_decrement_desired_capacity: bool,
}

/// What becomes of what somebody else did to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveForeignChanges {
    pub resolution: Resolution,
}

/// One line of an exec stream; the last is an exit code, or the error that kept one from us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecFrame {
    /// Base64, for output is bytes and JSON is text.
    #[schema(value_type = String)]
    Stdout(#[serde(with = "base64_bytes")] Bytes),
    #[schema(value_type = String)]
    Stderr(#[serde(with = "base64_bytes")] Bytes),
    ExitCode(i32),
    Error(FaultDetail),
}

mod base64_bytes {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(d)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
        Ok(bytes.into())
    }
}
