//! What the control API may ask of the reconcile loop.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    instance_type::InstanceType,
    launch_template::{
        LaunchTemplateError, VersionSelector,
        describe::{
            CreateLaunchTemplate, CreateLaunchTemplateVersion, LaunchTemplateDescription,
            LaunchTemplateVersionDescription,
        },
    },
};

/// A request to the loop; it is answered once recorded, not once carried out.
#[derive(Debug)]
pub enum Command {
    UpdateAutoScalingGroup {
        name: String,
        update: CapacityUpdate,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    LaunchTemplate(LaunchTemplateCommand),
}

/// EC2's operations on launch templates; `name` is a name or an id.
#[derive(Debug)]
pub enum LaunchTemplateCommand {
    Describe {
        reply: TemplateReply<Vec<LaunchTemplateDescription>>,
    },
    /// Oldest first.
    DescribeVersions {
        name: String,
        reply: TemplateReply<Vec<LaunchTemplateVersionDescription>>,
    },
    Create {
        create: CreateLaunchTemplate,
        reply: TemplateReply<LaunchTemplateDescription>,
    },
    CreateVersion {
        name: String,
        create: CreateLaunchTemplateVersion,
        reply: TemplateReply<LaunchTemplateVersionDescription>,
    },
    Modify {
        name: String,
        default_version: VersionSelector,
        reply: TemplateReply<LaunchTemplateDescription>,
    },
    Delete {
        name: String,
        reply: TemplateReply<LaunchTemplateDescription>,
    },
    DeleteVersion {
        name: String,
        version: u64,
        reply: TemplateReply<LaunchTemplateVersionDescription>,
    },
    DescribeInstanceTypes {
        reply: TemplateReply<Vec<InstanceType>>,
    },
}

/// Answers a [`LaunchTemplateCommand`].
pub type TemplateReply<T> = oneshot::Sender<Result<T, LaunchTemplateError>>;

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
    #[error("the change could not be recorded: {0}")]
    Store(String),
}
