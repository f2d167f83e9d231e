//! The reconcile loop and its API, started and stopped together.

use std::{fs, path::Path, sync::Arc};

use minicloud_autoscaler::{
    Autoscaler, MetricSource, Settings, Shutdown, StartError,
    api::{self, Access, Api, EventStreams, ExecSessions, Listener, Token},
    console::Secret,
    describe::View,
    events::EventLog,
    load_balancer_link::LoadBalancerLink,
    now::Clock,
    provider::InstanceProvider,
};
use prometheus::TextEncoder;
use rand::{TryRng, rngs::SysRng};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::rule_tester::BalancersRules;
use crate::{
    cli::ApiArgs,
    endpoint::Endpoint,
    failure::{Exit, Failure},
    metrics::register_build_info,
    socket::Socket,
};

/// A bound socket and who may use it.
pub(super) struct ApiSocket {
    listener: Listener,
    access: Access,
}

/// Metrics of other parts in this process, appended to the autoscaler's own.
pub(super) type MoreMetrics = Box<dyn Fn() -> String + Send + Sync>;

pub(super) struct ControlPlane {
    autoscaler: Autoscaler,
    servers: JoinSet<()>,
    stop: CancellationToken,
}

impl ApiSocket {
    /// # Errors
    /// A port that is taken, or an address that others can reach and no token.
    pub(super) async fn bind(args: &ApiArgs, published_on_loopback: bool) -> Result<Self, Failure> {
        let token = args.token_file.as_deref().map(read_token).transpose()?;
        let Socket::Tcp(listener) = Socket::bind(&args.address, "--api").await? else {
            return Err(Failure::api_needs_tcp());
        };
        let address = listener
            .local_addr()
            .map_err(|error| Failure::api_address_unknown(&error))?;
        let access = Access::at(address, token, published_on_loopback)
            .map_err(|error| Failure::api_open_to_others(&error))?;
        let listener = Listener::Tcp(listener);
        Ok(Self { listener, access })
    }

    /// The socket that only the balancer can open.
    pub(super) async fn bind_for_balancer(endpoint: &Endpoint) -> Result<Self, Failure> {
        Ok(Self {
            listener: match Socket::bind(endpoint, "--lb-listen").await? {
                Socket::Tcp(listener) => Listener::Tcp(listener),
                Socket::Unix(listener) => Listener::Unix(listener),
            },
            access: Access::Socket,
        })
    }

    /// Where it listens, the port chosen where 0 was asked for.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok()?.to_string().parse().ok(),
            Listener::Unix(_) => None,
        }
    }
}

fn read_token(path: &Path) -> Result<Token, Failure> {
    let text =
        fs::read_to_string(path).map_err(|error| Failure::token_file_invalid(path, &error))?;
    Token::try_new(text.trim()).map_err(|error| Failure::token_file_invalid(path, &error))
}

impl ControlPlane {
    /// Starts the loop, then its API on each socket.
    pub(super) async fn start<P: InstanceProvider, M: MetricSource, C: Clock>(
        settings: Settings<P, M, C>,
        sockets: Vec<ApiSocket>,
        read_only: bool,
        more_metrics: MoreMetrics,
    ) -> Result<Self, Failure> {
        let sessions = ExecSessions::new(Arc::clone(&settings.provider));
        let provider_kind = settings.provider_kind;
        let autoscaler = Autoscaler::start(settings).await.map_err(explain)?;
        let stop = CancellationToken::new();
        let registry = autoscaler.registry().clone();
        register_build_info(&registry).map_err(|error| explain(StartError::Metrics(error)))?;
        let api = Arc::new(Api {
            view: autoscaler.view(),
            commands: autoscaler.commands(),
            sessions,
            provider_kind,
            load_balancer: autoscaler.load_balancer_link(),
            events: EventStreams::new(autoscaler.events()),
            history: autoscaler.history(),
            statistics: autoscaler.metric_statistics(),
            secret: secret()?,
            rule_tester: Arc::new(BalancersRules),
            read_only,
            metrics: Arc::new(move || metrics_text(&registry) + &more_metrics()),
            shutdown: stop.clone(),
        });
        let mut servers = JoinSet::new();
        for ApiSocket { listener, access } in sockets {
            let router = match access {
                Access::Socket => api::load_balancer_router(Arc::clone(&api)),
                access => api::router(Arc::clone(&api), access),
            };
            servers.spawn(api::serve(listener, router, stop.clone()));
        }
        Ok(Self {
            autoscaler,
            servers,
            stop,
        })
    }

    pub(super) fn view(&self) -> watch::Receiver<Arc<View>> {
        self.autoscaler.view()
    }

    pub(super) fn events(&self) -> EventLog {
        self.autoscaler.events()
    }

    pub(super) fn load_balancer_link(&self) -> LoadBalancerLink {
        self.autoscaler.load_balancer_link()
    }

    /// Resolves if the loop ends by itself, which it does only by a bug.
    pub(super) async fn failed(&self) -> Failure {
        let mut view = self.autoscaler.view();
        while view.changed().await.is_ok() {}
        Failure::loop_ended()
    }

    /// Stops the loop, and the API once the loop is done, so that the end can be watched.
    pub(super) async fn shutdown(mut self, how: Shutdown) {
        self.autoscaler.shutdown(how).await;
        self.stop.cancel();
        while self.servers.join_next().await.is_some() {}
    }
}

fn secret() -> Result<Secret, Failure> {
    let mut bytes = [0; 32];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| Failure::no_randomness(&error))?;
    Ok(Secret::new(bytes))
}

/// From the operating system, for what shall differ from run to run.
pub(super) fn seed() -> Result<u64, Failure> {
    SysRng
        .try_next_u64()
        .map_err(|error| Failure::no_randomness(&error))
}

fn metrics_text(registry: &prometheus::Registry) -> String {
    let text = TextEncoder::new().encode_to_string(&registry.gather());
    text.unwrap_or_else(|error| {
        warn!(%error, "metrics cannot be rendered");
        String::new()
    })
}

pub(super) fn explain(error: StartError) -> Failure {
    let exit = match &error {
        StartError::Config(_) => Exit::Config,
        StartError::Store(_) => Exit::CannotCreate,
        StartError::Metrics(_) => Exit::Failure,
    };
    Failure::autoscaler(exit, &format_args!("{:#}", anyhow::Error::from(error)))
}
