//! What the control API refuses, or that it does not answer.

use std::{fmt::Display, io, path::Path};

use hyper::{Method, StatusCode};
use minicloud_autoscaler::api::FaultDetail;

use super::{Exit, Failure};
use crate::{endpoint::Endpoint, http_client::HttpError};

const IS_HOST_RIGHT: &str =
    "see that --host or MINICLOUD_HOST names the control API of a minicloud";

impl Failure {
    /// No answer, or none that is HTTP.
    pub(crate) fn no_answer(endpoint: &Endpoint, error: &HttpError) -> Self {
        let (exit, remedy) = match error {
            HttpError::Connect { .. } | HttpError::NoAnswer { .. } => (
                Exit::Unreachable,
                "start a minicloud with `minicloud up`, or say where one is with --host or MINICLOUD_HOST",
            ),
            HttpError::Timeout { .. } => (
                Exit::Unreachable,
                "give it longer with --timeout, or see what keeps it with `minicloud doctor`",
            ),
            HttpError::Protocol { .. } | HttpError::TooLarge(_) => (Exit::Failure, IS_HOST_RIGHT),
        };
        Self::new(exit, error.to_string(), control_plane(endpoint), remedy)
    }

    /// An answer in words that are not the control API's.
    pub(crate) fn foreign_answer(endpoint: &Endpoint, status: StatusCode) -> Self {
        let what = format!("the answer was {status}, and not a control API's");
        Self::new(Exit::Failure, what, control_plane(endpoint), IS_HOST_RIGHT)
    }

    pub(crate) fn answer_not_understood(endpoint: &Endpoint, error: &serde_json::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("the control API answered what this version does not understand: {error}"),
            control_plane(endpoint),
            "use the `minicloud` of the version that runs there: `minicloud --version` tells this one's",
        )
    }

    pub(crate) fn endless_event(endpoint: &Endpoint) -> Self {
        Self::new(
            Exit::Failure,
            "the control API sent an event without an end",
            control_plane(endpoint),
            IS_HOST_RIGHT,
        )
    }

    /// What was asked for is refused or failed, in the API's own words.
    pub(crate) fn refused(
        endpoint: &Endpoint,
        method: &Method,
        path: &str,
        status: StatusCode,
        fault: &FaultDetail,
    ) -> Self {
        let exit = match (status, fault.code.as_str()) {
            (_, "CommandNotFound") => Exit::CommandNotFound,
            (_, "CommandNotExecutable") => Exit::NotExecutable,
            (StatusCode::NOT_FOUND, _) => Exit::NotFound,
            (StatusCode::CONFLICT, _) => Exit::Conflict,
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY, _) => Exit::Unreachable,
            _ => Exit::Failure,
        };
        Self::new(
            exit,
            format!("{} ({})", fault.message, fault.code),
            format!("{method} {endpoint}{path}"),
            remedy(status, &fault.code),
        )
    }

    pub(crate) fn token_unreadable(path: &Path, error: &io::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("the token cannot be read: {error}"),
            path.display().to_string(),
            "name with --token-file or MINICLOUD_TOKEN_FILE the file that `minicloud up --token-file` was given",
        )
    }

    pub(crate) fn token_malformed(path: &Path) -> Self {
        Self::new(
            Exit::Failure,
            "the file does not hold a token: it has characters that no header can carry",
            path.display().to_string(),
            "name with --token-file or MINICLOUD_TOKEN_FILE the file that `minicloud up --token-file` was given",
        )
    }

    pub(crate) fn no_connection_for_shell(endpoint: &Endpoint, error: &impl Display) -> Self {
        Self::new(
            Exit::Unreachable,
            format!("the control plane granted no connection for the shell: {error}"),
            control_plane(endpoint),
            "reach it directly: what stands between has to pass on `Connection: upgrade`",
        )
    }
}

fn control_plane(endpoint: &Endpoint) -> String {
    format!("the control plane at {endpoint}")
}

/// By the API's code where that tells, else by the status.
fn remedy(status: StatusCode, code: &str) -> &'static str {
    match code {
        "AutoScalingGroupNotFound" => "`minicloud groups` lists those that there are",
        "TargetGroupNotFound" => "`minicloud status` lists those that there are",
        "InstanceNotFound" => "`minicloud instances` lists those that there are",
        "ScheduledActionNotFound" => "`minicloud scheduled-actions` lists those that there are",
        "PolicyNotFound" => "`minicloud policies` lists those that there are",
        "InvalidLaunchTemplateName.NotFoundException" => {
            "`minicloud launch-templates` lists those that there are"
        }
        "InvalidLaunchTemplateId.VersionNotFound" => {
            "`minicloud launch-templates NAME` lists those that there are"
        }
        "InvalidKeyPair.NotFound" => "`minicloud key-pairs` lists those that there are",
        "InvalidGroup.NotFound" => "`minicloud security-groups` lists those that there are",
        "InvalidNextToken" => "begin anew, without --next-token",
        "InvalidChangeSetStatus" => "review it once more: `minicloud plan`, then `minicloud apply`",
        "ScalingActivityInProgress" => {
            "wait for the group's activities to end: `minicloud activities`"
        }
        "InstanceRefreshInProgress" => {
            "wait for it, or `minicloud refresh GROUP --cancel`; `minicloud refreshes GROUP` shows it"
        }
        "ActiveInstanceRefreshNotFound" => {
            "nothing was changed; `minicloud refreshes GROUP` lists the last ones"
        }
        "IncorrectInstanceState" => "`minicloud instances` shows in which state it is",
        "CommandNotFound" | "CommandNotExecutable" => {
            "name a program that the instance has; `minicloud exec INSTANCE -- ls /bin` looks"
        }
        "AuthFailure" | "UnauthorizedOperation" => {
            "give the control plane's token with --token-file or MINICLOUD_TOKEN_FILE"
        }
        "ProviderFailure" => "see that what runs the instances is well: `minicloud doctor`",
        "InternalFailure" => {
            "the log of the autoscaler says more; look whether its state folder is full"
        }
        _ if status == StatusCode::SERVICE_UNAVAILABLE => "try again in a moment",
        _ if status == StatusCode::NOT_FOUND => {
            "use the `minicloud` of the version that runs there: `minicloud --version` tells this one's"
        }
        _ if status.is_client_error() => {
            "nothing was changed: correct what was asked for and ask again"
        }
        _ => "the log of the autoscaler says more",
    }
}
