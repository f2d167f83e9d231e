use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    Api,
    groups::{Answer, find, unknown_group},
    segment::Segment,
};
use crate::explain::{Explanation, explain as of};

/// Why a group did or did not act.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/explain",
    operation_id = "ExplainAutoScalingGroup",
    tag = "groups",
    params(("name" = String, Path)),
    responses((status = 200, body = Explanation))
)]
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<Explanation> {
    let view = api.view.borrow().clone();
    match find(&view, &name) {
        Some(group) => Ok(Json(of(&view, group))),
        None => Err(unknown_group(&view, &name)),
    }
}
