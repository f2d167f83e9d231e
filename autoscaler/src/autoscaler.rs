//! The autoscaler as one value: started, asked, stopped.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    busy_probe::BusyProbe,
    command::Command,
    config::{Config, ProviderKind},
    crash_point::Crash,
    customized_metric::{self, CustomizedMetricsDesk, MetricFetcher},
    describe::View,
    events::EventLog,
    ledger::Ledger,
    load_balancer_link::{LoadBalancerLink, load_balancer_link},
    metric_source::{self, MetricSource},
    metric_statistics::{self, MetricStatistics},
    metrics::Metrics,
    notification::{Courier, WebhookClient},
    now::Clock,
    provider::InstanceProvider,
    reconcile::{Inbox, Parts, Reconciler},
    reload::ConfigWatch,
    state_dir::StateDir,
    store::{ActivityHistory, Store, StoreError},
};

/// Commands come from people and their scripts; a full queue makes them wait.
const COMMAND_QUEUE: usize = 64;
/// A few scrapes of a slow pass; what does not fit is dropped, counters lose nothing.
const SCRAPE_QUEUE: usize = 16;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    /// Read at start and again whenever its content changes.
    File(PathBuf),
    /// The example that is built in.
    BuiltIn,
}

/// What [`Autoscaler::start`] needs.
pub struct Settings<P, M, C> {
    pub config: ConfigSource,
    pub state_dir: StateDir,
    pub provider: Arc<P>,
    /// What `provider` is: the configuration must fit it.
    pub provider_kind: ProviderKind,
    pub metric_sources: Vec<M>,
    /// How instances are asked over HTTP whether they may go.
    pub busy_probe: Arc<dyn BusyProbe>,
    /// Sends notifications.
    pub webhook_client: Arc<dyn WebhookClient>,
    /// Reads the customized metrics of scaling policies.
    pub metric_fetcher: Arc<dyn MetricFetcher>,
    pub clock: C,
    /// Seeds every random choice of the loop, so that a run can be repeated.
    pub seed: u64,
    pub crash_at: Option<Crash>,
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
    #[error("the store in the state folder cannot be used: {0}")]
    Store(String),
    #[error("the metrics cannot be registered")]
    Metrics(#[source] prometheus::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// A running reconcile loop.
#[derive(Debug)]
pub struct Autoscaler {
    view: watch::Receiver<Arc<View>>,
    commands: mpsc::Sender<Command>,
    link: LoadBalancerLink,
    events: EventLog,
    history: ActivityHistory,
    metrics: prometheus::Registry,
    statistics: MetricStatistics,
    _recorder: AbortOnDropHandle<()>,
    pass_durations: prometheus::Histogram,
    shutdown: oneshot::Sender<Shutdown>,
    task: JoinHandle<()>,
}

impl Autoscaler {
    /// The configuration that [`start`](Self::start) begins with: the file, or what was applied
    /// since it changed. For what has to know it before the loop runs.
    pub fn configuration(
        source: ConfigSource,
        state_dir: &StateDir,
        provider_kind: ProviderKind,
    ) -> Result<Config, StartError> {
        let store = Store::open(state_dir.path())?;
        let opened = ConfigWatch::open(source, provider_kind, store.applied_configuration()?);
        opened.map(|(_, config)| config).map_err(StartError::Config)
    }

    /// Reads the configuration, opens the store and starts the loop on the current runtime.
    /// Nothing is started where either fails.
    pub async fn start<P: InstanceProvider, M: MetricSource, C: Clock>(
        settings: Settings<P, M, C>,
    ) -> Result<Self, StartError> {
        let Settings {
            config,
            state_dir,
            provider,
            provider_kind,
            metric_sources,
            busy_probe,
            webhook_client,
            metric_fetcher,
            clock,
            seed,
            crash_at,
        } = settings;
        let store = Store::open(state_dir.path())?;
        let applied = store.applied_configuration()?;
        let (config_watch, config) =
            ConfigWatch::open(config, provider_kind, applied).map_err(StartError::Config)?;
        let history = ActivityHistory::open(state_dir.path())?;
        let clock = Arc::new(clock);
        let started = clock.now().wall;
        let events = EventLog::new(started.as_microsecond().try_into().unwrap_or_default());
        let recorders_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let courier = Courier::new(webhook_client, Arc::clone(&clock) as Arc<dyn Clock>);
        let metrics = Metrics::new().map_err(StartError::Metrics)?;
        let registry = metrics.registry.clone();
        let pass_durations = metrics.pass_duration.clone();
        let (desk, link) = load_balancer_link();
        let (view_in, view) = watch::channel(Arc::new(View::empty(config.pace, started)));
        let (commands, commands_out) = mpsc::channel(COMMAND_QUEUE);
        let (scrapes, scrapes_out) = mpsc::channel(SCRAPE_QUEUE);
        let (readings, readings_out) = mpsc::channel(SCRAPE_QUEUE);
        let (wanted, wanted_out) = watch::channel(BTreeSet::new());
        let (shutdown, shutdown_out) = oneshot::channel();
        let ledger = Ledger::new(store, events.clone());
        let parts = Parts {
            provider,
            clock,
            ledger,
            config,
            config_watch,
            desk,
            view: view_in,
            metrics,
            events: events.clone(),
            courier,
            seed,
            busy_probe,
            crash_at,
            state_dir,
            provider_kind,
            customized_metrics: CustomizedMetricsDesk { wanted },
        };
        let mut reconciler = Reconciler::new(parts);
        reconciler.load()?;
        let inbox = Inbox {
            commands: commands_out,
            scrapes: scrapes_out,
            readings: readings_out,
            shutdown: shutdown_out,
        };
        let statistics = MetricStatistics::new();
        let recorder = metric_statistics::spawn(
            statistics.clone(),
            view.clone(),
            link.reports.subscribe(),
            recorders_clock,
        );
        let task = tokio::spawn(async move {
            let _scrapers = metric_source::spawn(metric_sources, scrapes);
            let _readers = customized_metric::spawn(metric_fetcher, wanted_out, readings);
            reconciler.run(inbox).await;
        });
        Ok(Self {
            view,
            commands,
            link,
            events,
            history,
            metrics: registry,
            statistics,
            _recorder: AbortOnDropHandle::new(recorder),
            pass_durations,
            shutdown,
            task,
        })
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

    /// What happens, as it happens.
    pub fn events(&self) -> EventLog {
        self.events.clone()
    }

    /// Six weeks of activities.
    pub fn history(&self) -> ActivityHistory {
        self.history.clone()
    }

    /// What each group was lately.
    pub fn metric_statistics(&self) -> MetricStatistics {
        self.statistics.clone()
    }

    /// The autoscaler's own metrics.
    pub fn registry(&self) -> &prometheus::Registry {
        &self.metrics
    }

    /// How long each pass of the loop took, in seconds, without the wait for the provider. One of
    /// the metrics, for who looks often: to gather them all takes a while where groups are many.
    pub fn pass_durations(&self) -> &prometheus::Histogram {
        &self.pass_durations
    }

    /// Ends the loop between two awaits, with no chance to clean up: what `kill -9` does.
    pub async fn abort(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Stops the loop; resolves when it is done with what `how` asks for, or after a bounded time.
    pub async fn shutdown(self, how: Shutdown) {
        let _ = self.shutdown.send(how);
        let _ = self.task.await;
    }
}
