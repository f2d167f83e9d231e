//! Auto Scaling groups: observe, decide, plan, execute, record. (map to come)

pub mod api;
mod autoscaler;
pub mod command;
pub mod config;
mod crash_point;
pub mod describe;
pub mod group;
pub mod instance;
pub mod launch_backoff;
pub mod launch_template;
pub mod load_balancer_link;
pub mod metric;
mod metric_source;
pub mod now;
pub mod policy;
pub mod provider;
mod state_dir;
pub mod target_health;

pub use autoscaler::{Autoscaler, ConfigSource, Settings, Shutdown, StartError};
pub use crash_point::CrashPoint;
pub use metric_source::{MetricSource, ScrapeError};
pub use state_dir::{StateDir, StateDirError};
