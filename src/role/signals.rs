//! How a person or an init system ends us.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGINT and SIGTERM, and SIGHUP where a terminal can hang up on us (under nohup, whose
/// wish to ignore it is respected, stderr is none).
#[derive(Debug)]
pub(crate) struct Signals(Vec<Signal>);

impl Signals {
    /// From now on these signals no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if io::stderr().is_terminal() {
            kinds.push(SignalKind::hangup());
        }
        let signals: Result<_, _> = kinds.into_iter().map(signal).collect();
        signals.map(Self).map_err(|error| Failure::signals(&error))
    }

    /// Resolves with the next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        let received = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures_util::future::select_all(received).await;
    }
}
