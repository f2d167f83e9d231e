//! What the control API may ask of the reconcile loop.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use crate::{
    change_set::ChangeSet,
    config::Config,
    describe::Activity,
    foreign_change::Resolution,
    instance::InstanceId,
    instance_refresh::{InstanceRefresh, RefreshPreferences},
    instance_type::InstanceType,
    key_pair::{KeyPair, KeyPairError, PublicKey},
    launch_template::{
        LaunchTemplateError, VersionSelector,
        describe::{
            CreateLaunchTemplate, CreateLaunchTemplateVersion, LaunchTemplateDescription,
            LaunchTemplateVersionDescription,
        },
    },
    policy::Execution,
    scaling_policy::ScalingPolicy,
    scaling_process::ScalingProcessQuery,
    schedule::ScheduledActionSpec,
};

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
    SetInstanceProtection {
        name: String,
        protection: InstanceProtection,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    EnterStandby {
        name: String,
        request: EnterStandby,
        reply: oneshot::Sender<Result<Vec<Activity>, CommandError>>,
    },
    ExitStandby {
        name: String,
        request: ExitStandby,
        reply: oneshot::Sender<Result<Vec<Activity>, CommandError>>,
    },
    SuspendProcesses {
        name: String,
        query: ScalingProcessQuery,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    ResumeProcesses {
        name: String,
        query: ScalingProcessQuery,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    /// What becomes of what somebody else did, where it was only reported.
    ResolveForeignChanges {
        name: String,
        resolution: Resolution,
        reply: oneshot::Sender<Result<(), CommandError>>,
    },
    TerminateInstanceInAutoScalingGroup {
        instance_id: InstanceId,
        should_decrement_desired_capacity: bool,
        reply: oneshot::Sender<Result<Activity, CommandError>>,
    },
    /// Replaces the group's instances; answers with the refresh, which is `Pending`.
    StartInstanceRefresh {
        name: String,
        preferences: RefreshPreferences,
        reply: oneshot::Sender<Result<InstanceRefresh, CommandError>>,
    },
    /// Has the refresh under way begin nothing more.
    CancelInstanceRefresh {
        name: String,
        reply: oneshot::Sender<Result<InstanceRefresh, CommandError>>,
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
    LaunchTemplate(LaunchTemplateCommand),
    Policy(PolicyCommand),
    KeyPair(KeyPairCommand),
}

/// A configuration that was sent, and the text it was read from.
#[derive(Clone, Debug)]
pub struct SubmittedConfiguration {
    pub config: Config,
    pub text: Vec<u8>,
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

/// `SetInstanceProtection`'s members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceProtection {
    /// From 1 to 50, all in service in the group.
    pub instance_ids: Vec<InstanceId>,
    pub protected_from_scale_in: bool,
}

/// `EnterStandby`'s members, the group apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnterStandby {
    /// From 1 to 20, all in service in the group.
    pub instance_ids: Vec<InstanceId>,
    /// Whether the group does without them, or launches others in their place.
    pub should_decrement_desired_capacity: bool,
}

/// `ExitStandby`'s members, the group apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExitStandby {
    /// From 1 to 20, all in standby in the group.
    pub instance_ids: Vec<InstanceId>,
}

impl Command {
    /// The one group that it concerns; `None` where that may be several.
    pub(crate) fn auto_scaling_group(&self) -> Option<&str> {
        match self {
            Self::UpdateAutoScalingGroup { name, .. }
            | Self::SetInstanceProtection { name, .. }
            | Self::StartInstanceRefresh { name, .. }
            | Self::CancelInstanceRefresh { name, .. }
            | Self::EnterStandby { name, .. }
            | Self::ExitStandby { name, .. }
            | Self::SuspendProcesses { name, .. }
            | Self::ResumeProcesses { name, .. }
            | Self::ResolveForeignChanges { name, .. } => Some(name),
            Self::PutScheduledUpdateGroupAction {
                auto_scaling_group, ..
            }
            | Self::DeleteScheduledAction {
                auto_scaling_group, ..
            } => Some(auto_scaling_group),
            Self::Policy(command) => Some(&command.auto_scaling_group),
            Self::TerminateInstanceInAutoScalingGroup { .. }
            | Self::LaunchTemplate(_)
            | Self::PlanConfiguration { .. }
            | Self::ApplyConfiguration { .. }
            | Self::KeyPair(_) => None,
        }
    }
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

/// EC2's operations on key pairs.
#[derive(Debug)]
pub enum KeyPairCommand {
    /// By name.
    Describe { reply: KeyPairReply<Vec<KeyPair>> },
    Import {
        key_name: String,
        public_key: PublicKey,
        reply: KeyPairReply<KeyPair>,
    },
    Delete {
        key_name: String,
        reply: KeyPairReply<KeyPair>,
    },
}

/// Answers a [`KeyPairCommand`].
pub type KeyPairReply<T> = oneshot::Sender<Result<T, KeyPairError>>;

/// Answers a [`LaunchTemplateCommand`].
pub type TemplateReply<T> = oneshot::Sender<Result<T, LaunchTemplateError>>;

/// `UpdateAutoScalingGroup`'s capacity members; absent ones keep their value. Where
/// `desired_capacity` is absent, it moves into the new bounds as AWS moves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    #[error("the Auto Scaling group `{group}` has no policy `{name}`; it has: {known}")]
    PolicyNotFound {
        group: String,
        name: String,
        known: String,
    },
    #[error("{0}")]
    ScalingActivityInProgress(String),
    #[error(
        "the group `{group}` has the instance refresh {id} under way, {percentage_complete} % done: wait for it, or cancel it first"
    )]
    InstanceRefreshInProgress {
        group: String,
        id: String,
        percentage_complete: u8,
    },
    #[error("the group `{0}` has no instance refresh under way: there is nothing to cancel")]
    ActiveInstanceRefreshNotFound(String),
    #[error("{0}")]
    Validation(String),
    #[error(
        "what is in force has changed since the plan was made, or the file has: plan again, and review what it says now"
    )]
    PlanOutdated,
    #[error("{0}")]
    AlreadyExists(String),
    #[error("{0}")]
    LimitExceeded(String),
    #[error("the change could not be recorded: {0}")]
    Store(String),
}
