use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Matcher, seconds};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    pub name: String,
    pub health_check: HealthCheck,
    /// How long a deregistered target may finish what it has in flight.
    #[serde(rename = "deregistration_delay_seconds", with = "seconds")]
    pub deregistration_delay: Duration,
    #[serde(default)]
    pub attributes: TargetGroupAttributes,
    /// An Auto Scaling group registers targets here: where there is none, one may come, and
    /// requests wait for it.
    #[serde(default)]
    pub is_scaled: bool,
    pub targets: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthCheck {
    #[serde(default)]
    pub protocol: HealthCheckProtocol,
    /// Origin-form path of the probe, such as `/health`; unused by a TCP check.
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheckProtocol {
    #[default]
    Http,
    /// A connection that is accepted is enough.
    Tcp,
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
    /// What an agent measured of the target's instance; only where the group's algorithm asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<TargetLoad>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLoad {
    /// Of the instance's own quota, 0 to 100.
    pub cpu_utilization_percent: u8,
    /// Tells one sample from the next; compared for equality only, as clocks differ.
    pub sample: u64,
}

/// ELB's target group attributes, and a few that it does not have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetGroupAttributes {
    pub load_balancing_algorithm_type: LoadBalancingAlgorithm,
    /// Ejects targets that fail much more than the others (`anomaly_mitigation`).
    pub anomaly_mitigation: bool,
    /// Over which a new target's share grows to full; 0 for at once.
    #[serde(rename = "slow_start_seconds", with = "seconds")]
    pub slow_start: Duration,
    pub stickiness: Option<Stickiness>,
    /// Whether targets of all zones serve all zones' requests
    /// (`load_balancing.cross_zone.enabled`). Without, a zone's own targets come first.
    pub cross_zone: bool,
    /// Healthy targets below which all serve (`unhealthy_state_routing.minimum_healthy_targets`).
    pub minimum_healthy_targets: u32,
    /// Requests that a target may have in flight; more wait in the queue. None: no limit.
    pub max_requests_per_target: Option<u32>,
    pub queue: Queue,
    pub retry: Retry,
    /// How long upgraded connections (WebSockets) of a draining target go on, within the
    /// deregistration delay.
    #[serde(rename = "upgrade_grace_seconds", with = "seconds")]
    pub upgrade_grace: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadBalancingAlgorithm {
    #[default]
    RoundRobin,
    LeastOutstandingRequests,
    WeightedRandom,
    /// The better of two random targets by requests in flight times a peak-sensitive moving
    /// average of the time to their first byte.
    PeakEwma,
    /// As `PeakEwma`, over the CPU headroom that an agent measured.
    CpuHeadroom,
    /// Rendezvous hashing: the same key goes to the same target while that is there.
    ConsistentHash(HashKey),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashKey {
    SourceIp,
    Path,
    /// The value of this header; the client's address where it is missing.
    HttpHeader(String),
}

/// Keeps a client with the target that served it first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stickiness {
    /// By a cookie of the balancer's own.
    LbCookie {
        #[serde(rename = "duration_seconds", with = "seconds")]
        duration: Duration,
    },
    /// As long as the application keeps its cookie of this name.
    AppCookie {
        cookie_name: String,
        #[serde(rename = "duration_seconds", with = "seconds")]
        duration: Duration,
    },
}

/// Where requests wait while no target may take one more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// Requests that wait at a time; more get 503. 0: none waits.
    pub max_requests: u32,
    /// How long one waits before it gets 503.
    #[serde(rename = "max_wait_seconds", with = "seconds")]
    pub max_wait: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// Tries for one request, first included.
    pub attempts: u32,
    /// Retries and hedges there may be for each hundred requests.
    pub budget_percent: u32,
    /// Retries a second that the budget always has.
    pub min_per_second: u32,
    /// Whether idempotent requests are sent to a second target when the first is late.
    pub hedging: bool,
}

impl Default for TargetGroupAttributes {
    fn default() -> Self {
        Self {
            load_balancing_algorithm_type: LoadBalancingAlgorithm::default(),
            anomaly_mitigation: true,
            slow_start: Duration::ZERO,
            stickiness: None,
            cross_zone: true,
            minimum_healthy_targets: 1,
            max_requests_per_target: None,
            queue: Queue::default(),
            retry: Retry::default(),
            upgrade_grace: Duration::from_secs(10),
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max_requests: 1000,
            max_wait: Duration::from_secs(10),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            budget_percent: 20,
            min_per_second: 3,
            hedging: true,
        }
    }
}
