//! How far the user data of containers is, from their logs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::{container::LogOutput, query_parameters::LogsOptions};
use bytes::Bytes;
use futures_util::StreamExt;

use super::engine::{Engine, Fault};
use crate::{launch_template::user_data::Outcome, provider::ObservedState};

/// Says that a container has user data, and whether it ends where that fails.
pub(super) const LABEL: &str = "minicloud.user-data";
pub(super) const REQUIRED: &str = "required";
pub(super) const OPTIONAL: &str = "optional";
/// Of a log that is read for the outcome. What a script says beyond is not waited for.
const MOST_READ: usize = 4 << 20;
/// Well within the time that a list may take.
const READ_LIMIT: Duration = Duration::from_secs(3);

/// Outcomes by container: a log is read until it tells.
#[derive(Debug, Default)]
pub(super) struct Outcomes(Mutex<BTreeMap<String, Seen>>);

/// What a container's user data has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Runs,
    /// How it failed, where it did.
    Ended(Option<String>),
}

impl Outcomes {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets containers that are gone.
    pub(super) fn retain(&self, containers: &BTreeSet<&str>) {
        self.known()
            .retain(|container, _| containers.contains(container.as_str()));
    }

    pub(super) async fn of(&self, engine: &Engine, container: &str) -> Seen {
        if let Some(seen) = self.known().get(container) {
            return seen.clone();
        }
        let seen = look(engine, container).await;
        if matches!(seen, Seen::Ended(_)) {
            self.known().insert(container.to_owned(), seen.clone());
        }
        seen
    }
}

async fn look(engine: &Engine, container: &str) -> Seen {
    let options = LogsOptions {
        stdout: true,
        stderr: true,
        tail: "all".to_owned(),
        ..LogsOptions::default()
    };
    let read = engine.call_within(READ_LIMIT, async |docker| {
        let mut log = Vec::new();
        let mut output = std::pin::pin!(docker.logs(container, Some(options)));
        while let Some(item) = output.next().await {
            log.extend_from_slice(&message(item?));
            if log.len() > MOST_READ {
                break;
            }
        }
        Ok(log)
    });
    let log = match read.await {
        Ok(log) => log,
        // Asked again with the next list, which other instances do not wait for.
        Err(Fault::Unreachable(_)) => return Seen::Runs,
        // A logging driver that cannot be read, or a container that has gone: nobody knows.
        Err(_) => return Seen::Ended(None),
    };
    match Outcome::find(&log) {
        Some(outcome) => Seen::Ended(outcome.failure()),
        None if log.len() > MOST_READ => Seen::Ended(None),
        None => Seen::Runs,
    }
}

/// What was written, whichever stream it went to.
pub(super) fn message(item: LogOutput) -> Bytes {
    let (LogOutput::StdErr { message }
    | LogOutput::StdOut { message }
    | LogOutput::StdIn { message }
    | LogOutput::Console { message }) = item;
    message
}

/// Where its user data is required, an instance does not run before that has ended well.
pub(super) fn state_after(state: ObservedState, seen: &Seen, required: bool) -> ObservedState {
    match (state, seen) {
        (ObservedState::Running { .. }, Seen::Runs) if required => ObservedState::Starting,
        (ObservedState::Exited { .. }, Seen::Ended(Some(failure))) if required => {
            ObservedState::Exited {
                detail: failure.clone(),
            }
        }
        (state, _) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_user_data_comes_before_running() {
        let running = || ObservedState::Running {
            address: "a:1".to_owned(),
        };
        let exited = |detail: &str| ObservedState::Exited {
            detail: detail.to_owned(),
        };
        let failed = Seen::Ended(Some("why".to_owned()));
        assert_eq!(state_after(running(), &Seen::Runs, false), running());
        let starting = state_after(running(), &Seen::Runs, true);
        assert_eq!(starting, ObservedState::Starting);
        let fine = Seen::Ended(None);
        assert_eq!(state_after(running(), &fine, true), running());
        assert_eq!(state_after(exited("code"), &failed, true), exited("why"));
        assert_eq!(state_after(exited("code"), &failed, false), exited("code"));
    }
}
