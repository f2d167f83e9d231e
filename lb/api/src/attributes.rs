use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::seconds;

/// A load balancer's attributes (ELB's `ModifyLoadBalancerAttributes`), the same for all its
/// listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LoadBalancerAttributes {
    /// What is done with requests that others may read differently.
    pub desync_mitigation_mode: DesyncMitigationMode,
    /// What is done with `X-Forwarded-For`.
    pub xff_header_processing_mode: XffHeaderProcessingMode,
    /// Networks whose `X-Forwarded-*` and `Forwarded` fields are believed; those of everybody
    /// else are replaced. Empty: nobody's.
    #[schema(value_type = Vec<String>)]
    pub trusted_networks: Vec<IpNet>,
    /// How long a client's or target's connection may stand still.
    #[schema(value_type = f64)]
    #[serde(rename = "idle_timeout_seconds", with = "seconds")]
    pub idle_timeout: Duration,
    /// Age at which a client connection is closed after its current response.
    #[schema(value_type = f64)]
    #[serde(rename = "client_keep_alive_seconds", with = "seconds")]
    pub client_keep_alive: Duration,
    /// Open connections from one client address; none without a limit.
    pub max_connections_per_client: Option<u32>,
    /// Bytes of a request's body; none without a limit, as at ALB.
    pub max_request_body_bytes: Option<u64>,
    /// Bytes a second that a client has to send or take on average, after a grace of 10 s; 0
    /// for no minimum.
    pub min_body_rate_bytes_per_second: u64,
    /// Who may connect, as the load balancer's security groups have it. `None`: it has none, and
    /// everybody may; an empty list: nobody may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_permissions: Option<Vec<IpPermission>>,
}

/// `IpPermission` of botocore's `ec2` model, for TCP: an ingress rule whose sources are resolved
/// to networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IpPermission {
    pub from_port: u16,
    /// Not below `from_port`; the range has both.
    pub to_port: u16,
    /// IPv4 and IPv6; of an IPv4 address that is mapped into IPv6 the IPv4 one counts.
    #[schema(value_type = Vec<String>)]
    pub ip_ranges: Vec<IpNet>,
}

impl IpPermission {
    pub fn covers(&self, port: u16) -> bool {
        (self.from_port..=self.to_port).contains(&port)
    }
}

/// How strictly a request's head is judged (`routing.http.desync_mitigation_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DesyncMitigationMode {
    /// Forwards whatever has one clean reading, and tells what it was.
    Monitor,
    #[default]
    Defensive,
    /// Forwards nothing that is not compliant.
    Strictest,
}

/// `routing.http.xff_header_processing.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum XffHeaderProcessingMode {
    #[default]
    Append,
    Preserve,
    Remove,
}

impl Default for LoadBalancerAttributes {
    fn default() -> Self {
        Self {
            desync_mitigation_mode: DesyncMitigationMode::default(),
            xff_header_processing_mode: XffHeaderProcessingMode::default(),
            trusted_networks: Vec::new(),
            idle_timeout: Duration::from_secs(60),
            client_keep_alive: Duration::from_secs(3600),
            max_connections_per_client: None,
            max_request_body_bytes: None,
            min_body_rate_bytes_per_second: 240,
            ip_permissions: None,
        }
    }
}
