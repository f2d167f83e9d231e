use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    gate::Waiters,
    queue::{Full, Queue, Ticket},
    retry::{Budget, hedge::Lateness},
    stable_hash::stable_hash,
    stickiness::Scope,
    target::{Claim, Target},
};

/// What a target group remembers while its targets come and go.
#[derive(Debug)]
pub(crate) struct GroupState {
    pub(crate) name: String,
    /// Of the name: what cookies know it by.
    pub(crate) hash: u64,
    pub(crate) scope: Scope,
    pub(crate) budget: Budget,
    pub(crate) lateness: Lateness,
    turn: AtomicUsize,
    waiters: Waiters,
    queue: Mutex<Queue<oneshot::Sender<Claim>>>,
    rejected: AtomicU64,
    ejections: AtomicU64,
    /// From a target's registration to its first passed check, in milliseconds; 0 while none
    /// has come up.
    boot_ms: AtomicU64,
}

/// A request's place in a group's queue; it leaves when dropped.
pub(crate) struct Waiting {
    group: Arc<GroupState>,
    ticket: Ticket,
    turn: oneshot::Receiver<Claim>,
}

impl GroupState {
    pub(crate) fn new(name: &str, now: Instant) -> Self {
        Self {
            name: name.to_owned(),
            hash: stable_hash(name.as_bytes()),
            scope: Scope::of(name),
            budget: Budget::new(now),
            lateness: Lateness::new(),
            turn: AtomicUsize::new(0),
            waiters: Waiters::new(),
            queue: Mutex::new(Queue::new(0)),
            rejected: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            boot_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set_queue_capacity(&self, capacity: u32) {
        self.queue().set_capacity(capacity as usize);
    }

    /// Notes how long a target took until it passed a check.
    pub(crate) fn note_boot(&self, boot: Duration) {
        let millis = u64::try_from(boot.as_millis()).unwrap_or(u64::MAX).max(1);
        self.boot_ms.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn has_waiters(&self) -> bool {
        self.waiters.is_any()
    }

    /// Lets a request wait for a claim until `deadline`. It is in the queue on return: who
    /// calls this then lets places that are free be handed out.
    ///
    /// # Errors
    /// The queue has no place for this client.
    pub(crate) fn wait(
        self: &Arc<Self>,
        client: std::net::IpAddr,
        deadline: Instant,
        now: Instant,
    ) -> Result<Waiting, Full<()>> {
        let (sender, turn) = oneshot::channel();
        self.waiters.enter();
        let pushed = self.queue().push(client, deadline, now, sender);
        match pushed {
            Ok(pushed) => {
                // Whom it displaced sees its sender gone.
                drop(pushed.displaced);
                Ok(Waiting {
                    group: Arc::clone(self),
                    ticket: pushed.ticket,
                    turn,
                })
            }
            Err(Full(_)) => {
                self.waiters.leave();
                self.count_rejected();
                Err(Full(()))
            }
        }
    }

    /// Gives a place at `target`, if it has one, to the request whose turn it is.
    ///
    /// Who takes a place and finds nobody to give it to looks again after giving it back: in
    /// between it may have been the place that somebody found taken.
    pub(crate) fn hand_over(&self, target: &Arc<Target>) {
        while self.queue_length() > 0 {
            let Some(claim) = target.claim() else {
                return;
            };
            if self.hand_out(claim) {
                return;
            }
        }
    }

    /// Gives the claim to the request whose turn it is; false if none waits.
    pub(crate) fn hand_out(&self, mut claim: Claim) -> bool {
        loop {
            let Some(waiting) = self.queue().pop(Instant::now()) else {
                claim.release_quietly();
                return false;
            };
            match waiting.send(claim) {
                Ok(()) => return true,
                // It has just given up.
                Err(unused) => claim = unused,
            }
        }
    }

    pub(crate) fn queue_length(&self) -> usize {
        self.queue().len()
    }

    pub(crate) fn oldest_wait(&self, now: Instant) -> Duration {
        self.queue().oldest_wait(now)
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    pub(crate) fn count_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// How often one of its targets was ejected.
    pub(crate) fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    pub(crate) fn count_ejection(&self) {
        self.ejections.fetch_add(1, Ordering::Relaxed);
    }

    /// When a request that finds no place should come again. `has_targets`: some may serve,
    /// and are busy.
    pub(crate) fn retry_after(&self, has_targets: bool, now: Instant) -> Duration {
        let boot = match self.boot_ms.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        };
        self.queue().retry_after(now, boot.filter(|_| !has_targets))
    }

    /// Held for a few map operations, never over an await.
    fn queue(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Claim>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The claim, when it is this request's turn; none if it was displaced.
    pub(crate) async fn turn(&mut self) -> Option<Claim> {
        (&mut self.turn).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.group.queue().cancel(self.ticket);
        self.group.waiters.leave();
        // A claim may have come just now: it goes to the next in the queue.
        self.turn.close();
        drop(self.turn.try_recv());
    }
}
