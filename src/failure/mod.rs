//! How a command fails: an exit code that scripts can rely on, and three parts for people: what
//! happened, where, and what to do.
//!
//! A [`Failure`] is made here alone, by a function that is named like what happened, so that all
//! that a command can say stands together; `texts.txt` holds each of them as it is printed.

mod control_api;
mod file;
mod instance;
mod role;
#[cfg(test)]
mod tests;
mod verb;

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
    what: String,
    place: String,
    remedy: String,
}

impl Failure {
    fn new(
        exit: Exit,
        what: impl Into<String>,
        place: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            exit,
            what: what.into(),
            place: place.into(),
            remedy: remedy.into(),
        }
    }

    pub(crate) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// What happened, without where and what to do.
    pub(crate) fn what(&self) -> String {
        Shown(&self.what).to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            place,
            remedy,
            exit: _,
        } = self;
        write!(
            f,
            "{}\n  where: {}\n  to do: {}",
            Shown(what),
            Shown(place),
            Shown(remedy)
        )
    }
}

/// Failures repeat text from outside: what could steer a terminal is shown, not obeyed.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            c if c.is_control() && c != '\n' => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}
