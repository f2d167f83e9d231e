//! The autoscaler as one value: started, asked, stopped.

use std::{path::PathBuf, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use crate::{
    command::Command, crash_point::CrashPoint, describe::View,
    load_balancer_link::LoadBalancerLink, metric_source::MetricSource, now::Clock,
    provider::InstanceProvider, state_dir::StateDir,
};

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    /// Read at start and again whenever its content changes.
    File(PathBuf),
    /// The example that is built in.
    BuiltIn,
}

/// What [`Autoscaler::start`] needs.
#[derive(Debug)]
pub struct Settings<P, M, C> {
    pub config: ConfigSource,
    pub state_dir: StateDir,
    pub provider: Arc<P>,
    pub metric_sources: Vec<M>,
    pub clock: C,
    pub crash_at: Option<CrashPoint>,
}

/// What becomes of the instances when the autoscaler stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// They go on serving; the next start adopts them.
    Keep,
    /// They are ended, at once and without draining: stop the balancer before.
    Terminate,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(String),
    #[error("the store in the state folder cannot be opened: {0}")]
    Store(String),
}

/// A running reconcile loop.
#[derive(Debug)]
pub struct Autoscaler {
    view: watch::Receiver<Arc<View>>,
    commands: mpsc::Sender<Command>,
    link: LoadBalancerLink,
    metrics: prometheus::Registry,
    shutdown: oneshot::Sender<Shutdown>,
    task: JoinHandle<()>,
}

impl Autoscaler {
    /// Reads the configuration, opens the store and starts the loop on the current runtime.
    /// Nothing is started where either fails.
    pub async fn start<P: InstanceProvider, M: MetricSource, C: Clock>(
        settings: Settings<P, M, C>,
    ) -> Result<Self, StartError> {
        let _ = settings;
        Err(StartError::Store("not built yet".to_owned()))
    }

    /// What the API shows; changes after each pass.
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    pub fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    pub fn load_balancer_link(&self) -> LoadBalancerLink {
        self.link.clone()
    }

    /// The autoscaler's own metrics.
    pub fn registry(&self) -> &prometheus::Registry {
        &self.metrics
    }

    /// Stops the loop; resolves when it is done with what `how` asks for, or after a bounded time.
    pub async fn shutdown(self, how: Shutdown) {
        let _ = self.shutdown.send(how);
        let _ = self.task.await;
    }
}
