use std::sync::Arc;

use axum::extract::State;
use tokio::time::timeout;

use super::{
    Api,
    body::JsonBody,
    fault::Fault,
    groups::{Answer, find, group},
    instances::{SHOWS_WITHIN, ask},
    segment::Segment,
};
use crate::{command::Command, describe::AutoScalingGroup, scaling_process::ScalingProcessQuery};

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
    suspend_processes(&api, &name, query).await?;
    group(&api, &name, AutoScalingGroup::clone)
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
    resume_processes(&api, &name, query).await?;
    group(&api, &name, AutoScalingGroup::clone)
}

/// Suspends; resolves once the view shows it, or after a while.
pub(crate) async fn suspend_processes(
    api: &Api,
    name: &str,
    query: ScalingProcessQuery,
) -> Result<(), Fault> {
    let named = query.clone();
    let command = |reply| Command::SuspendProcesses {
        name: name.to_owned(),
        query,
        reply,
    };
    ask(api, command).await?;
    until_shown(api, name, &named, true).await;
    Ok(())
}

/// Resumes; resolves once the view shows it, or after a while.
pub(crate) async fn resume_processes(
    api: &Api,
    name: &str,
    query: ScalingProcessQuery,
) -> Result<(), Fault> {
    let named = query.clone();
    let command = |reply| Command::ResumeProcesses {
        name: name.to_owned(),
        query,
        reply,
    };
    ask(api, command).await?;
    until_shown(api, name, &named, false).await;
    Ok(())
}

/// Waits for a view in which the processes named are suspended, or are not.
async fn until_shown(api: &Api, name: &str, query: &ScalingProcessQuery, suspended: bool) {
    let is_shown = |group: &AutoScalingGroup| {
        let mut named = query.named().iter();
        named.all(|process| group.suspends(*process) == suspended)
    };
    let mut view = api.view.clone();
    let shown = view.wait_for(|view| find(view, name).is_some_and(is_shown));
    drop(timeout(SHOWS_WITHIN, shown).await);
}
