use std::{env, sync::Arc};

use minicloud_autoscaler::{Crash, Settings, now::SystemClock};
use tracing::info;

use super::{
    agent_source::AgentSource,
    busy_probe::HttpBusyProbe,
    config_file::ConfigFile,
    control_plane::{ApiSocket, ControlPlane, seed},
    metric_fetcher::HttpFetcher,
    provider::Provider,
    signals::Signals,
    state,
    webhook::HttpWebhooks,
};
use crate::{cli::AutoscalerArgs, failure::Failure, traces::Traces};

/// Runs the loop and its API until a signal. What becomes of the instances is the provider's
/// to say: a restart must not end them, an end of the whole must not leave them.
pub(crate) async fn run(args: AutoscalerArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let kind = args.provider.into();
    let file = ConfigFile::find(args.config);
    // Before anything is bound or opened: nothing starts on a bad file.
    file.read(Some(kind))?;
    let traces = Traces::start(|name| env::var(name).ok())?;
    let mut sockets = vec![ApiSocket::bind(&args.api, args.api_published_on_loopback).await?];
    if let Some(endpoint) = &args.lb_listen {
        sockets.push(ApiSocket::bind_for_balancer(endpoint).await?);
    }
    let state_dir = state::open(args.state.state_dir)?;
    let provider = Provider::open(args.provider, &state_dir, args.docker_network).await?;
    let settings = Settings {
        config: file.into(),
        state_dir,
        provider: Arc::clone(&provider),
        provider_kind: kind,
        metric_sources: args.agents.into_iter().map(AgentSource::at).collect(),
        busy_probe: Arc::new(HttpBusyProbe),
        webhook_client: Arc::new(HttpWebhooks),
        metric_fetcher: Arc::new(HttpFetcher),
        clock: SystemClock,
        seed: seed()?,
        crash_at: args.crash_at.map(Crash::Process),
    };
    let plane =
        ControlPlane::start(settings, sockets, args.api.read_only, Box::new(String::new)).await?;
    traces.follow(plane.events());
    info!(api = %args.api.address, provider = %kind, "autoscaler runs");
    tokio::select! {
        () = signals.next() => {}
        failure = plane.failed() => return Err(failure),
    }
    let how = provider.on_shutdown().await;
    info!(instances = ?how, "autoscaler stops");
    tokio::select! {
        () = plane.shutdown(how) => {}
        () = signals.next() => {}
    }
    traces.flush().await;
    Ok(())
}
