use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{RequestFailure, RequestStatistics};

/// What the balancer knows of every target, whole, like the snapshot it answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot in force at the balancer.
    pub snapshot_version: u64,
    pub targets: Vec<TargetHealthDescription>,
    #[serde(default)]
    pub target_groups: Vec<TargetGroupReport>,
    /// Parts of the snapshot that could not be applied (a port that is taken), one sentence each.
    #[serde(default)]
    pub faults: Vec<String>,
    /// The last requests that failed, newest first; a few of those that the balancer knows.
    #[serde(default)]
    pub request_failures: Vec<RequestFailure>,
}

/// A target group's queue, the signal that there are too few targets, and its requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetGroupReport {
    pub target_group: String,
    /// Requests that wait now.
    pub queue_length: u64,
    /// How long the one that waits longest has waited.
    pub queue_wait_seconds: f64,
    /// Requests since the balancer started that the queue had no place for, or that waited
    /// too long.
    pub queue_rejected: u64,
    /// Absent while there has been none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Box<RequestStatistics>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetHealthDescription {
    pub target_group: String,
    pub target: TargetDescription,
    pub target_health: TargetHealth,
    /// Requests and upgraded connections that the target holds now.
    pub in_flight: u64,
    /// Requests forwarded to the target since the balancer learned of it.
    pub request_count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly_detection: Option<AnomalyDetection>,
}

/// What the requests themselves say of a target (ELB's `AnomalyDetection`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnomalyDetection {
    pub result: AnomalyResult,
    /// Whether requests are kept from it. The last target that can serve is never ejected;
    /// a replacement is wanted all the same.
    pub mitigation_in_effect: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyResult {
    Anomalous,
    Normal,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetDescription {
    pub id: String,
    /// `host:port` as in the snapshot.
    pub address: String,
    pub port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
}

/// State, reason code and sentence as ELB's `DescribeTargetHealth` gives them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetHealth {
    pub state: TargetState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<HealthReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    Initial,
    Healthy,
    Unhealthy,
    Draining,
    /// No listener forwards to the target's group.
    Unused,
    Unavailable,
}

/// ELB's reason codes (`TargetHealthReasonEnum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum HealthReason {
    #[serde(rename = "Elb.RegistrationInProgress")]
    RegistrationInProgress,
    #[serde(rename = "Elb.InitialHealthChecking")]
    InitialHealthChecking,
    #[serde(rename = "Target.ResponseCodeMismatch")]
    ResponseCodeMismatch,
    #[serde(rename = "Target.Timeout")]
    Timeout,
    #[serde(rename = "Target.FailedHealthChecks")]
    FailedHealthChecks,
    #[serde(rename = "Target.DeregistrationInProgress")]
    DeregistrationInProgress,
    #[serde(rename = "Target.NotInUse")]
    NotInUse,
    #[serde(rename = "Elb.InternalError")]
    InternalError,
}
