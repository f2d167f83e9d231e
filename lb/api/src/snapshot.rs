use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Matcher;

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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Name of the load balancer the listener belongs to.
    pub load_balancer: String,
    pub port: u16,
    pub default_action: Action,
}

/// What a listener does with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Forward to the target group of this name.
    Forward(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    pub name: String,
    pub health_check: HealthCheck,
    /// How long a deregistered target may finish what it has in flight.
    #[serde(rename = "deregistration_delay_seconds", with = "seconds")]
    pub deregistration_delay: Duration,
    pub targets: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Origin-form path of the probe, such as `/health`.
    pub path: String,
    #[serde(rename = "interval_seconds", with = "seconds")]
    pub interval: Duration,
    #[serde(rename = "timeout_seconds", with = "seconds")]
    pub timeout: Duration,
    /// Consecutive passes that make an unhealthy target healthy. A new target needs one.
    pub healthy_threshold: u32,
    /// Consecutive failures that make a healthy target unhealthy.
    pub unhealthy_threshold: u32,
    pub matcher: Matcher,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Instance id, or the address of a target registered by hand.
    pub id: String,
    /// `host:port`; a name is resolved at each connect.
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// Deregistered: takes no new request, finishes those in flight.
    #[serde(default)]
    pub draining: bool,
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(value.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(d)?).map_err(D::Error::custom)
    }
}
