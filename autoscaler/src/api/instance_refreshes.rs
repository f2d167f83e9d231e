use std::sync::Arc;

use axum::{Json, extract::State};
use tokio::time::timeout;

use super::{
    Api,
    body::JsonBody,
    groups::{Answer, UPDATE_SHOWS_WITHIN, find, group},
    instances::ask,
    segment::Segment,
    wire::{CancelInstanceRefresh, InstanceRefreshes, StartInstanceRefresh},
};
use crate::{
    command::Command,
    describe::AutoScalingGroup,
    instance_refresh::{InstanceRefresh, InstanceRefreshStatus},
};

/// A group's last ten instance refreshes, newest first.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/instance-refreshes",
    operation_id = "DescribeInstanceRefreshes",
    tag = "instance refreshes",
    params(("name" = String, Path)),
    responses((status = 200, body = InstanceRefreshes))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<InstanceRefreshes> {
    group(&api, &name, |group| InstanceRefreshes {
        instance_refreshes: group.instance_refreshes.to_vec(),
    })
}

/// Replaces a group's instances, the new ones first.
///
/// Answers once the refresh is recorded and, within a bound, shown.
#[utoipa::path(
    post,
    path = "/v1/groups/{name}/instance-refreshes",
    operation_id = "StartInstanceRefresh",
    tag = "instance refreshes",
    params(("name" = String, Path)),
    request_body = StartInstanceRefresh,
    responses((status = 200, body = InstanceRefresh))
)]
pub(super) async fn start(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(request): JsonBody<StartInstanceRefresh>,
) -> Answer<InstanceRefresh> {
    let refresh = ask(&api, |reply| Command::StartInstanceRefresh {
        name: name.clone(),
        preferences: request.preferences,
        reply,
    })
    .await?;
    Ok(Json(shown(&api, &name, refresh).await))
}

/// Cancels the instance refresh under way: what was begun is finished, and no more is begun.
#[utoipa::path(
    post,
    path = "/v1/groups/{name}/instance-refreshes/cancel",
    operation_id = "CancelInstanceRefresh",
    tag = "instance refreshes",
    params(("name" = String, Path)),
    request_body = CancelInstanceRefresh,
    responses((status = 200, body = InstanceRefresh))
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(CancelInstanceRefresh {}): JsonBody<CancelInstanceRefresh>,
) -> Answer<InstanceRefresh> {
    let refresh = ask(&api, |reply| Command::CancelInstanceRefresh {
        name: name.clone(),
        reply,
    })
    .await?;
    Ok(Json(shown(&api, &name, refresh).await))
}

/// The refresh as the view has it, from `recorded` on: a pass may have taken it further.
async fn shown(api: &Api, name: &str, recorded: InstanceRefresh) -> InstanceRefresh {
    let of = |group: &AutoScalingGroup| {
        let mut refreshes = group.instance_refreshes.iter();
        let id = &recorded.instance_refresh_id;
        refreshes.find(|it| it.instance_refresh_id == *id).cloned()
    };
    let mut view = api.view.clone();
    let mut found = None;
    let shows = view.wait_for(|view| {
        found = find(view, name).and_then(of);
        let before = [
            InstanceRefreshStatus::Pending,
            InstanceRefreshStatus::InProgress,
        ];
        let is_before = |status| before.contains(&status) && !before.contains(&recorded.status);
        found.as_ref().is_some_and(|it| !is_before(it.status))
    });
    // It is recorded all the same.
    drop(timeout(UPDATE_SHOWS_WITHIN, shows).await);
    found.unwrap_or(recorded)
}
