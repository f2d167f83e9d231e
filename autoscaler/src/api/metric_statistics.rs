use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api,
    groups::{Answer, group},
    segment::{Parameters, Segment},
};
use crate::metric_statistics::{GroupMetricStatistics, Resolution};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StatisticsParameters {
    /// `high`, the default: a second, a quarter of an hour back. `standard`: a minute, a day back.
    #[param(inline)]
    #[serde(default)]
    resolution: Resolution,
    /// Only datapoints of after this.
    start_time: Option<Timestamp>,
}

/// What a group was lately: capacity, CPU, requests and targets.
#[utoipa::path(
    get,
    path = "/v1/groups/{name}/metric-statistics",
    operation_id = "GetMetricStatistics",
    tag = "groups",
    params(("name" = String, Path), StatisticsParameters),
    responses((status = 200, body = GroupMetricStatistics))
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    Parameters(parameters): Parameters<StatisticsParameters>,
) -> Answer<GroupMetricStatistics> {
    let StatisticsParameters {
        resolution,
        start_time,
    } = parameters;
    let known = api.statistics.of_group(&name, resolution, start_time);
    // Of a group that has just come nobody has taken a look.
    let nothing = || GroupMetricStatistics {
        auto_scaling_group_name: name.clone(),
        period_seconds: resolution.period().as_secs(),
        datapoints: Vec::new(),
    };
    group(&api, &name, |_| known.unwrap_or_else(nothing))
}
