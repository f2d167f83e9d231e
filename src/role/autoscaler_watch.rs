//! The balancer's side of the wire to an autoscaler: snapshots come by long poll, reports go
//! the other way. While the autoscaler is away the last snapshot stands.

use std::{sync::Arc, time::Duration};

use hyper::{Method, StatusCode};
use minicloud_lb_api::{Report, Snapshot};
use rand::{Rng, RngExt};
use tokio::{sync::watch, time::sleep};
use tracing::{debug, info, warn};

use super::snapshot_file::SnapshotFile;
use crate::http_client::{Body, HttpClient};

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
    let body = Body::json(&*report);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use minicloud_lb_api::Listener;
    use rand::{SeedableRng, rngs::SmallRng};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
        task::JoinHandle,
        time::timeout,
    };

    use super::*;
    use crate::endpoint::Endpoint;

    fn snapshot(version: u64, port: u16) -> Snapshot {
        let listener = Listener {
            load_balancer: "lb".to_owned(),
            port,
            rules: Vec::new(),
            default_action: minicloud_lb_api::Action::forward("web"),
            attributes: Default::default(),
        };
        Snapshot {
            version,
            listeners: vec![listener],
            target_groups: Vec::new(),
        }
    }

    /// Answers every poll that asks without `after` with `body`, and holds all others.
    fn autoscaler(path: &Path, body: String) -> JoinHandle<()> {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                if head[..read].starts_with(b"GET /internal/v1/snapshot HTTP") {
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                } else {
                    held.push(stream);
                }
            }
        })
    }

    #[tokio::test]
    async fn last_snapshot_stands_until_another_comes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("autoscaler.sock");
        let file = SnapshotFile::in_folder(dir.path()).unwrap();
        let (publish, mut news) = watch::channel(None);
        let client = HttpClient::new(Endpoint::Unix(path.clone()));
        let rng = SmallRng::seed_from_u64(7);
        let watching = tokio::spawn(snapshots(client, publish, Some(file.clone()), rng));
        let mut expect = async |port: u16| {
            let has = |seen: &Option<Arc<Snapshot>>| {
                seen.as_ref()
                    .is_some_and(|seen| seen.listeners[0].port == port)
            };
            let news = timeout(Duration::from_secs(10), news.wait_for(has)).await;
            news.expect("the snapshot comes").unwrap();
        };

        let first = autoscaler(&path, serde_json::to_string(&snapshot(7, 1)).unwrap());
        expect(1).await;
        first.abort();
        let garbled = autoscaler(&path, "{\"version\":8".to_owned());
        sleep(Duration::from_millis(300)).await;
        expect(1).await;
        garbled.abort();
        // Restarted, and numbers anew: the same version says something else.
        let second = autoscaler(&path, serde_json::to_string(&snapshot(7, 2)).unwrap());
        expect(2).await;
        second.abort();
        let stored = async {
            while file.load().unwrap() != Some(snapshot(7, 2)) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let stored = timeout(Duration::from_secs(10), stored).await;
        stored.expect("the snapshot is stored");
        watching.abort();
    }
}
