//! Service discovery for whoever scrapes the instances themselves: Prometheus's `http_sd`.
//! <https://prometheus.io/docs/prometheus/latest/http_sd/>

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, fault::Fault};
use crate::describe::{HealthStatus, Instance, View};

/// One target group of `http_sd`: an instance, so that each can have labels of its own.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Discovered {
    /// `host:port`, one.
    targets: [String; 1],
    labels: BTreeMap<&'static str, String>,
}

/// Instances, for Prometheus's service discovery over HTTP.
///
/// All that have an address, whatever their state: the reader's relabelling chooses.
/// A fault before the provider was observed: Prometheus then keeps the list that it has.
#[utoipa::path(
    get,
    path = "/v1/prometheus/sd",
    operation_id = "DiscoverTargets",
    tag = "instances",
    responses((status = 200, body = [Discovered]))
)]
pub(super) async fn discover(State(api): State<Arc<Api>>) -> Result<Json<Vec<Discovered>>, Fault> {
    let view = api.view.borrow().clone();
    match view.ready {
        true => Ok(Json(discovered(&view))),
        false => Err(Fault::not_ready()),
    }
}

fn discovered(view: &View) -> Vec<Discovered> {
    let groups = view.auto_scaling_groups.iter();
    let instances = groups.flat_map(|group| &group.instances);
    instances.filter_map(Discovered::of).collect()
}

impl Discovered {
    fn of(instance: &Instance) -> Option<Self> {
        let health = match instance.health_status {
            HealthStatus::Healthy => "Healthy",
            HealthStatus::Unhealthy => "Unhealthy",
        };
        let template = &instance.launch_template;
        let labels = [
            (
                "__meta_minicloud_auto_scaling_group_name",
                &*instance.auto_scaling_group_name,
            ),
            (
                "__meta_minicloud_availability_zone",
                &instance.availability_zone,
            ),
            ("__meta_minicloud_health_status", health),
            (
                "__meta_minicloud_instance_id",
                instance.instance_id.as_str(),
            ),
            (
                "__meta_minicloud_launch_template_name",
                &template.launch_template_name,
            ),
            (
                "__meta_minicloud_launch_template_version",
                &template.version,
            ),
            (
                "__meta_minicloud_lifecycle_state",
                instance.lifecycle_state.as_str(),
            ),
        ];
        Some(Self {
            targets: [instance.address.as_deref()?.to_owned()],
            labels: labels.map(|(name, value)| (name, value.to_owned())).into(),
        })
    }
}
