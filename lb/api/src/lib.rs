//! What the load balancer is told ([`Snapshot`]) and what it reports ([`Report`]).
//!
//! Types and their wire form only: no I/O, no clock, no tasks. The autoscaler depends on
//! this crate and never on the balancer itself. Names are those of botocore's `elbv2` model
//! in snake_case; durations travel as seconds with the unit in the name.

mod health;
mod matcher;
mod snapshot;

pub use health::{
    HealthReason, Report, TargetDescription, TargetHealth, TargetHealthDescription, TargetState,
};
pub use matcher::{Matcher, MatcherError};
pub use snapshot::{Action, HealthCheck, Listener, Snapshot, Target, TargetGroup};
