use std::{env, path::Path, sync::Arc, time::Duration};

use minicloud_autoscaler::{ConfigWatch, static_snapshot};
use minicloud_lb::{AdminListener, Handle, LoadBalancer, RequestObserver, serve_admin};
use minicloud_lb_api::Snapshot;
use rand::{SeedableRng, rngs::SmallRng};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    autoscaler_watch::{self, put_report},
    balancer,
    config_file::ConfigFile,
    control_plane::seed,
    signals::Signals,
    snapshot_file::SnapshotFile,
};
use crate::{
    cli::LbArgs,
    endpoint::Endpoint,
    failure::{Exit, Failure},
    http_client::HttpClient,
    metrics::register_build_info,
    socket::Socket,
    traces::Traces,
};

/// How often the file is looked at, as the autoscaler does.
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// Serves until a signal, then drains; a second signal ends the wait.
pub(crate) async fn run(args: LbArgs) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let admin = Socket::bind(&args.admin, "--admin").await?;
    let mut tasks = JoinSet::new();
    let traces = Traces::start(|name| env::var(name).ok())?;
    let started = tokio::select! {
        started = start(&args, &traces, &mut tasks) => started?,
        () = signals.next() => return Ok(()),
    };
    register_build_info(started.registry())
        .map_err(|error| Failure::balancer(Exit::Failure, &error))?;
    let stop = CancellationToken::new();
    tasks.spawn(serve_admin(admin.into(), started.handle(), stop.clone()));
    info!(admin = %args.admin, "load balancer serves");
    tokio::select! {
        () = signals.next() => {}
        failure = balancer::failed(&started) => return Err(failure),
    }
    info!("load balancer drains");
    tokio::select! {
        () = started.shutdown() => {}
        () = signals.next() => {}
    }
    stop.cancel();
    traces.flush().await;
    Ok(())
}

async fn start(
    args: &LbArgs,
    traces: &Traces,
    tasks: &mut JoinSet<()>,
) -> Result<LoadBalancer, Failure> {
    let observer = traces.request_observer();
    match &args.source.autoscaler {
        Some(autoscaler) => watching(args, observer, autoscaler, tasks).await,
        None => {
            let file = ConfigFile::find(args.source.config.clone());
            let config_watch = ConfigWatch::new(file.clone().into(), None);
            let first = Arc::new(static_snapshot(&file.read(None)?));
            let (snapshots_in, snapshots) = watch::channel(first);
            let balancer = balancer::start(&args.balancing, observer, snapshots)?;
            tasks.spawn(follow_file(config_watch, snapshots_in));
            Ok(balancer)
        }
    }
}

/// Serves what the file says as it changes; one that turns bad changes nothing. For ever.
async fn follow_file(mut file: ConfigWatch, snapshots: watch::Sender<Arc<Snapshot>>) {
    let mut version = snapshots.borrow().version;
    loop {
        sleep(FILE_INTERVAL).await;
        match file.poll() {
            Some(Ok(config)) => {
                version += 1;
                snapshots.send_replace(Arc::new(Snapshot {
                    version,
                    ..static_snapshot(&config)
                }));
                info!("the configuration file has changed and is in force");
            }
            Some(Err(faults)) => warn!(
                faults,
                "the changed configuration file is refused; the one before stays in force"
            ),
            None => {}
        }
    }
}

/// Starts with the snapshot of the last run if there is one, else with the autoscaler's first.
async fn watching(
    args: &LbArgs,
    observer: Option<Arc<dyn RequestObserver>>,
    autoscaler: &Endpoint,
    tasks: &mut JoinSet<()>,
) -> Result<LoadBalancer, Failure> {
    let client = HttpClient::new(autoscaler.clone());
    let file = args.state_dir.as_deref().map(snapshot_file).transpose()?;
    let (publish, mut news) = watch::channel(file.as_ref().and_then(load));
    let rng = SmallRng::seed_from_u64(seed()?);
    tasks.spawn(autoscaler_watch::snapshots(
        client.clone(),
        publish,
        file,
        rng,
    ));
    let first = first_snapshot(&mut news).await?;
    let (snapshots_in, snapshots) = watch::channel(first);
    let balancer = balancer::start(&args.balancing, observer, snapshots)?;
    tasks.spawn(forward_snapshots(news, snapshots_in));
    tasks.spawn(report(balancer.handle(), client));
    Ok(balancer)
}

async fn report(balancer: Handle, client: HttpClient) {
    let deliver = |report| put_report(client.clone(), report);
    balancer::deliver_reports(balancer.report(), deliver).await;
}

fn snapshot_file(folder: &Path) -> Result<SnapshotFile, Failure> {
    SnapshotFile::in_folder(folder).map_err(|error| Failure::snapshot_folder(folder, &error))
}

fn load(file: &SnapshotFile) -> Option<Arc<Snapshot>> {
    match file.load() {
        Ok(snapshot) => snapshot.map(Arc::new),
        Err(error) => {
            let path = file.path().display();
            warn!(%path, %error, "stored snapshot is not usable: waiting for the autoscaler");
            None
        }
    }
}

async fn first_snapshot(
    news: &mut watch::Receiver<Option<Arc<Snapshot>>>,
) -> Result<Arc<Snapshot>, Failure> {
    let first = news.wait_for(Option::is_some).await;
    let first = first.map_err(|_| Failure::watch_ended())?;
    first.clone().ok_or_else(Failure::watch_ended)
}

/// Hands on each snapshot after the first, until either side is gone.
pub(super) async fn forward_snapshots(
    mut news: watch::Receiver<Option<Arc<Snapshot>>>,
    to: watch::Sender<Arc<Snapshot>>,
) {
    loop {
        let snapshot = news.borrow_and_update().clone();
        // Not the same one again: what changes nothing need not be applied.
        if let Some(snapshot) = snapshot.filter(|snapshot| !Arc::ptr_eq(snapshot, &to.borrow())) {
            to.send_replace(snapshot);
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = to.closed() => return,
        }
    }
}

impl From<Socket> for AdminListener {
    fn from(socket: Socket) -> Self {
        match socket {
            Socket::Tcp(listener) => Self::Tcp(listener),
            Socket::Unix(listener) => Self::Unix(listener),
        }
    }
}
