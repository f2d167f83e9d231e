//! The connection to the engine: a bound on every call, and its errors sorted by what they
//! mean to us.

use std::{
    error::Error as _,
    io::{self, ErrorKind},
    time::Duration,
};

use bollard::{Docker, errors::Error};
use tokio::time::timeout;

use crate::provider::{LaunchError, ProviderError};

/// For any call but one that waits for a container to stop. An engine under load has been
/// seen to take seconds for a create.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

const HOW_TO_START: &str =
    "start it (`systemctl start docker`), or point DOCKER_HOST at its socket";

#[derive(Clone, Debug)]
pub(super) struct Engine {
    docker: Docker,
}

/// What went wrong with a call, in the words of the engine or of the system.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Unreachable(String),
    /// 404.
    #[error("{0}")]
    Missing(String),
    /// 409.
    #[error("{0}")]
    Conflict(String),
    /// 400: what we asked for makes no sense to the engine.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Failed(String),
}

impl Engine {
    /// To `host` (`unix:///path`), or to where `DOCKER_HOST` or the default says.
    pub(super) async fn connect(host: Option<&str>) -> Result<Self, Fault> {
        let docker = match host {
            Some(host) => Docker::connect_with_host(host)?,
            None => Docker::connect_with_defaults()?,
        };
        let negotiated = timeout(CALL_TIMEOUT, docker.negotiate_version()).await;
        Ok(Self {
            docker: negotiated.map_err(|_| silent(CALL_TIMEOUT))??,
        })
    }

    /// Makes one call.
    pub(super) async fn call<T>(
        &self,
        call: impl AsyncFnOnce(&Docker) -> Result<T, Error>,
    ) -> Result<T, Fault> {
        self.call_within(CALL_TIMEOUT, call).await
    }

    pub(super) async fn call_within<T>(
        &self,
        limit: Duration,
        call: impl AsyncFnOnce(&Docker) -> Result<T, Error>,
    ) -> Result<T, Fault> {
        // The library's own timeout ends with the response's head; the outer one covers all.
        let docker = self.docker.clone().with_timeout(limit);
        let answer = timeout(limit, call(&docker)).await;
        Ok(answer.map_err(|_| silent(limit))??)
    }

    /// For streams, which last.
    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }
}

impl Fault {
    /// 404 is no fault where what is missing should be gone.
    pub(super) fn or_missing(result: Result<(), Self>) -> Result<(), Self> {
        match result {
            Err(Self::Missing(_)) => Ok(()),
            result => result,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => from_status(status_code, message),
            Error::SocketNotFoundError(path) => Self::Unreachable(format!(
                "Docker does not run here (no socket `{path}`): {HOW_TO_START}"
            )),
            Error::UnsupportedURISchemeError { uri } => Self::Failed(format!(
                "DOCKER_HOST `{uri}` is not supported: only unix:// sockets are"
            )),
            Error::RequestTimeoutError => silent(CALL_TIMEOUT),
            error => from_transport(&error),
        }
    }
}

fn from_status(status: u16, message: String) -> Fault {
    match status {
        400 => Fault::Invalid(message),
        404 => Fault::Missing(message),
        409 => Fault::Conflict(message),
        503 => Fault::Unreachable(format!("Docker is not ready: {message}")),
        _ => Fault::Failed(message),
    }
}

fn from_transport(error: &Error) -> Fault {
    match io_kind(error) {
        Some(ErrorKind::PermissionDenied) => Fault::Unreachable(
            "no permission to use Docker's socket: run as root, or add yourself to the group that \
             owns it (`usermod -aG docker $USER`, then log in again)"
                .to_owned(),
        ),
        Some(ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Fault::Unreachable(format!(
            "Docker does not answer at its socket: {HOW_TO_START}"
        )),
        Some(_) => Fault::Unreachable(format!("the connection to Docker broke: {error}")),
        None if is_transport(error) => {
            Fault::Unreachable(format!("the connection to Docker broke: {error}"))
        }
        None => Fault::Failed(format!("Docker's answer makes no sense: {error}")),
    }
}

fn is_transport(error: &Error) -> bool {
    matches!(
        error,
        Error::HyperLegacyError { .. } | Error::HyperResponseError { .. } | Error::IOError { .. }
    )
}

fn io_kind(error: &Error) -> Option<ErrorKind> {
    if let Error::IOError { err } = error {
        return Some(err.kind());
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

fn silent(limit: Duration) -> Fault {
    Fault::Unreachable(format!(
        "Docker did not answer within {} s: see `systemctl status docker`",
        limit.as_secs()
    ))
}

impl From<Fault> for ProviderError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable(message) => Self::Unreachable(message),
            fault => Self::Failed(fault.to_string()),
        }
    }
}

impl From<Fault> for LaunchError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable(message) => Self::Unreachable(message),
            Fault::Invalid(message) => Self::Template(message),
            fault => Self::Failed(fault.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_permission_names_the_fix() {
        let error = Error::IOError {
            err: ErrorKind::PermissionDenied.into(),
        };
        let fault = Fault::from(error);
        assert!(
            matches!(&fault, Fault::Unreachable(said) if said.contains("usermod")),
            "{fault:?}"
        );
    }

    #[test]
    fn missing_socket_names_the_fix() {
        let fault = Fault::from(Error::SocketNotFoundError("/no/socket".to_owned()));
        assert!(
            matches!(&fault, Fault::Unreachable(said) if said.contains("systemctl")),
            "{fault:?}"
        );
    }

    #[test]
    fn statuses_are_sorted() {
        let sorted = |status| from_status(status, String::new());
        assert!(matches!(sorted(400), Fault::Invalid(_)));
        assert!(matches!(sorted(404), Fault::Missing(_)));
        assert!(matches!(sorted(409), Fault::Conflict(_)));
        assert!(matches!(sorted(500), Fault::Failed(_)));
    }
}
