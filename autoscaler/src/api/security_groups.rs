use std::sync::Arc;

use axum::{Json, extract::State};

use super::{Api, wire::SecurityGroups};

pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<SecurityGroups> {
    let view = api.view.borrow().clone();
    Json(SecurityGroups {
        security_groups: view.security_groups.to_vec(),
    })
}
