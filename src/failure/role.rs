//! What keeps a role from starting, or ends it.

use std::{fmt::Display, io};

use super::{Exit, Failure};
use crate::cli::ProviderName;

const LOG: &str = "the log above says why";

impl Failure {
    pub(crate) fn runtime(error: &io::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("cannot start: {error}"),
            "this process",
            "see that it may open files and start threads: `ulimit -a`",
        )
    }

    pub(crate) fn signals(error: &io::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("signals cannot be followed: {error}"),
            "this process",
            "see that it may open files and start threads: `ulimit -a`",
        )
    }

    pub(crate) fn no_randomness(error: &impl Display) -> Self {
        Self::new(
            Exit::Failure,
            format!("the system gives no randomness: {error}"),
            "getrandom(2)",
            "let the sandbox that this runs in pass it",
        )
    }

    pub(crate) fn program_unknown(error: &io::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("cannot tell which program this is: {error}"),
            "/proc/self/exe",
            "mount /proc where this runs",
        )
    }

    #[cfg(any(test, feature = "otel"))]
    pub(crate) fn collector_invalid(variable: &str, endpoint: &str, why: &dyn Display) -> Self {
        Self::new(
            Exit::Config,
            format!("spans cannot be exported: {why}"),
            format!("{variable}={endpoint}"),
            "write for example http://localhost:4318, and run a collector there that speaks TLS to others",
        )
    }

    pub(crate) fn log_levels(value: &str, error: &impl Display) -> Self {
        Self::new(
            Exit::Config,
            format!("not log levels: {error}"),
            format!("MINICLOUD_LOG={value}"),
            "write for example `info` or `warn,minicloud_lb=debug`",
        )
    }

    pub(crate) fn log_format(value: &str) -> Self {
        Self::new(
            Exit::Config,
            "no form of the log",
            format!("MINICLOUD_LOG_FORMAT={value}"),
            "write `text` or `json`",
        )
    }

    pub(crate) fn api_needs_tcp() -> Self {
        Self::new(
            Exit::Config,
            "the control API listens on an address and a port, on no Unix socket",
            "--api",
            "write for example 127.0.0.1:8090",
        )
    }

    /// An address that others reach, and no token.
    pub(crate) fn api_open_to_others(error: &impl Display) -> Self {
        Self::new(
            Exit::Config,
            error.to_string(),
            "--api",
            "give --token-file, or listen on 127.0.0.1",
        )
    }

    pub(crate) fn api_address_unknown(error: &io::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("cannot tell where the control API listens: {error}"),
            "--api",
            "choose another place with --api",
        )
    }

    pub(crate) fn agent(error: &impl Display) -> Self {
        Self::new(
            Exit::Config,
            error.to_string(),
            "the agent",
            "--cgroup-root and --interval say what it reads and how often",
        )
    }

    pub(crate) fn autoscaler(exit: Exit, error: &impl Display) -> Self {
        Self::new(
            exit,
            error.to_string(),
            "the autoscaler, as it starts",
            "mend that; --state-dir gives it another folder for its state",
        )
    }

    pub(crate) fn balancer(exit: Exit, error: &impl Display) -> Self {
        Self::new(
            exit,
            error.to_string(),
            "the load balancer, as it starts",
            "stop what has the port, or change `listeners` in the configuration; --bind and --access-log say where to",
        )
    }

    pub(crate) fn provider(exit: Exit, name: ProviderName, error: &impl Display) -> Self {
        let (place, remedy) = match name {
            ProviderName::Process => (
                "child processes",
                "the log says more; `minicloud sweep` ends what is left behind",
            ),
            ProviderName::Docker => (
                "the container engine",
                "`minicloud doctor` looks at it; DOCKER_HOST says which one is meant",
            ),
        };
        Self::new(exit, error.to_string(), place, remedy)
    }

    pub(crate) fn watch_ended() -> Self {
        Self::new(
            Exit::Failure,
            "the watch on the autoscaler has ended",
            "the load balancer",
            LOG,
        )
    }

    pub(crate) fn loop_ended() -> Self {
        Self::new(
            Exit::Failure,
            "the autoscaler's loop has ended; instances go on",
            "the autoscaler",
            LOG,
        )
    }

    pub(crate) fn balancer_ended() -> Self {
        Self::new(
            Exit::Failure,
            "the load balancer has ended",
            "the load balancer",
            LOG,
        )
    }

    pub(crate) fn stopped_early() -> Self {
        Self::new(
            Exit::Failure,
            "stopped before every instance had ended",
            "the instances that are left",
            "`minicloud sweep` ends them",
        )
    }
}
