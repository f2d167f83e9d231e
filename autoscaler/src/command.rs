//! What the control API may ask of the reconcile loop.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{policy::Execution, scaling_policy::ScalingPolicy};

/// A request to the loop; it is answered once recorded, not once carried out.
#[derive(Debug)]
pub enum Command {
    UpdateAutoScalingGroup {
        name: String,
        update: CapacityUpdate,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    Policy(PolicyCommand),
}

/// What may be asked of a group's scaling policies.
#[derive(Debug)]
pub struct PolicyCommand {
    pub auto_scaling_group: String,
    pub policy_name: String,
    pub request: PolicyRequest,
    pub reply: oneshot::Sender<Result<(), CommandError>>,
}

#[derive(Clone, Debug)]
pub enum PolicyRequest {
    /// `PutScalingPolicy`: makes the policy, or puts this one in its place.
    Put(Box<ScalingPolicy>),
    /// `DeletePolicy`.
    Delete,
    /// `ExecutePolicy`.
    Execute(Execution),
}

/// `UpdateAutoScalingGroup`'s capacity members; absent ones keep their value. Where
/// `desired_capacity` is absent, it moves into the new bounds as AWS moves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_capacity: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("there is no Auto Scaling group `{name}`; the groups are: {known}")]
    AutoScalingGroupNotFound { name: String, known: String },
    #[error("the Auto Scaling group `{group}` has no policy `{name}`; it has: {known}")]
    PolicyNotFound {
        group: String,
        name: String,
        known: String,
    },
    #[error("{0}")]
    ScalingActivityInProgress(String),
    #[error("{0}")]
    Validation(String),
    #[error("the change could not be recorded: {0}")]
    Store(String),
}
