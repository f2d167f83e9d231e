use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api,
    fault::Fault,
    groups::{Answer, find, unknown_group},
    segment::{Parameters, Segment},
    wire::Activities,
};

/// `MaxRecords` of AWS's `DescribeScalingActivities`, default and maximum at once.
const MAX_RECORDS: usize = 100;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivityParameters {
    /// 1 to 100, which is the default.
    max_records: Option<usize>,
    /// Of the page before.
    next_token: Option<String>,
    /// Of groups that are no longer there too.
    #[serde(default)]
    include_deleted_groups: bool,
}

/// A group's activities, newest first.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/activities",
    operation_id = "DescribeScalingActivities",
    tag = "groups",
    params(("name" = String, Path), ActivityParameters),
    responses((status = 200, body = Activities))
)]
pub(super) async fn of_group(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    Parameters(parameters): Parameters<ActivityParameters>,
) -> Answer<Activities> {
    let view = api.view.borrow().clone();
    let known = find(&view, &name).is_some();
    if !known && !parameters.include_deleted_groups {
        return Err(unknown_group(&view, &name));
    }
    let first_page = parameters.next_token.is_none();
    let page = page(&api, Some(vec![name.clone()]), parameters).await?;
    // A group that is gone is known by what it did.
    match known || !first_page || !page.activities.is_empty() {
        true => Ok(Json(page)),
        false => Err(unknown_group(&view, &name)),
    }
}

/// Activities of all groups, newest first.
#[utoipa::path(
    get,
    path = "/v1/activities",
    operation_id = "DescribeAllScalingActivities",
    tag = "groups",
    params(ActivityParameters),
    responses((status = 200, body = Activities))
)]
pub(super) async fn of_all(
    State(api): State<Arc<Api>>,
    Parameters(parameters): Parameters<ActivityParameters>,
) -> Answer<Activities> {
    let groups = (!parameters.include_deleted_groups).then(|| {
        let view = api.view.borrow();
        let groups = view.auto_scaling_groups.iter();
        groups
            .map(|group| group.auto_scaling_group_name.clone())
            .collect()
    });
    page(&api, groups, parameters).await.map(Json)
}

async fn page(
    api: &Api,
    groups: Option<Vec<String>>,
    parameters: ActivityParameters,
) -> Result<Activities, Fault> {
    let max_records = parameters.max_records.unwrap_or(MAX_RECORDS);
    if !(1..=MAX_RECORDS).contains(&max_records) {
        return Err(Fault::validation(format!(
            "max_records: {max_records} is not from 1 to {MAX_RECORDS}"
        )));
    }
    let history = api.history.clone();
    let read = tokio::task::spawn_blocking(move || {
        let token = parameters.next_token.as_deref();
        history.page(groups.as_deref(), max_records, token)
    });
    let page = read.await.map_err(|_| Fault::loop_gone())??;
    Ok(Activities {
        activities: page.activities,
        next_token: page.next_token,
    })
}
