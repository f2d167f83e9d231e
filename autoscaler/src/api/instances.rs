use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Api,
    body::JsonBody,
    fault::Fault,
    groups::{Answer, find, group},
    segment::Segment,
    wire::{Instances, ResolveForeignChanges, TerminateInstance},
};
use crate::{
    command::{Command, CommandError, InstanceProtection},
    describe::{Activity, AutoScalingGroup, Condition, ConditionKind},
    instance::InstanceId,
};

/// A pass of the loop shows what was recorded well within it.
pub(super) const SHOWS_WITHIN: Duration = Duration::from_secs(3);

/// `SetInstanceProtection`: answers with the group's instances once they show it.
#[utoipa::path(
    put,
    path = "/v1/groups/{name}/instances/protection",
    operation_id = "SetInstanceProtection",
    tag = "groups",
    params(("name" = String, Path)),
    request_body = InstanceProtection,
    responses((status = 200, body = Instances))
)]
pub(super) async fn protect(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(protection): JsonBody<InstanceProtection>,
) -> Answer<Instances> {
    set_protection(&api, &name, protection).await?;
    group(&api, &name, |group| Instances {
        instances: group.instances.clone(),
    })
}

/// `TerminateInstanceInAutoScalingGroup`: answers with the activity that it begins.
#[utoipa::path(
    post,
    path = "/v1/instances/{id}/terminate",
    operation_id = "TerminateInstanceInAutoScalingGroup",
    tag = "instances",
    params(("id" = String, Path)),
    request_body = TerminateInstance,
    responses((status = 200, body = Activity))
)]
pub(super) async fn terminate(
    State(api): State<Arc<Api>>,
    Segment(id): Segment,
    JsonBody(request): JsonBody<TerminateInstance>,
) -> Answer<Activity> {
    let instance_id: InstanceId = id.parse()?;
    let activity = ask(&api, |reply| Command::TerminateInstanceInAutoScalingGroup {
        instance_id,
        should_decrement_desired_capacity: request.should_decrement_desired_capacity,
        reply,
    })
    .await?;
    Ok(Json(activity))
}

/// Says what becomes of what somebody else did to the group.
#[utoipa::path(
    post,
    path = "/v1/groups/{name}/foreign-changes",
    operation_id = "ResolveForeignChanges",
    tag = "groups",
    params(("name" = String, Path)),
    request_body = ResolveForeignChanges,
    responses((status = 200, body = AutoScalingGroup))
)]
pub(super) async fn resolve(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(request): JsonBody<ResolveForeignChanges>,
) -> Answer<AutoScalingGroup> {
    ask(&api, |reply| Command::ResolveForeignChanges {
        name: name.clone(),
        resolution: request.resolution,
        reply,
    })
    .await?;
    let mut view = api.view.clone();
    let is_foreign = |condition: &Condition| condition.kind == ConditionKind::ForeignChange;
    let shown = view.wait_for(|view| {
        find(view, &name).is_some_and(|group| !group.conditions.iter().any(is_foreign))
    });
    drop(timeout(SHOWS_WITHIN, shown).await);
    group(&api, &name, AutoScalingGroup::clone)
}

/// Sets the protection; resolves once the view shows it, or after a while.
pub(crate) async fn set_protection(
    api: &Api,
    name: &str,
    protection: InstanceProtection,
) -> Result<(), Fault> {
    ask(api, |reply| Command::SetInstanceProtection {
        name: name.to_owned(),
        protection: protection.clone(),
        reply,
    })
    .await?;
    let mut view = api.view.clone();
    let shown =
        view.wait_for(|view| find(view, name).is_some_and(|group| shows(group, &protection)));
    drop(timeout(SHOWS_WITHIN, shown).await);
    Ok(())
}

/// Hands the loop a command and waits until it has recorded it.
pub(crate) async fn ask<T>(
    api: &Api,
    command: impl FnOnce(oneshot::Sender<Result<T, CommandError>>) -> Command,
) -> Result<T, Fault> {
    let (reply, answer) = oneshot::channel();
    let sent = api.commands.send(command(reply)).await;
    sent.map_err(|_| Fault::loop_gone())?;
    Ok(answer.await.map_err(|_| Fault::loop_gone())??)
}

fn shows(group: &AutoScalingGroup, protection: &InstanceProtection) -> bool {
    let named = |id: &InstanceId| protection.instance_ids.contains(id);
    let mut named = group
        .instances
        .iter()
        .filter(|instance| named(&instance.instance_id));
    named.all(|instance| instance.protected_from_scale_in == protection.protected_from_scale_in)
}
