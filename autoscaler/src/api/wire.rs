//! Bodies of the API that are not in [`describe`](crate::describe).

use std::sync::Arc;

use bytes::Bytes;
use minicloud_lb_api::{Listener, RequestFailure, TargetHealthDescription};
use serde::{Deserialize, Serialize};

use crate::config;
use crate::describe::{Activity, AutoScalingGroup, Instance, TargetGroup};
use crate::security_group::SecurityGroup;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AutoScalingGroups {
    pub auto_scaling_groups: Vec<Arc<AutoScalingGroup>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instances {
    pub instances: Vec<Instance>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Activities {
    pub activities: Vec<Arc<Activity>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetGroups {
    pub target_groups: Vec<Arc<TargetGroup>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetHealthDescriptions {
    pub target_health_descriptions: Vec<TargetHealthDescription>,
}

/// With all their rules, as the balancer is told them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listeners {
    pub listeners: Vec<Listener>,
}

/// Newest first; those that the balancer reported last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestFailures {
    pub request_failures: Vec<RequestFailure>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecurityGroups {
    pub security_groups: Vec<SecurityGroup>,
}

/// Body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultBody {
    pub error: FaultDetail,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultDetail {
    pub code: String,
    pub message: String,
    /// What is wrong with a configuration that was sent, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<config::Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecRequest {
    /// Program and arguments; no shell comes between.
    pub command: Vec<String>,
}

/// One line of an exec stream; the last is an exit code, or the error that kept one from us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecFrame {
    /// Base64, for output is bytes and JSON is text.
    Stdout(#[serde(with = "base64_bytes")] Bytes),
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
