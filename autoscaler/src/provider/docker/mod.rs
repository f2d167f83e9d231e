//! Instances as containers of a Docker engine.
//!
//! Labels are the truth: every container, and the network, carries its owner, and a container
//! its whole identity. A container's name is made from the instance id, so a launch repeated
//! after a crash meets the container of the first and goes on from there.
//!
//! Under `docker compose` the instances carry Compose's labels too, as containers of the
//! profile-gated service that has the group's name: `docker compose ps`, `logs` and
//! `exec --index` see them, and `up` leaves them alone.
//!
//! Absent on purpose: pulling images (a template names one that is there), privileges, the
//! host's namespaces, and a restart policy: replacing what ended is the group's work.

mod allowlist;
mod compose;
mod config;
mod container;
mod engine;
mod events;
mod exec;
mod exec_wrapper;
mod image;
mod launch;
mod list;
mod logs;
mod network;
mod terminate;
mod user_data;

pub use self::{
    allowlist::{ENGINE_CALLS, EngineCall},
    compose::{ComposeContext, Shutdown},
    config::{DEFAULT_NETWORK, DockerConfig},
};
use self::{engine::Engine, events::Events};
use super::{
    ExecCommand, ExecError, ExecSession, InstanceProvider, LaunchError, LaunchRequest, LogRequest,
    LogStream, ObservedInstance, ProviderError, identity::LABELS,
};
use crate::instance::InstanceId;

/// See the [module](self). Dropping it leaves the instances running, and commands inside them.
pub struct DockerProvider {
    engine: Engine,
    config: DockerConfig,
    /// Serialises "is the network there? then make it".
    making_network: tokio::sync::Mutex<()>,
    events: Events,
    commands: exec::Commands,
    user_data: user_data::Outcomes,
}

/// The newest version of the engine's API that is spoken, major and minor; an older engine is
/// spoken to in its own.
pub const API_VERSION: (usize, usize) = (
    bollard::API_DEFAULT_VERSION.major_version,
    bollard::API_DEFAULT_VERSION.minor_version,
);

impl DockerProvider {
    /// Connects to the engine of `DOCKER_HOST`, or of `/var/run/docker.sock`, and agrees on
    /// an API version with it.
    pub async fn connect(config: DockerConfig) -> Result<Self, ProviderError> {
        let engine = Engine::connect(None).await?;
        Ok(Self::over(engine, config))
    }

    /// As [`Self::connect`], to the engine behind this socket (`unix:///path`).
    pub async fn connect_to(host: &str, config: DockerConfig) -> Result<Self, ProviderError> {
        let engine = Engine::connect(Some(host)).await?;
        Ok(Self::over(engine, config))
    }

    /// As [`Self::connect`]; where this process is itself a container of a Compose project,
    /// instances join that project and belong to it, else they belong to `owner`.
    pub async fn detect(owner: String) -> Result<Self, ProviderError> {
        let engine = Engine::connect(None).await?;
        let config = match compose::detect(&engine).await? {
            Some(context) => DockerConfig::in_compose(context),
            None => DockerConfig::standalone(owner),
        };
        Ok(Self::over(engine, config))
    }

    fn over(engine: Engine, config: DockerConfig) -> Self {
        Self {
            events: Events::follow(&engine, &config.owner),
            engine,
            config,
            making_network: tokio::sync::Mutex::default(),
            commands: exec::Commands::default(),
            user_data: user_data::Outcomes::default(),
        }
    }

    pub fn config(&self) -> &DockerConfig {
        &self.config
    }

    /// What SIGTERM means for the instances; see [`Shutdown`].
    pub async fn on_shutdown(&self) -> Shutdown {
        compose::on_shutdown(&self.engine, self.config.compose.as_ref()).await
    }

    /// Removes every instance of this owner, and its network where nothing else is in it;
    /// returns the instances.
    pub async fn sweep(&self) -> Result<Vec<InstanceId>, ProviderError> {
        let swept = super::terminate_all(self).await?;
        self.remove_network().await?;
        Ok(swept)
    }

    /// Removes our own network unless containers are in it. Compose's is never ours.
    pub async fn remove_network(&self) -> Result<(), ProviderError> {
        Ok(network::remove(&self.engine, &self.config).await?)
    }

    /// The label filter that finds this owner's containers.
    fn owned(&self) -> String {
        format!("{}={}", LABELS.owner, self.config.owner)
    }
}

impl InstanceProvider for DockerProvider {
    async fn launch(&self, request: &LaunchRequest) -> Result<(), LaunchError> {
        launch::launch(self, request).await
    }

    async fn terminate(&self, id: &InstanceId) -> Result<(), ProviderError> {
        terminate::terminate(self, id).await
    }

    async fn list(&self) -> Result<Vec<ObservedInstance>, ProviderError> {
        list::list(self).await
    }

    async fn exec(
        &self,
        id: &InstanceId,
        command: impl Into<ExecCommand> + Send,
    ) -> Result<ExecSession, ExecError> {
        exec::exec(self, id, command.into()).await
    }

    async fn logs(&self, id: &InstanceId, wanted: LogRequest) -> Result<LogStream, ProviderError> {
        logs::logs(self, id, wanted).await
    }

    /// What `docker compose up web` or `COMPOSE_PROFILES=*` starts: it serves nothing, but
    /// Compose may remove instances along with it.
    async fn strangers(&self, auto_scaling_group: &str) -> Result<Vec<String>, ProviderError> {
        let Some(context) = &self.config.compose else {
            return Ok(Vec::new());
        };
        Ok(compose::strangers(&self.engine, context, auto_scaling_group).await?)
    }

    async fn changed(&self) {
        self.events.changed().await;
    }
}
