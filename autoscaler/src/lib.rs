//! Auto Scaling groups: observe, decide, plan, execute, record. (map to come)

mod activity;
pub mod api;
mod autoscaler;
pub mod command;
mod conditions;
pub mod config;
mod crash_point;
pub mod describe;
pub mod group;
pub mod instance;
pub mod launch_backoff;
pub mod launch_template;
mod ledger;
pub mod load_balancer_link;
pub mod metric;
mod metric_source;
mod metrics;
pub mod now;
pub mod observe;
mod operations;
pub mod plan;
pub mod policy;
pub mod provider;
mod reconcile;
mod reload;
mod snapshot;
mod state_dir;
mod store;
pub mod target_health;
pub mod termination;

pub use autoscaler::{Autoscaler, ConfigSource, Settings, Shutdown, StartError};
pub use crash_point::CrashPoint;
pub use metric_source::{MetricSource, ScrapeError};
pub use state_dir::{StateDir, StateDirError};
