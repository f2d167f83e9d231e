//! What the balancer serves by, and what it says of requests that failed.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    Api,
    fault::Fault,
    wire::{Listeners, RequestFailures},
};

/// Every listener, with its rules.
#[utoipa::path(
    get,
    path = "/v1/listeners",
    operation_id = "DescribeListeners",
    tag = "load balancing",
    responses((status = 200, body = Listeners))
)]
pub(super) async fn listeners(State(api): State<Arc<Api>>) -> Result<Json<Listeners>, Fault> {
    let snapshot = api.load_balancer.snapshots.borrow().clone();
    let snapshot = snapshot.ok_or_else(Fault::no_snapshot)?;
    Ok(Json(Listeners {
        listeners: snapshot.listeners.clone(),
    }))
}

/// The requests that failed last, newest first; none where no balancer has reported yet.
#[utoipa::path(
    get,
    path = "/v1/request-failures",
    operation_id = "DescribeRequestFailures",
    tag = "load balancing",
    responses((status = 200, body = RequestFailures))
)]
pub(super) async fn request_failures(State(api): State<Arc<Api>>) -> Json<RequestFailures> {
    let received = api.load_balancer.reports.borrow().clone();
    let failures = received.map(|received| received.report.request_failures.clone());
    Json(RequestFailures {
        request_failures: failures.unwrap_or_default(),
    })
}
