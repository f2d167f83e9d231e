use axum::{
    BoxError, Json,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use tower::{load_shed, timeout};

use super::wire::{FaultBody, FaultDetail};
use crate::{
    command::CommandError, config, instance::InstanceIdError, key_pair::KeyPairError,
    launch_template::LaunchTemplateError, provider::ExecError, store::HistoryError,
};

/// A request refused or failed: a status, a code to program against and a sentence to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
    faults: Vec<config::Fault>,
}

/// Text from outside that a message repeats; more helps nobody.
const MAX_MESSAGE_CHARS: usize = 500;

/// Mistakes of a configuration that are listed; who mends them sees the rest next time.
const MAX_FAULTS: usize = 100;

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(MAX_MESSAGE_CHARS) {
            message.truncate(cut);
            message.push_str(" ...");
        }
        Self {
            status,
            code,
            message,
            faults: Vec::new(),
        }
    }

    /// A configuration with mistakes in it.
    pub(super) fn configuration(faults: &config::Faults) -> Self {
        let mut listed: Vec<_> = faults.iter().cloned().collect();
        let more = match listed.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let message = listed.first().map(ToString::to_string).unwrap_or_default();
        listed.truncate(MAX_FAULTS);
        Self {
            faults: listed,
            ..Self::validation(format!("the configuration is not valid: {message}{more}"))
        }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationError", message)
    }

    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    pub(super) fn not_ready() -> Self {
        Self::unavailable(
            "NotReady",
            "the provider has not been observed yet; /v1/status has what is known",
        )
    }

    pub(super) fn no_snapshot() -> Self {
        Self::unavailable(
            "NotReady",
            "there is no snapshot before the provider has been observed",
        )
    }

    pub(super) fn read_only() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "ReadOnly",
            "this minicloud was started with --read-only: only its configuration file changes anything",
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn loop_gone() -> Self {
        Self::unavailable(
            "ServiceUnavailable",
            "the autoscaler is shutting down: ask again once it is back",
        )
    }

    /// What the tower layers around a handler answer in its place.
    pub(crate) fn of_layer(error: &BoxError) -> Self {
        if error.is::<load_shed::error::Overloaded>() {
            Self::unavailable("Throttling", "too many requests at once: try again")
        } else if error.is::<timeout::error::Elapsed>() {
            Self::unavailable(
                "RequestTimeout",
                "the autoscaler did not answer in time; what was asked may yet be done",
            )
        } else {
            Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalFailure",
                error.to_string(),
            )
        }
    }

    pub(super) fn detail(&self) -> FaultDetail {
        FaultDetail {
            code: self.code.to_owned(),
            message: self.message.clone(),
            faults: self.faults.clone(),
        }
    }
}

pub(super) async fn unknown_path(uri: Uri) -> Fault {
    Fault::not_found(
        "NotFound",
        format!(
            "there is nothing at {}; the API is at /v1/groups, /v1/target-groups and /v1/status",
            excerpt(uri.path())
        ),
    )
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Fault {
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        format!(
            "{} does not take {}",
            excerpt(uri.path()),
            excerpt(method.as_str())
        ),
    )
}

/// The beginning of a text from outside, for a message that must stay a sentence.
pub(crate) fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(80).collect();
    if excerpt.len() < text.len() {
        excerpt.push_str("..");
    }
    excerpt
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = FaultBody {
            error: self.detail(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if self.code == "Throttling" {
            // Who is turned away makes room.
            let close = header::HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer"),
            );
        }
        response
    }
}

impl From<CommandError> for Fault {
    fn from(error: CommandError) -> Self {
        let message = error.to_string();
        match error {
            CommandError::AutoScalingGroupNotFound { .. } => {
                Self::not_found("AutoScalingGroupNotFound", message)
            }
            CommandError::ScheduledActionNotFound { .. } => {
                Self::not_found("ScheduledActionNotFound", message)
            }

            CommandError::PolicyNotFound { .. } => Self::not_found("PolicyNotFound", message),
            CommandError::ScalingActivityInProgress(_) => {
                Self::new(StatusCode::CONFLICT, "ScalingActivityInProgress", message)
            }
            CommandError::InstanceRefreshInProgress { .. } => {
                Self::new(StatusCode::CONFLICT, "InstanceRefreshInProgress", message)
            }
            CommandError::ActiveInstanceRefreshNotFound(_) => {
                Self::not_found("ActiveInstanceRefreshNotFound", message)
            }
            CommandError::Validation(_) => Self::validation(message),
            CommandError::PlanOutdated => {
                Self::new(StatusCode::CONFLICT, "InvalidChangeSetStatus", message)
            }
            CommandError::AlreadyExists(_) => {
                Self::new(StatusCode::BAD_REQUEST, "AlreadyExists", message)
            }
            CommandError::LimitExceeded(_) => {
                Self::new(StatusCode::BAD_REQUEST, "LimitExceeded", message)
            }
            CommandError::Store(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalFailure",
                message,
            ),
        }
    }
}

impl From<HistoryError> for Fault {
    fn from(error: HistoryError) -> Self {
        let (status, code) = match error {
            HistoryError::InvalidNextToken => (StatusCode::BAD_REQUEST, "InvalidNextToken"),
            HistoryError::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<LaunchTemplateError> for Fault {
    fn from(error: LaunchTemplateError) -> Self {
        let status = match error {
            LaunchTemplateError::NotFound { .. }
            | LaunchTemplateError::VersionNotFound { .. }
            | LaunchTemplateError::SecurityGroupNotFound { .. } => StatusCode::NOT_FOUND,
            LaunchTemplateError::AlreadyExists(_)
            | LaunchTemplateError::DefaultVersion { .. }
            | LaunchTemplateError::InUse { .. } => StatusCode::CONFLICT,
            LaunchTemplateError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            LaunchTemplateError::MalformedName(_)
            | LaunchTemplateError::InvalidData(_)
            | LaunchTemplateError::LimitExceeded(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<KeyPairError> for Fault {
    fn from(error: KeyPairError) -> Self {
        let status = match error {
            KeyPairError::NotFound { .. } => StatusCode::NOT_FOUND,
            KeyPairError::Duplicate(_) | KeyPairError::OfFile(_) => StatusCode::CONFLICT,
            KeyPairError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            KeyPairError::MalformedName(_)
            | KeyPairError::Format(_)
            | KeyPairError::LimitExceeded(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<InstanceIdError> for Fault {
    fn from(error: InstanceIdError) -> Self {
        Self::validation(error.to_string())
    }
}

impl From<ExecError> for Fault {
    fn from(error: ExecError) -> Self {
        let (status, code) = match error {
            ExecError::NotRunning(_) => (StatusCode::CONFLICT, "IncorrectInstanceState"),
            ExecError::CommandNotFound(_) => (StatusCode::UNPROCESSABLE_ENTITY, "CommandNotFound"),
            ExecError::CommandNotExecutable(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "CommandNotExecutable")
            }
            ExecError::Failed(_) => (StatusCode::BAD_GATEWAY, "ProviderFailure"),
        };
        Self::new(status, code, error.to_string())
    }
}
