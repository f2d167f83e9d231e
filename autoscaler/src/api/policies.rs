//! Scaling policies and their alarms.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Api,
    body::JsonBody,
    fault::{Fault, excerpt},
    groups::{Answer, find, group},
    segment::{Segment, Segments},
    wire::{AlarmHistoryItems, Alarms, ScalingPolicies},
};
use crate::{
    alarms::Alarm,
    command::{Command, PolicyCommand, PolicyRequest},
    describe::{AutoScalingGroup, View},
    policy::Execution,
    scaling_policy::{RawPolicy, ScalingPolicy, check_policy_name},
};

/// A pass of the loop shows what was recorded well within it.
const SHOWS_WITHIN: Duration = Duration::from_secs(3);

/// A group's scaling policies.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/policies",
    operation_id = "DescribePolicies",
    tag = "scaling policies",
    params(("name" = String, Path)),
    responses((status = 200, body = ScalingPolicies))
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<ScalingPolicies> {
    group(&api, &name, policies)
}

/// Makes a scaling policy, or replaces the one of that name.
#[utoipa::path(
    put,
    path = "/v1/groups/{name}/policies/{policy}",
    operation_id = "PutScalingPolicy",
    tag = "scaling policies",
    params(("name" = String, Path), ("policy" = String, Path)),
    request_body = RawPolicy,
    responses((status = 200, body = ScalingPolicy))
)]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Segments((name, policy_name)): Segments<(String, String)>,
    JsonBody(raw): JsonBody<RawPolicy>,
) -> Answer<ScalingPolicy> {
    let refuse = |fault: &dyn ToString| Fault::validation(fault.to_string());
    check_policy_name(&policy_name).map_err(|fault| refuse(&fault))?;
    if !raw.name.is_empty() && raw.name != policy_name {
        return Err(Fault::validation(format!(
            "name: the body says `{}`, the path `{}`; leave it out",
            excerpt(&raw.name),
            excerpt(&policy_name)
        )));
    }
    let raw = RawPolicy {
        name: policy_name.clone(),
        ..raw
    };
    let policy = ScalingPolicy::try_from(raw).map_err(|fault| refuse(&fault))?;
    ask(
        &api,
        &name,
        &policy_name,
        PolicyRequest::Put(Box::new(policy.clone())),
    )
    .await?;
    let is_shown = |group: &AutoScalingGroup| group.scaling_policies.contains(&policy);
    shown(&api, &name, is_shown).await;
    Ok(Json(policy))
}

/// Deletes a scaling policy; answers with those that are left.
#[utoipa::path(
    delete,
    path = "/v1/groups/{name}/policies/{policy}",
    operation_id = "DeletePolicy",
    tag = "scaling policies",
    params(("name" = String, Path), ("policy" = String, Path)),
    responses((status = 200, body = ScalingPolicies))
)]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Segments((name, policy_name)): Segments<(String, String)>,
) -> Answer<ScalingPolicies> {
    ask(&api, &name, &policy_name, PolicyRequest::Delete).await?;
    let is_gone = |group: &AutoScalingGroup| {
        let mut policies = group.scaling_policies.iter();
        policies.all(|policy| policy.name != policy_name)
    };
    shown(&api, &name, is_gone).await;
    group(&api, &name, policies)
}

/// Does what a policy does where its alarm is raised.
///
/// Answers once the loop has set the capacity; instances come and go after.
#[utoipa::path(
    post,
    path = "/v1/groups/{name}/policies/{policy}/execute",
    operation_id = "ExecutePolicy",
    tag = "scaling policies",
    params(("name" = String, Path), ("policy" = String, Path)),
    request_body = Execution,
    responses((status = 200, body = AutoScalingGroup))
)]
pub(super) async fn execute(
    State(api): State<Arc<Api>>,
    Segments((name, policy_name)): Segments<(String, String)>,
    JsonBody(execution): JsonBody<Execution>,
) -> Answer<AutoScalingGroup> {
    let mut view = api.view.clone();
    view.mark_unchanged();
    let request = PolicyRequest::Execute(execution);
    ask(&api, &name, &policy_name, request).await?;
    drop(timeout(SHOWS_WITHIN, view.changed()).await);
    group(&api, &name, AutoScalingGroup::clone)
}

/// The alarms of all policies.
#[utoipa::path(
    get,
    path = "/v1/alarms",
    operation_id = "DescribeAlarms",
    tag = "scaling policies",
    responses((status = 200, body = Alarms))
)]
pub(super) async fn alarms(State(api): State<Arc<Api>>) -> Json<Alarms> {
    let view = api.view.borrow().clone();
    let groups = view.auto_scaling_groups.iter();
    Json(Alarms {
        metric_alarms: groups.flat_map(|group| group.alarms.clone()).collect(),
    })
}

/// An alarm's history, newest first.
#[utoipa::path(
    get,
    path = "/v1/alarms/{name}/history",
    operation_id = "DescribeAlarmHistory",
    tag = "scaling policies",
    params(("name" = String, Path)),
    responses((status = 200, body = AlarmHistoryItems))
)]
pub(super) async fn history(
    State(api): State<Arc<Api>>,
    Segment(alarm_name): Segment,
) -> Answer<AlarmHistoryItems> {
    let view = api.view.borrow().clone();
    let is_wanted = |alarm: &Alarm| alarm.alarm_name == alarm_name;
    let mut groups = view.auto_scaling_groups.iter();
    let Some(group) = groups.find(|group| group.alarms.iter().any(is_wanted)) else {
        return Err(Fault::not_found(
            "ResourceNotFound",
            format!(
                "there is no alarm `{}`; GET /v1/alarms lists them",
                excerpt(&alarm_name)
            ),
        ));
    };
    let items = group.alarm_history.get(&alarm_name).into_iter().flatten();
    Ok(Json(AlarmHistoryItems {
        alarm_history_items: items.cloned().collect(),
    }))
}

fn policies(group: &AutoScalingGroup) -> ScalingPolicies {
    ScalingPolicies {
        scaling_policies: group.scaling_policies.clone(),
    }
}

async fn ask(
    api: &Api,
    group: &str,
    policy_name: &str,
    request: PolicyRequest,
) -> Result<(), Fault> {
    let (reply, answer) = oneshot::channel();
    let command = Command::Policy(PolicyCommand {
        auto_scaling_group: group.to_owned(),
        policy_name: policy_name.to_owned(),
        request,
        reply,
    });
    let sent = api.commands.send(command).await;
    sent.map_err(|_| Fault::loop_gone())?;
    Ok(answer.await.map_err(|_| Fault::loop_gone())??)
}

/// Waits, within a bound, until the view has what was recorded.
async fn shown(api: &Api, name: &str, is_shown: impl Fn(&AutoScalingGroup) -> bool) {
    let mut view = api.view.clone();
    let shown = view.wait_for(|view: &Arc<View>| find(view, name).is_some_and(&is_shown));
    drop(timeout(SHOWS_WITHIN, shown).await);
}
