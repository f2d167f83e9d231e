use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::seconds;

/// A listener's rule: all its conditions hold, and no rule before it took the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    /// 1 to 50000, unique in the listener; the lowest is asked first.
    pub priority: u32,
    /// At least one; all must hold.
    pub conditions: Vec<Condition>,
    /// Applied in this order, before the request is forwarded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<Transform>,
    pub action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
}

/// What a rule asks of a request; one of the values is enough. Patterns know `*` (any bytes)
/// and `?` (one byte); hosts and header values match without regard to case, paths with it.
/// Regular expressions are those of the `regex` crate and must match the whole text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleCondition)]
pub enum Condition {
    /// The Host, without its port.
    HostHeader(Patterns),
    /// The path as it was sent, without the query.
    PathPattern(Patterns),
    HttpHeader {
        http_header_name: String,
        #[serde(flatten)]
        patterns: Patterns,
    },
    /// Methods as they are written, such as `GET`.
    HttpRequestMethod(Vec<String>),
    /// Percent-decoded members of the query, without regard to case. `\*` and `\?` stand for
    /// themselves; so does `+`.
    QueryString(Vec<QueryStringKeyValuePair>),
    /// The client's address: the socket's peer, or what a trusted network says of it.
    #[schema(value_type = Vec<String>)]
    SourceIp(Vec<IpNet>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Patterns {
    pub values: Vec<String>,
    pub regex_values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueryStringKeyValuePair {
    /// Any key without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub value: String,
}

/// What a listener does with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Forward(Forward),
    Redirect(Redirect),
    FixedResponse(FixedResponse),
}

/// Forwards to one of the target groups, chosen by weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forward {
    pub target_groups: Vec<TargetGroupTuple>,
    /// How long a client stays with the group it was sent to first
    /// (`TargetGroupStickinessConfig`); 0 for not at all.
    #[schema(value_type = f64)]
    #[serde(rename = "target_group_stickiness_seconds", with = "seconds", default)]
    pub target_group_stickiness: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetGroupTuple {
    pub target_group: String,
    /// 0 to 999; a share of the sum. 0 gets none.
    pub weight: u32,
}

/// Sends the client elsewhere. `#{protocol}`, `#{host}`, `#{port}`, `#{path}` (without its
/// first `/`) and `#{query}` stand for the request's own; the port is the one in its Host, else
/// the listener's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: String,
    pub host: String,
    pub port: String,
    pub path: String,
    pub query: String,
    /// 301 or 302.
    pub status_code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FixedResponse {
    /// 2xx, 4xx or 5xx.
    pub status_code: u16,
    /// One of ELB's five; empty for plain text, or for none without a body.
    #[serde(default)]
    pub content_type: String,
    /// Up to 1024 bytes.
    #[serde(default)]
    pub message_body: String,
}

/// A change of what the target sees (ELB's rule transforms). The first match of `regex` is
/// replaced; `$1` stands for its first group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    HostHeaderRewrite(Rewrite),
    /// Of path and query.
    UrlRewrite(Rewrite),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rewrite {
    pub regex: String,
    pub replace: String,
}

/// Requests over it get 429 with a Retry-After.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RateLimit {
    pub requests_per_second: f64,
    /// Requests that may come at once; at least 1.
    pub burst: u32,
    pub per: RateLimitKey,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitKey {
    /// Each client address has its own allowance; an IPv6 client's is that of its /64.
    #[default]
    SourceIp,
    /// All clients share one.
    Rule,
}

/// Compresses responses with gzip where the client takes it, the target did not compress, and
/// the content is of a kind that shrinks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Compression {
    /// Responses known to be shorter are left alone.
    pub min_bytes: u64,
    /// 1 (fast) to 9 (small).
    pub level: u32,
}

impl Forward {
    /// To this group and no other.
    pub fn to(target_group: impl Into<String>) -> Self {
        Self {
            target_groups: vec![TargetGroupTuple {
                target_group: target_group.into(),
                weight: 1,
            }],
            target_group_stickiness: Duration::ZERO,
        }
    }
}

impl Action {
    /// Forwards to this group and no other.
    pub fn forward(target_group: impl Into<String>) -> Self {
        Self::Forward(Forward::to(target_group))
    }
}

impl Default for Redirect {
    fn default() -> Self {
        Self {
            protocol: "#{protocol}".to_owned(),
            host: "#{host}".to_owned(),
            port: "#{port}".to_owned(),
            path: "/#{path}".to_owned(),
            query: "#{query}".to_owned(),
            status_code: 302,
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            min_bytes: 1024,
            level: 5,
        }
    }
}
