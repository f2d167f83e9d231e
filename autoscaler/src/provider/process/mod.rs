//! Instances as child processes: no engine, no root.
//!
//! An instance is a process group whose members carry `MINICLOUD_INSTANCE_ID` and the owner in their
//! environment. `/proc` is the truth: a process is found by its mark, so instances outlive the
//! autoscaler (no parent-death signal) and are adopted by the next one, even where its records
//! are lost. A record per instance in the state folder adds what `/proc` forgets: which process
//! leads the instance, and how it ended.
//!
//! Limits, on purpose:
//! - `cpus` and `memory` of a template are enforced where the machine lets us make cgroups, and
//!   only measured where it does not.
//! - An instance shares the session of the autoscaler: `setsid` between fork and exec is unsafe
//!   code. Its process group is its own, so a Ctrl-C in the terminal does not reach it.
//! - A process that wiped its environment, left the group *and* lost its parent is not found.
//! - Linux 5.3 or later (pidfd).

mod cgroup;
mod exec;
mod launch;
mod list;
mod log_file;
mod logs;
mod mark;
mod members;
mod port;
mod program;
mod record;
mod table;
mod terminate;
mod user_data;
mod watch;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    sync::Arc,
};

use tokio::{sync::Notify, task::JoinError};

use self::{cgroup::Cgroups, record::Records, watch::Watches};
use super::{
    ExecCommand, ExecError, ExecSession, InstanceProvider, LaunchError, LaunchRequest, LogRequest,
    LogStream, ObservedInstance, ProviderError,
};
use crate::{instance::InstanceId, now::Clock};

#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// Keeps a folder per instance, with its log and its record.
    pub state_dir: PathBuf,
    /// Tells our instances from those of another minicloud on this machine: random, kept by
    /// the caller for as long as the state folder.
    pub owner: String,
    /// What the program `minicloud` in a command means: this very executable.
    pub program: PathBuf,
    /// Where instances are told to listen.
    pub address: IpAddr,
}

impl ProcessConfig {
    /// Instances on 127.0.0.1.
    pub fn new(state_dir: PathBuf, owner: String, program: PathBuf) -> Self {
        Self {
            state_dir,
            owner,
            program,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// See the [module](self). Dropping it leaves the instances running and ends running commands.
pub struct ProcessProvider {
    shared: Arc<Shared>,
}

struct Shared {
    config: ProcessConfig,
    clock: Box<dyn Clock>,
    records: Records,
    cgroups: Cgroups,
    /// Serialises launches: of two with one id the second finds the first, and no two are
    /// given one port.
    launching: tokio::sync::Mutex<()>,
    watches: Watches,
    commands: exec::Commands,
    changed: Notify,
}

impl ProcessProvider {
    /// Touches nothing: folders are made by the first launch.
    pub fn new(config: ProcessConfig, clock: impl Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                records: Records::new(config.state_dir.join("instances")),
                cgroups: Cgroups::new(&config.owner),
                config,
                clock: Box::new(clock),
                launching: tokio::sync::Mutex::default(),
                watches: Watches::default(),
                commands: exec::Commands::default(),
                changed: Notify::new(),
            }),
        }
    }

    /// Ends every instance of this owner, and returns which.
    pub async fn sweep(&self) -> Result<Vec<InstanceId>, ProviderError> {
        let swept = super::terminate_all(self).await?;
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.cgroups.prune(&BTreeSet::new()))
            .await
            .map_err(|_| ProviderError::Unreachable("minicloud is shutting down".to_owned()))?;
        Ok(swept)
    }
}

impl InstanceProvider for ProcessProvider {
    async fn launch(&self, request: &LaunchRequest) -> Result<(), LaunchError> {
        launch::launch(&self.shared, request).await
    }

    async fn terminate(&self, id: &InstanceId) -> Result<(), ProviderError> {
        terminate::terminate(&self.shared, id).await
    }

    async fn list(&self) -> Result<Vec<ObservedInstance>, ProviderError> {
        list::list(&self.shared).await
    }

    async fn exec(
        &self,
        id: &InstanceId,
        command: impl Into<ExecCommand> + Send,
    ) -> Result<ExecSession, ExecError> {
        exec::exec(&self.shared, id, command.into()).await
    }

    async fn logs(&self, id: &InstanceId, wanted: LogRequest) -> Result<LogStream, ProviderError> {
        logs::logs(&self.shared, id, wanted).await
    }

    /// Nothing but minicloud makes something that looks like one of these.
    async fn strangers(&self, _auto_scaling_group: &str) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }

    async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}

/// Runs what reads files off the async threads. The closures do not panic; where the runtime
/// shuts down under one, the caller is going down as well and hears why.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    tokio::task::spawn_blocking(work).await
}
