use std::cell::Cell;

use tokio::time::Instant;

use crate::config::Timeouts;

/// Tells when a client connection has stood still for too long.
///
/// Every event only writes the time into a cell; the connection's one timer looks at the
/// cells when it fires, so nothing is armed per read or per request.
#[derive(Debug)]
pub(crate) struct StallWatch {
    phase: Cell<Phase>,
    /// When the phase began or, where that counts, bytes last moved.
    progress: Cell<Instant>,
    expired: Cell<bool>,
    uploading: Cell<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No request.
    Idle,
    /// Part of a request's head has come.
    Head,
    /// A request awaits its response's head.
    Waiting,
    /// A response is on its way.
    Responding,
    /// The connection has left HTTP.
    Tunnel,
}

impl StallWatch {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            progress: Cell::new(now),
            expired: Cell::new(false),
            uploading: Cell::new(false),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.expired.set(false);
        self.uploading.set(false);
        self.progress.set(Instant::now());
    }

    /// Bytes have moved. A head gets no credit for trickling in.
    pub(crate) fn progress(&self) {
        if self.phase.get() != Phase::Head {
            self.progress.set(Instant::now());
        }
    }

    /// Bytes have come from the client.
    pub(crate) fn received(&self) {
        match self.phase.get() {
            Phase::Idle => self.enter(Phase::Head),
            _ => self.progress(),
        }
    }

    /// Whether the target waits for the client's body, so that a stall is the client's.
    pub(crate) fn awaits_client(&self, uploading: bool) {
        self.uploading.set(uploading);
    }

    pub(crate) fn is_awaiting_client(&self) -> bool {
        self.uploading.get()
    }

    pub(crate) fn deadline(&self, timeouts: &Timeouts) -> Instant {
        let limit = match self.phase.get() {
            Phase::Idle => timeouts.client_idle,
            Phase::Head => timeouts.header_read,
            Phase::Waiting if self.uploading.get() => timeouts.client_idle,
            Phase::Waiting => timeouts.target_idle,
            // Either side may be the slow one.
            Phase::Responding => timeouts.target_idle.max(timeouts.client_idle),
            Phase::Tunnel => timeouts.tunnel_idle,
        };
        self.progress.get() + limit
    }

    /// Gives up on the request's response head; whoever polls it next finds out.
    pub(crate) fn expire(&self) {
        self.expired.set(true);
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.expired.get()
    }
}
