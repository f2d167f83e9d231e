//! The balancer's side of the wire to an autoscaler: snapshots come by long poll, reports go
//! the other way. While the autoscaler is away the last snapshot stands.

use std::{sync::Arc, time::Duration};

use hyper::{Method, StatusCode};
use minicloud_lb_api::{Report, Snapshot};
use rand::{Rng, RngExt};
use tokio::{sync::watch, time::sleep};
use tracing::{debug, info, warn};

use super::snapshot_file::SnapshotFile;
use crate::http_client::HttpClient;

/// Longer than the autoscaler holds a poll.
const POLL_TIMEOUT: Duration = Duration::from_secs(35);
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
/// An autoscaler that is back is noticed within it, and not stormed by many balancers.
const MAX_BACK_OFF: Duration = Duration::from_secs(3);

/// Publishes each snapshot of the autoscaler, and stores it. Runs until dropped.
pub(super) async fn snapshots(
    client: HttpClient,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    file: Option<SnapshotFile>,
    mut rng: impl Rng,
) {
    let mut after = None;
    let mut away = false;
    let mut back_off = FIRST_BACK_OFF;
    loop {
        match poll(&client, after).await {
            Ok(news) => {
                if std::mem::take(&mut away) {
                    info!("autoscaler is back");
                }
                back_off = FIRST_BACK_OFF;
                if let Some(snapshot) = news.map(Arc::new) {
                    after = Some(snapshot.version);
                    publish.send_replace(Some(Arc::clone(&snapshot)));
                    store(file.clone(), snapshot).await;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    warn!(error, "autoscaler is away: the last snapshot stands");
                }
                // One that was restarted may give the same number to another snapshot.
                after = None;
                sleep(back_off.mul_f64(rng.random_range(0.5..1.0))).await;
                back_off = (back_off * 2).min(MAX_BACK_OFF);
            }
        }
    }
}

/// The snapshot, where it is another than `after`.
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

async fn store(file: Option<SnapshotFile>, snapshot: Arc<Snapshot>) {
    let Some(file) = file else { return };
    let stored = tokio::task::spawn_blocking(move || {
        let stored = file.store(&snapshot);
        stored.map_err(|error| format!("{}: {error}", file.path().display()))
    });
    if let Ok(Err(error)) = stored.await {
        warn!(
            error,
            "cannot keep the snapshot: a restart will need the autoscaler"
        );
    }
}

/// Sends one report. One that does not arrive is no loss: the next has all of it.
pub(super) async fn put_report(client: HttpClient, report: Arc<Report>) {
    let Ok(body) = serde_json::to_vec(&*report) else {
        return;
    };
    let path = "/internal/v1/report";
    let sent = client
        .call(Method::PUT, path, Some(body), REPORT_TIMEOUT)
        .await;
    match sent {
        Ok(answer) if answer.status.is_success() => {}
        Ok(answer) => debug!(status = %answer.status, "report was not taken"),
        Err(error) => debug!(%error, "report was not delivered"),
    }
}
