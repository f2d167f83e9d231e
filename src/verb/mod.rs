//! The verbs that ask a control plane, or look at files.

pub(crate) mod activities;
pub(crate) mod alarms;
pub(crate) mod apply;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod describe;
pub(crate) mod docs;
pub(crate) mod doctor;
pub(crate) mod drain;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod groups;
pub(crate) mod healthcheck;
pub(crate) mod instance_types;
pub(crate) mod instances;
pub(crate) mod key_pair;
pub(crate) mod launch_template;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod policies;
pub(crate) mod protect;
pub(crate) mod refresh;
pub(crate) mod resolve;
pub(crate) mod scale;
pub(crate) mod scheduled_actions;
pub(crate) mod security_groups;
pub(crate) mod ssh;
pub(crate) mod status;
pub(crate) mod suspend;
pub(crate) mod sweep;
pub(crate) mod targets;
pub(crate) mod terminate;
#[cfg(test)]
mod tests;
pub(crate) mod top;
pub(crate) mod validate;
pub(crate) mod version;
mod watch;
pub(crate) mod which_rule;
pub(crate) mod why;

use std::{sync::Arc, time::Duration};

use minicloud_autoscaler::api::AutoScalingGroups;

use crate::{cli::Connection, control_api::ControlApi, failure::Failure};

/// One answer of a control plane on this machine or near it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

fn connect(connection: &Connection) -> Result<ControlApi, Failure> {
    ControlApi::new(
        connection.host.clone(),
        connection.token_file.as_deref(),
        connection.timeout.unwrap_or(ANSWER_TIMEOUT),
    )
}

/// The group of that name, or all where none is given.
async fn groups_of(api: &ControlApi, name: Option<&str>) -> Result<AutoScalingGroups, Failure> {
    match name {
        Some(name) => Ok(AutoScalingGroups {
            auto_scaling_groups: vec![Arc::new(api.group(name).await?)],
        }),
        None => api.read("/v1/groups").await,
    }
}
