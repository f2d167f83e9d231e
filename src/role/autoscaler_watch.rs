//! The balancer's side of the wire to an autoscaler: snapshots come by long poll, reports go
//! each second. While the autoscaler is away the last snapshot stands.

use std::{sync::Arc, time::Duration};

use hyper::{Method, StatusCode};
use minicloud_lb_api::{Report, Snapshot, TargetHealthDescription};
use rand::RngExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, info, warn};

use super::snapshot_file::SnapshotFile;
use crate::http_client::{HttpClient, HttpError};

/// Longer than the autoscaler holds a poll.
const POLL_TIMEOUT: Duration = Duration::from_secs(35);
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How soon in-flight counts and states are looked at again: a drain ends on it.
const REPORT_CHECK: Duration = Duration::from_millis(100);
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
/// An autoscaler that is back is noticed within it, and not stormed by many balancers.
const MAX_BACK_OFF: Duration = Duration::from_secs(3);

/// Publishes each snapshot of the autoscaler, and stores it. Runs until dropped.
pub(crate) async fn snapshots(
    client: HttpClient,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    file: Option<SnapshotFile>,
) {
    let mut after = None;
    let mut away = false;
    let mut back_off = FIRST_BACK_OFF;
    loop {
        match poll(&client, after).await {
            Ok(snapshot) => {
                if std::mem::take(&mut away) {
                    info!("autoscaler is back");
                }
                back_off = FIRST_BACK_OFF;
                if let Some(snapshot) = snapshot {
                    after = Some(snapshot.version);
                    store(file.clone(), &snapshot).await;
                    publish.send_replace(Some(Arc::new(snapshot)));
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    warn!(error, "autoscaler is away: serving from the last snapshot");
                }
                // One that was restarted may have given the same number to another snapshot.
                after = None;
                sleep(back_off.mul_f64(rand::rng().random_range(0.5..1.0))).await;
                back_off = (back_off * 2).min(MAX_BACK_OFF);
            }
        }
    }
}

/// The snapshot where it is another than `after`.
async fn poll(client: &HttpClient, after: Option<u64>) -> Result<Option<Snapshot>, String> {
    let path = match after {
        Some(version) => format!("/internal/v1/snapshot?after={version}"),
        None => "/internal/v1/snapshot".to_owned(),
    };
    let answer = client
        .call(Method::GET, &path, None, POLL_TIMEOUT)
        .await
        .map_err(|error| error.to_string())?;
    match answer.status {
        StatusCode::OK => serde_json::from_slice(&answer.body)
            .map(Some)
            .map_err(|error| format!("its snapshot is garbage: {error}")),
        StatusCode::NO_CONTENT => Ok(None),
        status => Err(format!("{} answered {status}", client.endpoint())),
    }
}

async fn store(file: Option<SnapshotFile>, snapshot: &Snapshot) {
    let Some(file) = file else { return };
    let snapshot = snapshot.clone();
    let stored = tokio::task::spawn_blocking(move || {
        let stored = file.store(&snapshot);
        stored.map_err(|error| format!("{}: {error}", file.path().display()))
    });
    if let Ok(Err(error)) = stored.await {
        warn!(error, "cannot keep the snapshot: a restart will need the autoscaler");
    }
}

/// Sends `report` each second, and at once when a target's state changes or its last request
/// ends. Runs until dropped.
pub(crate) async fn reports(client: HttpClient, report: impl Fn() -> Report) {
    let mut sent = Vec::new();
    loop {
        let next = Instant::now() + REPORT_INTERVAL;
        let now = report();
        match put(&client, &now).await {
            Ok(()) => sent = states(&now),
            Err(error) => debug!(%error, "report not delivered"),
        }
        let changed = async {
            while states(&report()) == sent {
                sleep(REPORT_CHECK).await;
            }
        };
        // The timeout is the timer here.
        let _ = timeout_at(next, changed).await;
    }
}

type State = (String, String, minicloud_lb_api::TargetHealth, bool);

/// What the autoscaler acts upon.
fn states(report: &Report) -> Vec<State> {
    let state = |description: &TargetHealthDescription| {
        (
            description.target_group.clone(),
            description.target.id.clone(),
            description.target_health.clone(),
            description.in_flight == 0,
        )
    };
    report.targets.iter().map(state).collect()
}

async fn put(client: &HttpClient, report: &Report) -> Result<(), HttpError> {
    let body = serde_json::to_vec(report).unwrap_or_default();
    client
        .call(Method::PUT, "/internal/v1/report", Some(body), REPORT_TIMEOUT)
        .await
        .map(drop)
}
