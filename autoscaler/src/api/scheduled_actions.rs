use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use tokio::time::timeout;

use super::{
    Api,
    body::JsonBody,
    fault::{Fault, excerpt},
    groups::{Answer, UPDATE_SHOWS_WITHIN, find, group},
    instances::ask,
    segment::{Segment, Segments},
    wire::ScheduledActions,
};
use crate::{
    command::Command,
    describe::{ScheduledUpdateGroupAction, View},
    schedule::ScheduledActionSpec,
};

/// A group's scheduled actions.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/scheduled-actions",
    operation_id = "DescribeScheduledActions",
    tag = "scheduled actions",
    params(("name" = String, Path)),
    responses((status = 200, body = ScheduledActions))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<ScheduledActions> {
    group(&api, &name, |group| ScheduledActions {
        scheduled_update_group_actions: group.scheduled_actions.clone(),
    })
}

/// One scheduled action.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/scheduled-actions/{action}",
    operation_id = "DescribeScheduledAction",
    tag = "scheduled actions",
    params(("name" = String, Path), ("action" = String, Path)),
    responses((status = 200, body = ScheduledUpdateGroupAction))
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Segments((name, action)): Segments<(String, String)>,
) -> Answer<ScheduledUpdateGroupAction> {
    let Json(found) = group(&api, &name, |group| {
        let mut actions = group.scheduled_actions.iter();
        let found = actions.find(|other| other.scheduled_action_name == action);
        found.cloned()
    })?;
    found.map(Json).ok_or_else(|| {
        let (name, action) = (excerpt(&name), excerpt(&action));
        Fault::not_found(
            "ScheduledActionNotFound",
            format!("the group `{name}` has no scheduled action `{action}`"),
        )
    })
}

/// Makes a scheduled action, or replaces the one of that name.
///
/// Answers once the loop has recorded the change and, within a bound, shows it.
#[utoipa::path(
    put,
    path = "/v1/groups/{name}/scheduled-actions/{action}",
    operation_id = "PutScheduledUpdateGroupAction",
    tag = "scheduled actions",
    params(("name" = String, Path), ("action" = String, Path)),
    request_body = ScheduledActionSpec,
    responses((status = 200, body = ScheduledUpdateGroupAction))
)]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Segments((group, name)): Segments<(String, String)>,
    JsonBody(action): JsonBody<ScheduledActionSpec>,
) -> Answer<ScheduledUpdateGroupAction> {
    ask(&api, |reply| Command::PutScheduledUpdateGroupAction {
        auto_scaling_group: group.clone(),
        name: name.clone(),
        action: action.clone(),
        reply,
    })
    .await?;
    let says = |shown: &ScheduledUpdateGroupAction| is(shown, &action);
    shown(&api, |view| of(view, &group, &name).is_some_and(says)).await;
    show(State(api), Segments((group, name))).await
}

/// Deletes a scheduled action.
#[utoipa::path(
    delete,
    path = "/v1/groups/{name}/scheduled-actions/{action}",
    operation_id = "DeleteScheduledAction",
    tag = "scheduled actions",
    params(("name" = String, Path), ("action" = String, Path)),
    responses((status = 204))
)]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Segments((group, name)): Segments<(String, String)>,
) -> Result<StatusCode, Fault> {
    ask(&api, |reply| Command::DeleteScheduledAction {
        auto_scaling_group: group.clone(),
        name: name.clone(),
        reply,
    })
    .await?;
    shown(&api, |view| of(view, &group, &name).is_none()).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn shown(api: &Api, mut holds: impl FnMut(&View) -> bool) {
    let mut view = api.view.clone();
    let shown = view.wait_for(|view| holds(view));
    // It is recorded all the same.
    drop(timeout(UPDATE_SHOWS_WITHIN, shown).await);
}

fn of<'a>(view: &'a View, group: &str, name: &str) -> Option<&'a ScheduledUpdateGroupAction> {
    let mut actions = find(view, group)?.scheduled_actions.iter();
    actions.find(|action| action.scheduled_action_name == name)
}

fn is(shown: &ScheduledUpdateGroupAction, spec: &ScheduledActionSpec) -> bool {
    let shown = ScheduledActionSpec {
        recurrence: shown.recurrence.clone(),
        time_zone: shown.time_zone.clone(),
        start_time: shown.start_time,
        end_time: shown.end_time,
        min_size: shown.min_size,
        max_size: shown.max_size,
        desired_capacity: shown.desired_capacity,
    };
    shown == *spec
}
