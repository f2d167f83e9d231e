use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Action, LoadBalancerAttributes, Rule, TargetGroup};

/// Everything the balancer serves, whole: applying a snapshot twice changes nothing, and
/// missing one costs nothing once the next arrives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Names this snapshot; the balancer repeats it in its [`Report`](crate::Report) once
    /// applied. Compared for equality only: a restarted autoscaler may number anew.
    pub version: u64,
    pub listeners: Vec<Listener>,
    pub target_groups: Vec<TargetGroup>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listener {
    /// Name of the load balancer the listener belongs to.
    pub load_balancer: String,
    pub port: u16,
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// For requests that no rule takes.
    pub default_action: Action,
    #[serde(default)]
    pub attributes: LoadBalancerAttributes,
}
