use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    Api, body::JsonBody, groups::Answer, instances::ask, segment::Segment, wire::Activities,
};
use crate::{
    command::{Command, EnterStandby, ExitStandby},
    describe::Activity,
};

/// `EnterStandby`: answers with the activities that it begins, one for each instance.
#[utoipa::path(
    post,
    path = "/v1/groups/{name}/instances/enter-standby",
    operation_id = "EnterStandby",
    tag = "groups",
    params(("name" = String, Path)),
    request_body = EnterStandby,
    responses((status = 200, body = Activities))
)]
pub(super) async fn enter(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(request): JsonBody<EnterStandby>,
) -> Answer<Activities> {
    let activities = ask(&api, |reply| Command::EnterStandby {
        name,
        request,
        reply,
    });
    Ok(begun(activities.await?))
}

/// `ExitStandby`: answers with the activities that it begins, one for each instance.
#[utoipa::path(
    post,
    path = "/v1/groups/{name}/instances/exit-standby",
    operation_id = "ExitStandby",
    tag = "groups",
    params(("name" = String, Path)),
    request_body = ExitStandby,
    responses((status = 200, body = Activities))
)]
pub(super) async fn exit(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(request): JsonBody<ExitStandby>,
) -> Answer<Activities> {
    let activities = ask(&api, |reply| Command::ExitStandby {
        name,
        request,
        reply,
    });
    Ok(begun(activities.await?))
}

fn begun(activities: Vec<Activity>) -> Json<Activities> {
    Json(Activities {
        activities,
        next_token: None,
    })
}
