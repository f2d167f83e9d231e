//! What only the balancer asks.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use minicloud_lb_api::{Report, Snapshot};
use serde::Deserialize;

use super::{Api, body::JsonBody, fault::Fault, segment::Parameters};

/// Below the half minute after which proxies and clients give up.
const LONG_POLL: Duration = Duration::from_secs(25);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotParameters {
    /// The version that the balancer has.
    after: Option<u64>,
}

/// The snapshot, as soon as it is another than `after`; 204 where it stays the same.
pub(super) async fn snapshot(
    State(api): State<Arc<Api>>,
    Parameters(SnapshotParameters { after }): Parameters<SnapshotParameters>,
) -> Result<Response, Fault> {
    let mut snapshots = api.load_balancer.snapshots.clone();
    if snapshots.borrow().is_none() {
        return Err(Fault::no_snapshot());
    }
    let is_news = |snapshot: &Option<Arc<Snapshot>>| {
        snapshot
            .as_ref()
            .is_some_and(|snapshot| after != Some(snapshot.version))
    };
    tokio::select! {
        news = snapshots.wait_for(is_news) => {
            let snapshot = news.map_err(|_| Fault::loop_gone())?.clone();
            Ok(Json(snapshot.as_deref()).into_response())
        }
        () = tokio::time::sleep(LONG_POLL) => Ok(StatusCode::NO_CONTENT.into_response()),
        () = api.shutdown.cancelled() => Err(Fault::loop_gone()),
    }
}

pub(super) async fn report(
    State(api): State<Arc<Api>>,
    JsonBody(report): JsonBody<Report>,
) -> StatusCode {
    api.load_balancer.receive(report);
    StatusCode::NO_CONTENT
}
