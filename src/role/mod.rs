//! The long-running parts, and what they share.

pub(crate) mod agent;
mod agent_source;
pub(crate) mod autoscaler;
mod autoscaler_watch;
mod balancer;
mod busy_probe;
mod config_file;
mod control_plane;
pub(crate) mod lb;
mod metric_fetcher;
mod provider;
mod rule_tester;
mod signals;
mod snapshot_file;
mod state;
pub(crate) mod up;
mod webhook;

pub(crate) use self::{
    config_file::ConfigFile, provider::Provider, signals::Signals, state::open as open_state,
};
