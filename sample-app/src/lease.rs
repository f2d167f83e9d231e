use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};

/// How far the server is on its way out. Only ever moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Answers ask clients to close; a connection that is idle may still bring a request.
    Draining,
    /// Idle connections are closed.
    Closing,
    /// What is left is dropped.
    Cut,
}

/// A connection's right to be open. Holding a clone keeps the server from being drained.
#[derive(Clone)]
pub(crate) struct Lease {
    _slot: Arc<OwnedSemaphorePermit>,
    phase: watch::Receiver<Phase>,
}

impl Lease {
    pub(crate) fn new(slot: OwnedSemaphorePermit, phase: watch::Receiver<Phase>) -> Self {
        Self {
            _slot: Arc::new(slot),
            phase,
        }
    }

    /// Ends once the server is in `phase` or past it, or gone.
    pub(crate) async fn reached(&self, phase: Phase) {
        let mut phases = self.phase.clone();
        // An error means that the sender, and so the server, is gone.
        let _ = phases.wait_for(|now| *now >= phase).await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.phase.borrow() > Phase::Serving
    }
}
