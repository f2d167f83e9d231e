//! Auto Scaling groups: observe, decide, plan, execute, record.
//!
//! ```text
//!  provider ──list──> observe ─┐            ┌─> provider (launch, terminate)
//!  balancer ─report─> target_health ─> decide ─> plan ─> execute ─> store, activities
//!  agents ──scrape──> metric ──┘  (policy)  └─> snapshot ─> balancer
//! ```
//!
//! [`policy`], [`wake`], [`plan`], [`observe`], [`conduct`], [`termination`], [`zones`],
//! [`busy`], [`headroom`], [`foreign_change`], [`metric`], [`launch_backoff`], [`schedule`],
//! [`instance_refresh`], [`scaling_process`], [`change_set`] and [`security_group`] decide with
//! functions of values: no I/O, no clock, no randomness of their own; [`explain`] tells of it.
//! [`metric_statistics`] looks at the view beside it all. `reconcile` is the loop around them,
//! `operations` its calls to the provider, `ledger` its record; the API only reads the published
//! [`describe::View`] and sends [`command::Command`]s.
//!
//! Invariants:
//! - An intent is in the store before anything acts on it; an instance is found by its mark on
//!   the provider, so a crash between any two steps neither orphans nor doubles one.
//! - Missing data is a value. Nothing scales in on silence, of an agent or of the balancer.
//! - One call to the provider at a time for an instance; a pass waits for none of them.
//! - What does not carry our mark is never touched.
//!
//! Deliberately absent: HTTP to agents, balancers and webhooks. They are ports
//! ([`MetricSource`], [`load_balancer_link`], [`notification::WebhookClient`]) that the root
//! package adapts.

mod activity;
pub mod adopt;
pub mod alarms;
pub mod api;
mod autoscaler;
pub mod busy;
mod busy_probe;
pub mod capacity;
pub mod change_set;
pub mod command;
mod conditions;
pub mod conduct;
pub mod config;
pub mod console;
mod crash_point;
pub mod customized_metric;
pub mod describe;
pub mod events;
pub mod explain;
pub mod foreign_change;
pub mod group;
pub mod headroom;
pub mod host;
pub mod instance;
pub mod instance_refresh;
pub mod instance_type;
pub mod key_pair;
pub mod launch_backoff;
pub mod launch_template;
mod ledger;
pub mod load_balancer_link;
pub mod metric;
mod metric_source;
pub mod metric_statistics;
mod metrics;
pub mod notification;
pub mod now;
pub mod observe;
mod operations;
pub mod plan;
pub mod policy;
pub mod provider;
mod reconcile;
mod reload;
pub mod scaling_policy;
pub mod scaling_process;
pub mod schedule;
pub mod security_group;
mod snapshot;
mod state_dir;
mod store;
pub mod target_health;
pub mod termination;
pub mod wake;
pub mod zones;

pub use autoscaler::{Autoscaler, ConfigSource, Settings, Shutdown, StartError};
pub use busy_probe::BusyProbe;
pub use crash_point::{Crash, CrashPoint};
pub use metric_source::{MetricSource, ScrapeError};
pub use metrics::metric_collectors;
pub use reload::ConfigWatch;
pub use snapshot::static_snapshot;
pub use state_dir::{StateDir, StateDirError};
pub use store::ActivityHistory;
