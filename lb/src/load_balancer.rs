use std::{io, sync::Arc, thread};

use arc_swap::ArcSwap;
use minicloud_lb_api::{Listener, Report, RequestFailure, Snapshot};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    access_log,
    config::Config,
    control::Control,
    failures::Failures,
    listener::{self, BindError},
    metrics::Metrics,
    routing::Routing,
    shared::Shared,
    worker,
};

/// Commands that wait for a worker; it reads them between requests.
const COMMAND_QUEUE: usize = 64;

/// A running balancer. Dropped, it stops without draining; see
/// [`shutdown`](LoadBalancer::shutdown).
#[derive(Debug)]
pub struct LoadBalancer {
    handle: Handle,
    shutdown: DropGuard,
    threads: Vec<thread::JoinHandle<()>>,
}

/// What can be seen of a [`LoadBalancer`] from elsewhere; outlives it.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    report: watch::Receiver<Arc<Report>>,
}

/// Why a balancer did not start. Nothing is left running or bound.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("a listener cannot be opened")]
    Bind(#[from] BindError),
    #[error("a thread of the load balancer cannot be started")]
    Thread(#[source] io::Error),
    #[error("the access log cannot be opened")]
    AccessLog(#[source] io::Error),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
}

impl LoadBalancer {
    /// Binds the listeners of the snapshot that `snapshots` holds now and starts serving.
    ///
    /// Later snapshots are applied as they come; what of them fails is told in the
    /// [`Report`]. When their sender is gone, the last one stands.
    ///
    /// # Errors
    /// A port of the first snapshot that is taken or not permitted, or a thread or file that
    /// cannot be had.
    pub fn start(
        config: Config,
        mut snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Result<Self, StartError> {
        let first = Arc::clone(&snapshots.borrow_and_update());
        let bound = bind_all(&config, &first)?;
        let metrics = Metrics::new()?;
        let mut threads = Vec::new();
        let dropped = metrics.access_log_dropped.clone();
        let log = access_log::spawn(&config, dropped).map_err(StartError::AccessLog)?;
        let log = log.map(|(sender, reading)| {
            threads.push(reading);
            sender
        });
        let shared = Arc::new(Shared {
            routing: ArcSwap::from_pointee(Routing::default()),
            metrics,
            crowd: Arc::default(),
            failures: Failures::default(),
            config,
        });
        let shutdown = CancellationToken::new();
        let mut workers = Vec::new();
        for index in 0..shared.config.threads.get() {
            let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
            workers.push(commands);
            let (shared, log, shutdown) = (Arc::clone(&shared), log.clone(), shutdown.clone());
            threads.push(spawn(
                format!("lb-worker-{index}"),
                shutdown.clone(),
                move || worker::run(shared, log, inbox, shutdown),
            )?);
        }
        let (report_to, report) = watch::channel(Arc::default());
        let control = Control::new(Arc::clone(&shared), snapshots, workers, report_to);
        let stop = shutdown.clone();
        threads.push(spawn(
            "lb-control".to_owned(),
            shutdown.clone(),
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(control.run(first, bound, stop));
                Ok(())
            },
        )?);
        Ok(Self {
            handle: Handle { shared, report },
            shutdown: shutdown.drop_guard(),
            threads,
        })
    }

    /// What is known of every target: changes with each state, each applied snapshot and each
    /// draining target that is done; counts are at most a second old. The first value that
    /// stands for a snapshot carries its version.
    pub fn report(&self) -> watch::Receiver<Arc<Report>> {
        self.handle.report()
    }

    pub fn registry(&self) -> &prometheus::Registry {
        self.handle.registry()
    }

    /// All metrics as Prometheus text.
    pub fn metrics_text(&self) -> String {
        self.handle.metrics_text()
    }

    /// A view to hand to others, such as [`serve_admin`](crate::serve_admin).
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops accepting, lets live requests end (their responses say `Connection: close`) for up
    /// to [`shutdown_drain`](crate::Timeouts::shutdown_drain), cuts what is left, tunnels
    /// included, and joins all threads.
    ///
    /// Cancel-safe in that the shutdown goes on; only the waiting ends.
    pub async fn shutdown(self) {
        let Self {
            handle: _handle,
            shutdown,
            threads,
        } = self;
        drop(shutdown);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread of the load balancer had panicked");
                }
            }
        });
        // Fails only when the runtime itself goes down.
        let _ = joined.await;
    }
}

impl Handle {
    /// As [`LoadBalancer::report`].
    pub fn report(&self) -> watch::Receiver<Arc<Report>> {
        self.report.clone()
    }

    /// The listeners in force.
    pub fn listeners(&self) -> Vec<Listener> {
        let routing = self.shared.routing.load();
        let routes = routing.routes.iter();
        routes
            .map(|route| route.listener.described.clone())
            .collect()
    }

    /// The last requests that got a 5xx of the balancer's own or only a part of a response,
    /// newest first: a few hundred.
    pub fn request_failures(&self) -> Vec<RequestFailure> {
        self.shared.failures.all()
    }

    /// As [`LoadBalancer::registry`].
    pub fn registry(&self) -> &prometheus::Registry {
        &self.shared.metrics.registry
    }

    /// As [`LoadBalancer::metrics_text`].
    pub fn metrics_text(&self) -> String {
        self.shared.metrics.text()
    }
}

fn bind_all(
    config: &Config,
    snapshot: &Snapshot,
) -> Result<Vec<(u16, listener::Sockets)>, BindError> {
    let mut bound: Vec<(u16, listener::Sockets)> = Vec::new();
    for listener in &snapshot.listeners {
        if bound.iter().all(|(port, _)| *port != listener.port) {
            let sockets = listener::bind(&config.bind, listener.port, config.threads.get())?;
            bound.push((listener.port, sockets));
        }
    }
    Ok(bound)
}

/// Starts a thread that takes the rest of the balancer with it if it fails.
fn spawn(
    name: String,
    shutdown: CancellationToken,
    body: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<thread::JoinHandle<()>, StartError> {
    let started = thread::Builder::new().name(name).spawn(move || {
        let _stop_all = shutdown.drop_guard();
        if let Err(error) = body() {
            tracing::error!(%error, "a thread of the load balancer cannot run");
        }
    });
    started.map_err(StartError::Thread)
}
