//! What the load balancer is told ([`Snapshot`]) and what it reports ([`Report`]).
//!
//! Types, their wire form and their [`validate`] only: no I/O, no clock, no tasks. The autoscaler depends on
//! this crate and never on the balancer itself. Names are those of botocore's `elbv2` model
//! in snake_case; durations travel as seconds with the unit in the name.

mod attributes;
mod health;
mod matcher;
pub mod notation;
mod request_failure;
mod request_statistics;
mod rule;
mod seconds;
mod snapshot;
mod summary;
mod target_group;
pub mod validate;

pub use attributes::{
    DesyncMitigationMode, IpPermission, LoadBalancerAttributes, XffHeaderProcessingMode,
};
pub use health::{
    AnomalyDetection, AnomalyResult, HealthReason, Report, TargetDescription, TargetGroupReport,
    TargetHealth, TargetHealthDescription, TargetState,
};
pub use matcher::{Matcher, MatcherError};
pub use request_failure::{ConnectionUse, RequestAttempt, RequestFailure};
pub use request_statistics::{DURATION_BOUNDS_SECONDS, RequestStatistics};
pub use rule::{
    Action, Compression, Condition, FixedResponse, Forward, Patterns, QueryStringKeyValuePair,
    RateLimit, RateLimitKey, Redirect, Rewrite, Rule, TargetGroupTuple, Transform,
};
pub use snapshot::{Listener, Snapshot};
pub use target_group::{
    HashKey, HealthCheck, HealthCheckProtocol, LoadBalancingAlgorithm, Queue, Retry, Stickiness,
    Target, TargetGroup, TargetGroupAttributes, TargetLoad,
};
pub use validate::RuleFault;
