//! Commands inside instances: what is run, and what goes in and out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::instance::InstanceId;

/// A command to run inside an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecCommand {
    /// Program and arguments.
    pub argv: Vec<String>,
    pub stdin: Stdin,
}

/// What a command reads from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing: it has ended.
    #[default]
    Null,
    /// What is sent into the session.
    Piped,
    /// The same, through a terminal of the command's own, which stdout and stderr share.
    Terminal(Terminal),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// `TERM` in the command's environment.
    pub term: String,
    pub size: WindowSize,
}

/// In characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowSize {
    pub rows: u16,
    pub columns: u16,
}

/// A command without input.
impl From<Vec<String>> for ExecCommand {
    fn from(argv: Vec<String>) -> Self {
        Self {
            argv,
            stdin: Stdin::Null,
        }
    }
}

/// A command running inside an instance.
#[derive(Debug)]
pub struct ExecSession {
    /// Output in order; ends after [`ExecOutput::Exit`].
    pub output: mpsc::Receiver<ExecOutput>,
    /// Dropping it ends the command's stdin, which a terminal does not have: there, the end is
    /// typed. Sending fails once the command reads no more. `None` with [`Stdin::Null`].
    pub input: Option<mpsc::Sender<ExecInput>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecInput {
    Bytes(Bytes),
    /// Means something to a terminal only.
    Resize(WindowSize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecOutput {
    Stdout(Bytes),
    Stderr(Bytes),
    /// The command's exit code; 128 + n where signal n ended it.
    Exit(i32),
}

#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("instance {0} is not running")]
    NotRunning(InstanceId),
    /// The command is not in the instance (exit code 127 at the command line).
    #[error("{0}")]
    CommandNotFound(String),
    /// The command is there and cannot be run (exit code 126).
    #[error("{0}")]
    CommandNotExecutable(String),
    #[error("{0}")]
    Failed(String),
}
