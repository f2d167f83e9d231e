use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::{Api, fault::Fault, wire::ProbeStatus};

/// The process is alive; says nothing about what it can do.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "Healthz",
    tag = "status",
    responses((status = 200, body = ProbeStatus))
)]
pub(super) async fn healthz() -> Json<ProbeStatus> {
    Json(ProbeStatus {
        status: "ok".to_owned(),
    })
}

/// The provider has been observed: what the API shows is true.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "Readyz",
    tag = "status",
    responses((status = 200, body = ProbeStatus))
)]
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Result<Json<ProbeStatus>, Fault> {
    match api.view.borrow().ready {
        true => Ok(Json(ProbeStatus {
            status: "ready".to_owned(),
        })),
        false => Err(Fault::not_ready()),
    }
}

/// Metrics in Prometheus text.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "Metrics",
    tag = "status",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let text = (api.metrics)();
    let prometheus = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (prometheus, text).into_response()
}
