//! Where instances live, chosen on the command line.

use std::{env, sync::Arc};

use minicloud_autoscaler::{
    Shutdown, StateDir,
    config::ProviderKind,
    instance::InstanceId,
    now::SystemClock,
    provider::{
        ExecCommand, ExecError, ExecSession, InstanceProvider, LaunchError, LaunchRequest,
        LogRequest, LogStream, ObservedInstance, ProviderError,
        docker::{self, DockerConfig, DockerProvider},
        process::{ProcessConfig, ProcessProvider},
    },
};

use crate::{
    cli::ProviderName,
    failure::{Exit, Failure},
};

pub(crate) enum Provider {
    Process(ProcessProvider),
    Docker(Box<DockerProvider>),
}

impl Provider {
    pub(crate) async fn open(
        name: ProviderName,
        state_dir: &StateDir,
        docker_network: Option<String>,
    ) -> Result<Arc<Self>, Failure> {
        let provider = match name {
            ProviderName::Process => Self::process(state_dir)?,
            ProviderName::Docker => {
                let docker = docker(state_dir.owner().to_owned(), docker_network);
                Self::Docker(Box::new(
                    docker.await.map_err(|error| explain(name, &error))?,
                ))
            }
        };
        Ok(Arc::new(provider))
    }

    fn process(state_dir: &StateDir) -> Result<Self, Failure> {
        let program = env::current_exe().map_err(|error| Failure::program_unknown(&error))?;
        let folder = state_dir.path().to_owned();
        let config = ProcessConfig::new(folder, state_dir.owner().to_owned(), program);
        Ok(Self::Process(ProcessProvider::new(config, SystemClock)))
    }

    fn name(&self) -> ProviderName {
        match self {
            Self::Process(_) => ProviderName::Process,
            Self::Docker(_) => ProviderName::Docker,
        }
    }

    /// What a signal to an autoscaler that runs alone means for the instances.
    pub(crate) async fn on_shutdown(&self) -> Shutdown {
        match self {
            Self::Process(_) => Shutdown::Keep,
            Self::Docker(provider) => match provider.on_shutdown().await {
                docker::Shutdown::Keep => Shutdown::Keep,
                docker::Shutdown::Terminate => Shutdown::Terminate,
            },
        }
    }

    /// Ends and removes everything that carries our mark.
    pub(crate) async fn sweep(&self) -> Result<Vec<InstanceId>, Failure> {
        let swept = match self {
            Self::Process(provider) => provider.sweep().await,
            Self::Docker(provider) => provider.sweep().await,
        };
        swept.map_err(|error| explain(self.name(), &error))
    }

    /// Removes what outlives the last instance.
    pub(crate) async fn clean_up(&self) -> Result<(), Failure> {
        match self {
            Self::Process(_) => Ok(()),
            Self::Docker(provider) => {
                let removed = provider.remove_network().await;
                removed.map_err(|error| explain(self.name(), &error))
            }
        }
    }
}

/// In a Compose project the project says which network is the instances'.
async fn docker(owner: String, network: Option<String>) -> Result<DockerProvider, ProviderError> {
    let detected = DockerProvider::detect(owner.clone()).await?;
    match network {
        Some(network) if detected.config().compose.is_none() => {
            let config = DockerConfig {
                network,
                ..DockerConfig::standalone(owner)
            };
            DockerProvider::connect(config).await
        }
        _ => Ok(detected),
    }
}

fn explain(name: ProviderName, error: &ProviderError) -> Failure {
    let exit = match error {
        ProviderError::Unreachable(_) => Exit::Unreachable,
        ProviderError::Failed(_) => Exit::Failure,
    };
    Failure::provider(exit, name, error)
}

impl From<ProviderName> for ProviderKind {
    fn from(name: ProviderName) -> Self {
        match name {
            ProviderName::Process => Self::Process,
            ProviderName::Docker => Self::Docker,
        }
    }
}

impl InstanceProvider for Provider {
    async fn launch(&self, request: &LaunchRequest) -> Result<(), LaunchError> {
        match self {
            Self::Process(provider) => provider.launch(request).await,
            Self::Docker(provider) => provider.launch(request).await,
        }
    }

    async fn terminate(&self, id: &InstanceId) -> Result<(), ProviderError> {
        match self {
            Self::Process(provider) => provider.terminate(id).await,
            Self::Docker(provider) => provider.terminate(id).await,
        }
    }

    async fn list(&self) -> Result<Vec<ObservedInstance>, ProviderError> {
        match self {
            Self::Process(provider) => provider.list().await,
            Self::Docker(provider) => provider.list().await,
        }
    }

    async fn exec(
        &self,
        id: &InstanceId,
        command: impl Into<ExecCommand> + Send,
    ) -> Result<ExecSession, ExecError> {
        match self {
            Self::Process(provider) => provider.exec(id, command).await,
            Self::Docker(provider) => provider.exec(id, command).await,
        }
    }

    async fn logs(&self, id: &InstanceId, wanted: LogRequest) -> Result<LogStream, ProviderError> {
        match self {
            Self::Process(provider) => provider.logs(id, wanted).await,
            Self::Docker(provider) => provider.logs(id, wanted).await,
        }
    }

    async fn strangers(&self, auto_scaling_group: &str) -> Result<Vec<String>, ProviderError> {
        match self {
            Self::Process(provider) => provider.strangers(auto_scaling_group).await,
            Self::Docker(provider) => provider.strangers(auto_scaling_group).await,
        }
    }

    async fn changed(&self) {
        match self {
            Self::Process(provider) => provider.changed().await,
            Self::Docker(provider) => provider.changed().await,
        }
    }
}
