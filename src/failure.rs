//! How a command fails: an exit code that scripts can rely on, and a sentence that says what
//! happened, where, and what to do.

use std::fmt;

/// Exit codes, as docs/reference/commands.md lists them. 2 is clap's, for wrong usage; `exec` passes on
/// the code of the command it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Failure = 1,
    NotFound = 3,
    /// A wait timed out, or what was asked about is not healthy.
    NotReached = 4,
    /// The state of the thing forbids it now.
    Conflict = 5,
    /// `EX_UNAVAILABLE`: the control plane or the engine does not answer.
    Unreachable = 69,
    /// `EX_CANTCREAT`: the state folder or a socket cannot be written.
    CannotCreate = 73,
    /// `EX_TEMPFAIL`: a port or the state folder is in use by another process.
    InUse = 75,
    /// `EX_CONFIG`.
    Config = 78,
    /// As docker: `exec` itself failed.
    ExecFailed = 125,
    /// As docker: the command is there and cannot be run.
    NotExecutable = 126,
    /// As docker: there is no such command.
    CommandNotFound = 127,
}

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    pub(crate) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }
}

/// Messages repeat text from outside: what could steer a terminal is shown, not obeyed.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.chars().try_for_each(|c| match c {
            c if c.is_control() && c != '\n' => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failure, format!("{error:#}"))
    }
}
