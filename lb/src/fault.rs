use std::{error::Error, time::Duration};

use crate::{
    http1::{ChunkFault, Refusal, ResponseFault},
    upstream::ConnectError,
    watch::{Expiry, Side},
};

/// Why a request got no response from a target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Refused(Refusal),
    #[error("the request is ambiguous: {0}")]
    Ambiguous(&'static str),
    #[error("the request body is not valid: {0}")]
    Chunk(ChunkFault),
    #[error("the method is not allowed here")]
    MethodNotAllowed,
    #[error("the request did not arrive in time")]
    RequestTimeout,
    #[error("the request body is too large")]
    BodyTooLarge,
    #[error("no listener of this port forwards to a target group")]
    NoRoute,
    /// With the time after which there may be one.
    #[error("the target group has no target that is ready")]
    NoTarget(Duration),
    /// With the time after which there may be a place.
    #[error("all targets are busy, and the queue has no place")]
    QueueFull(Duration),
    #[error("no target was ready while the request waited in the queue")]
    QueueTimeout(Duration),
    /// With the time after which one more is allowed.
    #[error("the client sends more requests than the rule allows")]
    RateLimited(Duration),
    #[error("the rule's redirect makes no valid location of this request")]
    Redirect,
    #[error("the rule's transform makes no valid request of this one")]
    Transform,
    #[error("no target accepted a connection")]
    Connect(#[source] ConnectError),
    #[error("{0}")]
    BadResponse(&'static str),
    #[error("the target's response cannot be forwarded: {0}")]
    UnusableResponse(ResponseFault),
    #[error("the target's response cannot be forwarded: a 101 that nobody asked for")]
    UnaskedSwitch,
    #[error("the target did not respond in time")]
    TargetTimeout,
    #[error("the time to finish before the target or the balancer goes was over")]
    TargetCut,
    #[error("the client went away")]
    ClientGone,
}

impl Fault {
    /// One word for logs, where ALB writes its `error_reason`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "RequestRefused",
            Self::Ambiguous(_) => "DesyncMitigation",
            Self::Chunk(_) => "RequestBodyInvalid",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::RequestTimeout => "RequestTimeout",
            Self::BodyTooLarge => "RequestBodyTooLarge",
            Self::NoRoute => "NoTargetGroup",
            Self::NoTarget(_) => "NoHealthyTarget",
            Self::QueueFull(_) => "QueueFull",
            Self::QueueTimeout(_) => "QueueTimeout",
            Self::RateLimited(_) => "RateLimited",
            Self::Redirect => "RedirectFailed",
            Self::Transform => "TransformFailed",
            Self::Connect(ConnectError::Timeout(_)) => "TargetConnectTimeout",
            Self::Connect(ConnectError::Io(_)) => "TargetConnectFailed",
            Self::BadResponse(_) => "TargetResponseIncomplete",
            Self::UnusableResponse(_) | Self::UnaskedSwitch => "TargetResponseInvalid",
            Self::TargetTimeout => "TargetTimeout",
            Self::TargetCut => "TargetDeregistered",
            Self::ClientGone => "ClientClosedConnection",
        }
    }
}

/// An error with its causes.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<Expiry> for Fault {
    fn from(expiry: Expiry) -> Self {
        match expiry {
            Expiry::Stalled(Side::Client) => Self::RequestTimeout,
            Expiry::Stalled(Side::Target) => Self::TargetTimeout,
            Expiry::Cut => Self::TargetCut,
        }
    }
}
