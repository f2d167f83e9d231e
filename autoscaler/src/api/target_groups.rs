use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    Api,
    fault::{Fault, excerpt},
    segment::Segment,
    wire::{TargetGroups, TargetHealthDescriptions},
};
use crate::describe::View;

/// Every target group.
#[utoipa::path(
    get,
    path = "/v1/target-groups",
    operation_id = "DescribeTargetGroups",
    tag = "load balancing",
    responses((status = 200, body = TargetGroups))
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<TargetGroups> {
    let target_groups = api.view.borrow().target_groups.clone();
    Json(TargetGroups { target_groups })
}

/// A target group's targets and their health.
#[utoipa::path(
    get,
    path = "/v1/target-groups/{name}/targets",
    operation_id = "DescribeTargetHealth",
    tag = "load balancing",
    params(("name" = String, Path)),
    responses((status = 200, body = TargetHealthDescriptions))
)]
pub(super) async fn targets(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Result<Json<TargetHealthDescriptions>, Fault> {
    let view = api.view.borrow().clone();
    view.target_groups
        .iter()
        .find(|group| group.target_group_name == name)
        .map(|group| {
            Json(TargetHealthDescriptions {
                target_health_descriptions: group.target_health_descriptions.clone(),
            })
        })
        .ok_or_else(|| unknown_target_group(&view, &name))
}

fn unknown_target_group(view: &View, name: &str) -> Fault {
    let known: Vec<_> = view
        .target_groups
        .iter()
        .map(|group| group.target_group_name.as_str())
        .collect();
    Fault::not_found(
        "TargetGroupNotFound",
        format!(
            "there is no target group `{}`; the target groups are: {}",
            excerpt(name),
            known.join(", ")
        ),
    )
}
