use std::time::Duration;

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

impl From<Expiry> for Fault {
    fn from(expiry: Expiry) -> Self {
        match expiry {
            Expiry::Stalled(Side::Client) => Self::RequestTimeout,
            Expiry::Stalled(Side::Target) => Self::TargetTimeout,
            Expiry::Cut => Self::TargetCut,
        }
    }
}
