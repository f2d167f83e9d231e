//! Auto Scaling groups: observe, decide, plan, execute, record. (map to come)

pub mod api;
pub mod command;
pub mod config;
pub mod describe;
pub mod instance;
pub mod launch_template;
pub mod load_balancer_link;
pub mod now;
pub mod provider;
