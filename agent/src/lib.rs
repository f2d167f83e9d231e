//! Measures what instances use: CPU, memory, throttling and pressure of every container
//! cgroup and of every tree of marked processes, and the node they share.
//!
//! - [`Agent::start`] samples every [`Config::interval`] on a blocking thread.
//! - [`Agent::metrics_text`] renders the latest sample as [`minicloud_agent_api`] spells it.
//! - [`serve`] answers `GET /metrics` and `GET /healthz` with it.
//!
//! Inside: `sampler` asks `cgroup` (v1, v2, hybrid), `process` (whose `ledger` keeps CPU
//! counters that never fall while processes come and go) and `node`; `exposition` renders.
//!
//! Invariants: needs no Docker socket, no root and no capability, only a readable cgroupfs
//! and /proc. A value that cannot be read is absent and never 0. Counters, not rates: the
//! reader divides by the time between the timestamps on the lines. A counter of CPU time
//! never falls while its container is there. What instances write (environment, command
//! names) is bounded and checked before it becomes a label.
//!
//! Deliberately absent: groups and instances as the autoscaler knows them, averages,
//! history, and the Docker API.

mod agent;
mod cgroup;
mod clock;
mod config;
mod exposition;
mod files;
mod metric_family;
mod monotonic;
mod node;
mod process;
mod sampler;
mod server;
mod snapshot;

pub use agent::{Agent, StartError};
pub use config::Config;
pub use exposition::metric_families;
pub use metric_family::MetricFamily;
pub use server::{Listener, serve};
