use crate::upstream::ConnectError;

/// Why a request got no response from a target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    BadRequest(&'static str),
    #[error("the method is not allowed here")]
    MethodNotAllowed,
    #[error("the request did not arrive in time")]
    RequestTimeout,
    #[error("the request body is too large")]
    BodyTooLarge,
    #[error("the expectation is not known")]
    ExpectationFailed,
    #[error("the transfer coding is not implemented")]
    TransferCoding,
    #[error("no listener of this port forwards to a target group")]
    NoRoute,
    #[error("the target group has no target that is ready")]
    NoTarget,
    #[error("no target accepted a connection")]
    Connect(#[source] ConnectError),
    #[error("the target closed the connection or sent no valid response")]
    BadResponse(#[source] hyper::Error),
    #[error("the target's response cannot be forwarded: {0}")]
    UnusableResponse(&'static str),
    #[error("the target did not respond in time")]
    TargetTimeout,
    #[error("the client went away")]
    ClientGone,
}

impl Fault {
    /// What a failed read of the client's body means: bytes that are no body, or no bytes.
    pub(crate) fn from_client_body(error: &hyper::Error) -> Self {
        use std::error::Error;
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<std::io::Error>());
        match cause.map(std::io::Error::kind) {
            Some(std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData) => {
                Self::BadRequest("the request body's framing is not valid")
            }
            _ => Self::ClientGone,
        }
    }
}
