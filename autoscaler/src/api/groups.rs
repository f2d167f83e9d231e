use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use tokio::time::timeout;

use super::{
    Api,
    body::JsonBody,
    fault::{Fault, excerpt},
    instances::ask,
    segment::Segment,
    wire::{AutoScalingGroups, Instances},
};
use crate::{
    command::{CapacityUpdate, Command},
    describe::{AutoScalingGroup, Decision, View},
};

pub(super) type Answer<T> = Result<Json<T>, Fault>;

/// A pass of the loop shows what was recorded well within it.
pub(super) const UPDATE_SHOWS_WITHIN: Duration = Duration::from_secs(3);

/// The whole view.
#[utoipa::path(
    get,
    path = "/v1/status",
    operation_id = "DescribeStatus",
    tag = "status",
    responses((status = 200, body = View))
)]
pub(super) async fn status(State(api): State<Arc<Api>>) -> Json<View> {
    let view = api.view.borrow().clone();
    Json(View::clone(&view))
}

/// Every Auto Scaling group.
#[utoipa::path(
    get,
    path = "/v1/groups",
    operation_id = "DescribeAutoScalingGroups",
    tag = "groups",
    responses((status = 200, body = AutoScalingGroups))
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<AutoScalingGroups> {
    let auto_scaling_groups = api.view.borrow().auto_scaling_groups.clone();
    Json(AutoScalingGroups {
        auto_scaling_groups,
    })
}

/// One Auto Scaling group.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}",
    operation_id = "DescribeAutoScalingGroup",
    tag = "groups",
    params(("name" = String, Path)),
    responses((status = 200, body = AutoScalingGroup))
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<AutoScalingGroup> {
    group(&api, &name, AutoScalingGroup::clone)
}

/// A group's instances.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/instances",
    operation_id = "DescribeAutoScalingInstances",
    tag = "groups",
    params(("name" = String, Path)),
    responses((status = 200, body = Instances))
)]
pub(super) async fn instances(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<Instances> {
    group(&api, &name, |group| Instances {
        instances: group.instances.clone(),
    })
}

/// The last decision of a group's policies, with its inputs.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/decision",
    operation_id = "DescribeDecision",
    tag = "groups",
    params(("name" = String, Path)),
    responses((status = 200, body = Decision))
)]
pub(super) async fn decision(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<Arc<Decision>> {
    let Json(decision) = group(&api, &name, |group| group.decision.clone())?;
    decision.map(Json).ok_or_else(|| {
        Fault::not_found(
            "NoDecisionYet",
            format!("no scaling policy of `{name}` has decided anything yet"),
        )
    })
}

/// Changes a group's capacity.
///
/// Answers once the loop has recorded the change and, within a bound, shows it.
#[utoipa::path(
    patch,
    path = "/v1/groups/{name}",
    operation_id = "UpdateAutoScalingGroup",
    tag = "groups",
    params(("name" = String, Path)),
    request_body = CapacityUpdate,
    responses((status = 200, body = AutoScalingGroup))
)]
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(update): JsonBody<CapacityUpdate>,
) -> Answer<AutoScalingGroup> {
    update_capacity(&api, &name, update).await?;
    group(&api, &name, AutoScalingGroup::clone)
}

/// Changes the capacity; resolves once the view shows it, or after a while.
pub(crate) async fn update_capacity(
    api: &Api,
    name: &str,
    update: CapacityUpdate,
) -> Result<(), Fault> {
    ask(api, |reply| Command::UpdateAutoScalingGroup {
        name: name.to_owned(),
        update,
        reply,
    })
    .await?;
    let mut view = api.view.clone();
    let shown = view.wait_for(|view| find(view, name).is_some_and(|group| shows(group, update)));
    // A policy may move the capacity on before anybody sees it: what stands then is shown.
    drop(timeout(UPDATE_SHOWS_WITHIN, shown).await);
    Ok(())
}

fn shows(group: &AutoScalingGroup, update: CapacityUpdate) -> bool {
    let within =
        group.min_size <= group.desired_capacity && group.desired_capacity <= group.max_size;
    update.min_size.is_none_or(|size| size == group.min_size)
        && update.max_size.is_none_or(|size| size == group.max_size)
        && update
            .desired_capacity
            .map_or(within, |capacity| capacity == group.desired_capacity)
}

pub(super) fn find<'a>(view: &'a View, name: &str) -> Option<&'a AutoScalingGroup> {
    let mut groups = view.auto_scaling_groups.iter();
    groups
        .find(|group| group.auto_scaling_group_name == name)
        .map(Arc::as_ref)
}

pub(super) fn group<T>(
    api: &Api,
    name: &str,
    answer: impl FnOnce(&AutoScalingGroup) -> T,
) -> Answer<T> {
    let view = api.view.borrow().clone();
    match find(&view, name) {
        Some(group) => Ok(Json(answer(group))),
        None => Err(unknown_group(&view, name)),
    }
}

pub(super) fn unknown_group(view: &View, name: &str) -> Fault {
    let known: Vec<_> = view
        .auto_scaling_groups
        .iter()
        .map(|group| group.auto_scaling_group_name.as_str())
        .collect();
    Fault::not_found(
        "AutoScalingGroupNotFound",
        format!(
            "there is no Auto Scaling group `{}`; the groups are: {}",
            excerpt(name),
            known.join(", ")
        ),
    )
}
