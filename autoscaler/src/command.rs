//! What the control API may ask of the reconcile loop.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::schedule::ScheduledActionSpec;

/// A request to the loop; it is answered once recorded, not once carried out.
#[derive(Debug)]
pub enum Command {
    UpdateAutoScalingGroup {
        name: String,
        update: CapacityUpdate,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    /// Makes a scheduled action, or replaces the one of that name.
    PutScheduledUpdateGroupAction {
        auto_scaling_group: String,
        name: String,
        action: ScheduledActionSpec,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    DeleteScheduledAction {
        auto_scaling_group: String,
        name: String,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
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
    #[error("the group `{auto_scaling_group}` has no scheduled action `{name}`; it has: {known}")]
    ScheduledActionNotFound {
        auto_scaling_group: String,
        name: String,
        known: String,
    },
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    AlreadyExists(String),
    #[error("{0}")]
    LimitExceeded(String),
    #[error("the change could not be recorded: {0}")]
    Store(String),
}
