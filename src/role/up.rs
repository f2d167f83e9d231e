//! Everything in one process: what a newcomer starts.

mod announce;

use std::{env, sync::Arc};

use minicloud_agent::{Agent, Config as AgentConfig};
use minicloud_autoscaler::{
    Autoscaler, Settings, Shutdown,
    load_balancer_link::{LoadBalancerLink, ReceivedReport},
    now::SystemClock,
    static_snapshot,
};
use minicloud_lb::{Handle, LoadBalancer};
use minicloud_lb_api::{Report, Snapshot};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    agent,
    agent_source::AgentSource,
    balancer,
    busy_probe::HttpBusyProbe,
    config_file::ConfigFile,
    control_plane::{ApiSocket, ControlPlane, explain, seed},
    lb::forward_snapshots,
    metric_fetcher::HttpFetcher,
    provider::Provider,
    signals::Signals,
    state,
    webhook::HttpWebhooks,
};
use crate::{cli::UpArgs, failure::Failure, output::say, traces::Traces};

/// All parts of a running minicloud.
struct Minicloud {
    plane: ControlPlane,
    balancer: LoadBalancer,
    provider: Arc<Provider>,
    traces: Traces,
    /// What runs between the parts; ends with them.
    _links: JoinSet<()>,
    _agent: tokio_util::sync::DropGuard,
}

/// Runs until a signal, then drains and ends every instance.
pub(crate) async fn run(args: UpArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let (minicloud, guide) = start(args).await?;
    let announcing = guide.announce(minicloud.plane.view());
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        failure = balancer::failed(&minicloud.balancer) => Err(failure),
        // Nobody is left to end the instances: `minicloud sweep` does, or the next start.
        failure = minicloud.plane.failed() => return Err(failure),
        never = announcing => match never {},
    };
    minicloud.stop(&mut signals).await.and(ended)
}

/// Whatever can be refused is refused before the first instance is launched: a bad file, a
/// port or a state folder that is taken, an engine that is not there.
async fn start(args: UpArgs) -> Result<(Minicloud, announce::Guide), Failure> {
    let kind = args.provider.into();
    let file = ConfigFile::find(args.config);
    file.read(Some(kind))?;
    let api = ApiSocket::bind(&args.api, false).await?;
    let state_dir = state::open(args.state.state_dir)?;
    let provider = Provider::open(args.provider, &state_dir, None).await?;
    let guide = announce::Guide {
        config: file.name(),
        api: api.endpoint().unwrap_or(args.api.address),
        state_dir: state_dir.path().to_owned(),
    };
    let config = Autoscaler::configuration(file.clone().into(), &state_dir, kind);
    let config = config.map_err(explain)?;
    let (snapshots_in, snapshots) = watch::channel(Arc::new(static_snapshot(&config)));
    let traces = Traces::start(|name| env::var(name).ok())?;
    let observer = traces.request_observer();
    let balancer = balancer::start(&args.balancing, observer, snapshots)?;
    let agent_stop = CancellationToken::new();
    let agent = agent::start(AgentConfig::default(), agent_stop.clone())?;
    let settings = Settings {
        config: file.into(),
        state_dir,
        provider: Arc::clone(&provider),
        provider_kind: kind,
        metric_sources: vec![AgentSource::InProcess(agent.clone())],
        busy_probe: Arc::new(HttpBusyProbe),
        webhook_client: Arc::new(HttpWebhooks),
        metric_fetcher: Arc::new(HttpFetcher),
        clock: SystemClock,
        seed: seed()?,
        crash_at: None,
    };
    let metrics = other_metrics(balancer.handle(), agent);
    let plane = ControlPlane::start(settings, vec![api], args.api.read_only, metrics).await?;
    traces.follow(plane.events());
    let links = link(plane.load_balancer_link(), balancer.handle(), snapshots_in);
    let minicloud = Minicloud {
        plane,
        balancer,
        provider,
        traces,
        _links: links,
        _agent: agent_stop.drop_guard(),
    };
    Ok((minicloud, guide))
}

fn other_metrics(balancer: Handle, agent: Agent) -> Box<dyn Fn() -> String + Send + Sync> {
    Box::new(move || balancer.metrics_text() + &agent.metrics_text())
}

/// Joins the loop and the balancer, as the wire does where they are apart.
fn link(
    link: LoadBalancerLink,
    balancer: Handle,
    snapshots: watch::Sender<Arc<Snapshot>>,
) -> JoinSet<()> {
    let mut links = JoinSet::new();
    links.spawn(forward_snapshots(link.snapshots, snapshots));
    let reports = link.reports;
    links.spawn(async move {
        let deliver = |report: Arc<Report>| {
            let received = ReceivedReport::new(Arc::unwrap_or_clone(report), Instant::now());
            reports.send_replace(Some(received));
            std::future::ready(())
        };
        balancer::deliver_reports(balancer.report(), deliver).await;
    });
    links
}

impl Minicloud {
    /// The balancer first, so that requests in flight still have their instances. A second
    /// signal ends the wait for them, a third that for the instances.
    async fn stop(self, signals: &mut Signals) -> Result<(), Failure> {
        say("stopping: requests in flight end first; Ctrl-C again hurries");
        tokio::select! {
            () = self.balancer.shutdown() => {}
            () = signals.next() => say("ending instances without waiting for requests"),
        }
        tokio::select! {
            () = self.plane.shutdown(Shutdown::Terminate) => {}
            () = signals.next() => {
                return Err(Failure::stopped_early());
            }
        }
        self.traces.flush().await;
        self.provider.clean_up().await?;
        say("stopped: nothing is left running");
        Ok(())
    }
}
