use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a client got a 5xx that the balancer gave by itself, or only a part of a response.
///
/// Texts that come from requests are bounded and printable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestFailure {
    /// When the request came: RFC 3339, UTC.
    pub time: String,
    pub status: u16,
    /// The client got the status and a part of the body before it failed.
    pub is_cut: bool,
    /// One word, the access log's `error_reason`.
    pub error_reason: String,
    /// A sentence.
    pub cause: String,
    /// `GET http://host/path HTTP/1.1`, as the target would get it.
    pub request: String,
    /// Where the request came from.
    pub client: String,
    /// The listener's.
    pub port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<String>,
    /// The priority of the rule that took it, or `default`; none where there is no listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group: Option<String>,
    /// `X-Amzn-Trace-Id` as targets get it.
    pub trace_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Time in the target group's queue.
    pub queue_wait_seconds: f64,
    /// From the request's head to the end.
    pub duration_seconds: f64,
    /// In the order of their ends; none where no target was tried.
    pub attempts: Vec<RequestAttempt>,
}

/// One try to get a response from one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestAttempt {
    /// The target's id.
    pub target: String,
    pub address: String,
    /// None where none could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionUse>,
    pub outcome: String,
    pub duration_seconds: f64,
    /// Why the request was sent again after this try, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_reason: Option<String>,
}

/// How a connection to a target was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionUse {
    /// Made for this request.
    Fresh,
    /// Kept from an earlier one.
    Reused,
}
