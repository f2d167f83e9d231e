//! What the control API may ask of the reconcile loop.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{change_set::ChangeSet, config::Config};

/// A request to the loop; it is answered once recorded, not once carried out.
#[derive(Debug)]
pub enum Command {
    UpdateAutoScalingGroup {
        name: String,
        update: CapacityUpdate,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    /// What putting a configuration in force would change; changes nothing.
    PlanConfiguration {
        submitted: Box<SubmittedConfiguration>,
        reply: oneshot::Sender<Result<ChangeSet, CommandError>>,
    },
    /// Puts a configuration in force, if that still changes what was reviewed.
    ApplyConfiguration {
        submitted: Box<SubmittedConfiguration>,
        /// Of the change set that was reviewed.
        fingerprint: String,
        reply: oneshot::Sender<Result<ChangeSet, CommandError>>,
    },
}

/// A configuration that was sent, and the text it was read from.
#[derive(Clone, Debug)]
pub struct SubmittedConfiguration {
    pub config: Config,
    pub text: Vec<u8>,
}

impl Command {
    /// The one group that it concerns; `None` where that may be several.
    pub(crate) fn auto_scaling_group(&self) -> Option<&str> {
        match self {
            Self::UpdateAutoScalingGroup { name, .. } => Some(name),
            Self::PlanConfiguration { .. } | Self::ApplyConfiguration { .. } => None,
        }
    }
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
    #[error("{0}")]
    Validation(String),
    #[error(
        "what is in force has changed since the plan was made, or the file has: plan again, and review what it says now"
    )]
    PlanOutdated,
    #[error("the change could not be recorded: {0}")]
    Store(String),
}
