use std::sync::Arc;

use axum::extract::State;
use tokio::time::timeout;

use super::{
    Api,
    body::JsonBody,
    groups::{Answer, find, group},
    instances::{SHOWS_WITHIN, ask},
    segment::Segment,
};
use crate::{
    command::Command,
    describe::AutoScalingGroup,
    scaling_process::{ScalingProcess, ScalingProcessQuery},
};

/// `SuspendProcesses`: of the processes named, or of all, nothing more is begun.
#[utoipa::path(
    post,
    path = "/v1/groups/{name}/processes/suspend",
    operation_id = "SuspendProcesses",
    tag = "groups",
    params(("name" = String, Path)),
    request_body = ScalingProcessQuery,
    responses((status = 200, body = AutoScalingGroup))
)]
pub(super) async fn suspend(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(query): JsonBody<ScalingProcessQuery>,
) -> Answer<AutoScalingGroup> {
    ask(&api, |reply| Command::SuspendProcesses {
        name: name.clone(),
        query: query.clone(),
        reply,
    })
    .await?;
    shown(&api, &name, |group| {
        let mut named = query.named().iter();
        named.all(|process| is_suspended(group, *process))
    })
    .await
}

/// `ResumeProcesses`: the processes named, or all, go on.
#[utoipa::path(
    post,
    path = "/v1/groups/{name}/processes/resume",
    operation_id = "ResumeProcesses",
    tag = "groups",
    params(("name" = String, Path)),
    request_body = ScalingProcessQuery,
    responses((status = 200, body = AutoScalingGroup))
)]
pub(super) async fn resume(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(query): JsonBody<ScalingProcessQuery>,
) -> Answer<AutoScalingGroup> {
    ask(&api, |reply| Command::ResumeProcesses {
        name: name.clone(),
        query: query.clone(),
        reply,
    })
    .await?;
    shown(&api, &name, |group| {
        let mut named = query.named().iter();
        !named.any(|process| is_suspended(group, *process))
    })
    .await
}

/// The group, once it is as asked.
async fn shown(
    api: &Api,
    name: &str,
    is_shown: impl Fn(&AutoScalingGroup) -> bool,
) -> Answer<AutoScalingGroup> {
    let mut view = api.view.clone();
    let shown = view.wait_for(|view| find(view, name).is_some_and(&is_shown));
    drop(timeout(SHOWS_WITHIN, shown).await);
    group(api, name, AutoScalingGroup::clone)
}

fn is_suspended(group: &AutoScalingGroup, process: ScalingProcess) -> bool {
    let mut suspended = group.suspended_processes.iter();
    suspended.any(|one| one.process_name == process)
}
