//! The verbs that ask a control plane, or look at files.

pub(crate) mod activities;
pub(crate) mod apply;
pub(crate) mod demo;
pub(crate) mod exec;
pub(crate) mod groups;
pub(crate) mod healthcheck;
pub(crate) mod instances;
pub(crate) mod plan;
pub(crate) mod scale;
pub(crate) mod security_groups;
pub(crate) mod status;
pub(crate) mod sweep;
pub(crate) mod targets;
pub(crate) mod validate;
pub(crate) mod which_rule;
pub(crate) mod why;

use std::time::Duration;

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
