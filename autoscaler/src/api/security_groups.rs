use std::sync::Arc;

use axum::{Json, extract::State};

use super::{Api, wire::SecurityGroups};

/// Every security group.
#[utoipa::path(
    get,
    path = "/v1/security-groups",
    operation_id = "DescribeSecurityGroups",
    tag = "load balancing",
    responses((status = 200, body = SecurityGroups))
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<SecurityGroups> {
    let view = api.view.borrow().clone();
    Json(SecurityGroups {
        security_groups: view.security_groups.to_vec(),
    })
}
