//! Places between two side effects at which a test has the process killed, as `kill -9` would.

use std::{fmt, str::FromStr};

/// Every step of a scale-out and of a drain after which a crash leaves something half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// The instance is in the store, nothing else knows of it.
    LaunchRecorded,
    /// The provider has launched it, the store does not know.
    Launched,
    /// In service in the store, not yet in a snapshot as such.
    InServiceRecorded,
    /// On its way out in the store, to its end or into standby, still taking requests at the
    /// balancer.
    DeregistrationRecorded,
    /// The balancer has been told to drain it.
    DeregistrationPublished,
    /// Drained, about to be ended or in standby.
    Drained,
    /// The provider has ended it, the store does not know.
    Terminated,
}

impl CrashPoint {
    pub const ALL: [Self; 7] = [
        Self::LaunchRecorded,
        Self::Launched,
        Self::InServiceRecorded,
        Self::DeregistrationRecorded,
        Self::DeregistrationPublished,
        Self::Drained,
        Self::Terminated,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LaunchRecorded => "launch-recorded",
            Self::Launched => "launched",
            Self::InServiceRecorded => "in-service-recorded",
            Self::DeregistrationRecorded => "deregistration-recorded",
            Self::DeregistrationPublished => "deregistration-published",
            Self::Drained => "drained",
            Self::Terminated => "terminated",
        }
    }

    /// Crashes here where this point is the one `armed`.
    pub fn reached(self, armed: Option<Crash>) {
        match armed {
            Some(Crash::Process(at)) if at == self => {
                let _ = rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::KILL,
                );
            }
            Some(Crash::Loop(at)) if at == self => std::panic::resume_unwind(Box::new(at)),
            _ => {}
        }
    }
}

/// A crash that a test asks for, without a chance to clean up either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// SIGKILL for this process.
    Process(CrashPoint),
    /// The loop ends and this process goes on: on a virtual clock there is no other to kill.
    Loop(CrashPoint),
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CrashPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|point| point.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                format!("`{text}` is not a crash point; they are: {known}")
            })
    }
}
