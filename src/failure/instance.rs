//! Commands and shells in instances.

use std::{fmt::Display, io};

use minicloud_autoscaler::instance::InstanceId;

use super::{Exit, Failure};

impl Failure {
    /// The connection to a command went before its exit code came.
    pub(crate) fn command_lost(how: &str) -> Self {
        Self::new(
            Exit::ExecFailed,
            format!("the control plane {how} before the command ended; its exit code is unknown"),
            "the connection to the control plane",
            "look with `minicloud status` whether it runs, then whether the command did its work",
        )
    }

    /// As the provider tells it.
    pub(crate) fn command_failed(instance: &InstanceId, message: String) -> Self {
        Self::new(
            Exit::ExecFailed,
            message,
            instance.to_string(),
            "`minicloud instances` shows whether it still runs",
        )
    }

    pub(crate) fn log_lost(instance: &InstanceId, error: &impl Display) -> Self {
        Self::new(
            Exit::Unreachable,
            format!("the log broke off: {error}"),
            instance.to_string(),
            "look with `minicloud status` whether the control plane runs, then ask again",
        )
    }

    pub(crate) fn output_closed(error: &io::Error) -> Self {
        Self::new(
            Exit::ExecFailed,
            format!("the command's output cannot be written, so it was ended: {error}"),
            "stdout or stderr",
            "see that what they are sent to reads to the end",
        )
    }

    pub(crate) fn terminal(what: &str, error: &io::Error) -> Self {
        Self::new(
            Exit::ExecFailed,
            format!("cannot {what}: {error}"),
            "the terminal",
            "without one, `minicloud exec` runs a command",
        )
    }

    pub(crate) fn instance_unknown(instance: &InstanceId) -> Self {
        Self::new(
            Exit::NotFound,
            format!("there is no instance {instance} in any group"),
            "the groups of the control plane",
            "`minicloud instances` lists those that there are",
        )
    }

    pub(crate) fn cannot_stress(instance: &InstanceId, why: &str) -> Self {
        Self::new(
            Exit::Failure,
            format!("the instance cannot be stressed: {why}"),
            instance.to_string(),
            "burn CPU in it by other means, such as `minicloud exec INSTANCE -- PROGRAM`",
        )
    }
}
