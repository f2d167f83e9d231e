use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Api, fault::Fault};

/// The process is alive; says nothing about what it can do.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The provider has been observed: what the API shows is true.
pub(super) async fn readyz(State(api): State<Arc<Api>>) -> Result<Json<Value>, Fault> {
    match api.view.borrow().ready {
        true => Ok(Json(json!({ "status": "ready" }))),
        false => Err(Fault::not_ready()),
    }
}

pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let text = (api.metrics)();
    let prometheus = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (prometheus, text).into_response()
}
