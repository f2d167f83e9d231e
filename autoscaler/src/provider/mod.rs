//! Where instances live. One trait, and one contract suite for all of them.

mod boot;
pub mod docker;
mod exec;
pub mod fake;
mod identity;
mod logs;
pub mod process;
mod seed;
mod template;

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;

pub use self::seed::{ObservedSeed, ObservedService, ObservedServices, Revision, SeedState};
pub use self::{
    exec::{
        ExecCommand, ExecError, ExecInput, ExecOutput, ExecSession, Stdin, Terminal, WindowSize,
    },
    logs::{LogRequest, LogStream},
};
use crate::{
    instance::{InstanceId, ManagedBy},
    launch_template::LaunchTemplate,
};

/// Time between SIGTERM and SIGKILL when an instance is ended.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// Name of the environment variable, and after `minicloud.` of the label, that marks an
/// instance as ours and says which one it is.
pub const INSTANCE_MARK: &str = "MINICLOUD_INSTANCE_ID";

/// Launches, ends and lists instances. Every call is idempotent, may be repeated after a
/// crash at any point, and finds instances by their mark on the provider, never by memory.
/// What does not carry this provider's mark is never touched.
pub trait InstanceProvider: Send + Sync + 'static {
    /// Launches the instance, or returns `Ok` where one of that id exists already (running
    /// or exited). Dropping the future may leave an instance behind: [`list`](Self::list) shows it.
    fn launch(
        &self,
        request: &LaunchRequest,
    ) -> impl Future<Output = Result<(), LaunchError>> + Send;

    /// Ends the instance and removes what is left of it: SIGTERM, [`STOP_GRACE`], SIGKILL.
    /// Resolves when it is gone; an unknown id is `Ok`.
    fn terminate(&self, id: &InstanceId) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// Every instance that carries our mark, exited ones included until they are terminated.
    fn list(&self) -> impl Future<Output = Result<Vec<ObservedInstance>, ProviderError>> + Send;

    /// Runs a command inside the instance, its CPU counted to the instance. Dropping the
    /// session ends the command.
    fn exec(
        &self,
        id: &InstanceId,
        command: impl Into<ExecCommand> + Send,
    ) -> impl Future<Output = Result<ExecSession, ExecError>> + Send;

    /// What the instance writes to stdout and stderr, of one that has ended as well, until it
    /// is terminated.
    fn logs(
        &self,
        id: &InstanceId,
        wanted: LogRequest,
    ) -> impl Future<Output = Result<LogStream, ProviderError>> + Send;

    /// Names of what looks like the group's and is not ours, to be shown and never touched:
    /// a container that Compose itself started of the group's service, say.
    fn strangers(
        &self,
        auto_scaling_group: &str,
    ) -> impl Future<Output = Result<Vec<String>, ProviderError>> + Send;

    /// Compose services that ask to be adopted, each with its containers, which are no instances
    /// of [`list`](Self::list). None where the provider has no Compose.
    fn services(&self) -> impl Future<Output = Result<ObservedServices, ProviderError>> + Send {
        async { Ok(ObservedServices::default()) }
    }

    /// Resolves when instances may have changed (one exited, say). May resolve for nothing;
    /// may miss a change, since the loop lists on a timer as well. Cancel-safe.
    fn changed(&self) -> impl Future<Output = ()> + Send;
}

/// An intent to launch, complete: two launches of equal requests are the same instance.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchRequest {
    pub instance_id: InstanceId,
    pub auto_scaling_group: String,
    pub availability_zone: String,
    /// Small number, unique among the group's live instances, from 1.
    pub index: u32,
    pub launch_template: LaunchTemplate,
    /// Ids of the security groups among whose members it is found, its own first. None: among
    /// all instances that are in no group.
    pub networks: Vec<String>,
    /// The container that it is a clone of, where its launch template has it be one.
    pub seed: Option<InstanceId>,
}

/// An instance as the provider shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedInstance {
    pub instance_id: InstanceId,
    pub auto_scaling_group: String,
    pub availability_zone: String,
    pub index: u32,
    pub launch_template_name: String,
    pub launch_template_version: u64,
    pub launch_time: Timestamp,
    pub state: ObservedState,
    /// What the agent may call it: container ids (its own first, then those of containers
    /// whose CPU counts to it), or the instance id of a child process.
    pub metric_ids: Arc<[String]>,
    /// What is wrong with it that does not keep it from running.
    pub faults: Vec<InstanceFault>,
    pub managed_by: ManagedBy,
    /// What it runs, as the engine names it; a child process has none.
    pub image: Option<String>,
}

/// Something an operator should know of an instance that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceFault {
    /// Its user data failed: how, with its last words.
    UserData(String),
    /// Its CPU quota and memory limit could not be set: why.
    QuotaNotEnforced(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObservedState {
    /// Created, not running yet.
    Starting,
    /// `address` is the `host:port` at which the balancer reaches it.
    Running { address: String },
    /// Ended by itself; `detail` says how ("exit code 137, out of memory").
    Exited { detail: String },
}

#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The engine as a whole does not answer; nothing is wrong with any instance.
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Failed(String),
}

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Not the template's fault; retried without counting as a failed launch.
    #[error("{0}")]
    Unreachable(String),
    /// The template cannot be launched as it stands: image missing, command not found.
    #[error("{0}")]
    Template(String),
    /// The zone has no room for it, and another may: EC2's `InsufficientInstanceCapacity`.
    #[error("{0}")]
    InsufficientInstanceCapacity(String),
    /// The container to clone is not there any more: Compose may be replacing it. Retried from
    /// its successor, without counting as a failed launch.
    #[error("{0}")]
    SeedGone(String),
    #[error("{0}")]
    Failed(String),
}

/// Ends every instance that the provider lists, all at once, and returns which; the first
/// failure where one would not end.
async fn terminate_all(provider: &impl InstanceProvider) -> Result<Vec<InstanceId>, ProviderError> {
    let ids: Vec<InstanceId> = provider
        .list()
        .await?
        .into_iter()
        .map(|instance| instance.instance_id)
        .collect();
    let ended = join_all(ids.iter().map(|id| provider.terminate(id))).await;
    ended.into_iter().collect::<Result<(), _>>()?;
    Ok(ids)
}
