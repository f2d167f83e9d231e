//! An HTTP/1.1 load balancer after ELB's Application Load Balancer.
//!
//! It is told what to serve by [`Snapshot`](minicloud_lb_api::Snapshot)s and answers with
//! [`Report`](minicloud_lb_api::Report)s, each through a `watch` channel; it knows nobody else.
//!
//! ```text
//! snapshots --> control ---------------- routing (arc-swap) -----> worker x N, a thread each
//!   (watch)      |  registry: merges        |                       |  listener, client: accept to close
//!                |  snapshot, health,       |                       |  judge: rule, action, group
//! reports  <-----+  verdicts on targets     |                       |  exchange: pick, queue, send,
//!                |  probers: one a target   |                       |    retry, hedge, relay
//!                                           +-- target, group: -----+  upstream: a pool a target
//!                                               counts, places, queue
//! ```
//!
//! - `control` is the only task that decides; `worker`s read what it publishes.
//! - `http1` is the one parser and writer of HTTP/1.1 on the proxy path, strict by construction.
//!   hyper serves the admin interface and asks health checks.
//! - Pure: `http1`, `rule` (which takes a request), `balancer` (who may serve, whose turn it is,
//!   who fails), `queue`, `retry`, `stickiness`, `health` (state machine), `heads` (what is
//!   forwarded), `compression`, `respond` (fault to status), `registry`, `audit`.
//! - Shell: `control`, `worker`, `client`, `exchange`, `upstream`, `tunnel`, `watch`, `parking`,
//!   `health::prober`.
//!
//! Invariants:
//! - A target gets a request only under a claim (`target`, `gate`); after a target is draining
//!   and its `in_flight` was read as 0, it gets none.
//! - A change of snapshot touches no connection of a target that stays.
//! - A request is sent twice only if the first sending cannot have been read, or if twice is
//!   as good as once and not a byte of an answer had come.
//! - A connection to a target carries one exchange at a time and is kept only if that
//!   exchange ended cleanly on both sides.
//! - What a target or a client reads was written anew from what was parsed, never passed on.
//! - Nothing is buffered whole; every queue, buffer and wait is bounded by a name in
//!   [`Limits`] or [`Timeouts`], or by an attribute.
//! - An idle connection holds no buffer and no timer; after a moment it is its socket and an
//!   entry in the parking lot, without a task.
//!
//! Absent on purpose: HTTP/2 and TLS (they come beside `client`, with the same `exchange`), a
//! store. A client that closes its sending side has left, as at nginx.

mod access_log;
mod admin;
mod audit;
mod balancer;
mod buffer;
mod client;
mod compression;
mod config;
mod control;
mod crowd;
mod ended_request;
mod exchange;
mod failures;
mod fault;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod group;
mod gzip;
mod heads;
mod health;
mod http1;
mod listener;
mod load_balancer;
mod metrics;
mod parking;
mod queue;
mod rate_limit;
mod record;
mod registry;
mod respond;
mod retry;
mod routing;
mod rule;
mod security_group;
mod shared;
mod spare;
mod stable_hash;
mod stickiness;
mod stream;
mod target;
mod trace_id;
mod tunnel;
mod upstream;
mod watch;
mod which_rule;
mod worker;

pub use admin::{AdminListener, serve_admin};
pub use config::{AccessLog, AccessLogFormat, AccessLogOutput, Config, Limits, Timeouts};
pub use ended_request::{EndedRequest, RequestObserver};
pub use listener::BindError;
pub use load_balancer::{Handle, LoadBalancer, StartError};
pub use metrics::metric_collectors;
pub use which_rule::{
    EvaluatedRule, RequestDescription, RuleEvaluation, UnmetCondition, Verdict, WhichRuleError,
    which_rule,
};
