//! Where a worker's idle client connections wait that have no task.
//!
//! A connection that stands still costs its task, its registration with the runtime, its
//! client and its watch: more than a kibibyte. Parked it is one entry of a table. An epoll
//! instance of the lot's own, which the runtime watches as one descriptor, tells which of them
//! can be read; its level triggers miss nothing that came before the parking.

use std::{cell::RefCell, future::pending, io, os::fd::OwnedFd};

use prometheus::IntGauge;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use slab::Slab;
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::yield_now,
    time::Instant,
};

use crate::{client::Arrival, stream::Detached, watch::Patience};

/// Connections with a task, of one worker, above which those that have asked once are parked
/// without waiting for more: what a thousand tasks take at a time stays with the process.
pub(crate) const CROWD: usize = 512;
/// Woken at a time, before others have their turn.
const BATCH: usize = 64;

/// The parked connections of a worker.
#[derive(Debug)]
pub(crate) struct ParkingLot {
    epoll: AsyncFd<OwnedFd>,
    /// By what the epoll instance knows them by.
    parked: RefCell<Slab<Parked>>,
    outlook: RefCell<Outlook>,
    count: IntGauge,
}

/// A connection that has nothing but its socket.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) socket: Detached,
    pub(crate) arrival: Arrival,
    pub(crate) idle_since: Instant,
}

/// What spares the sweep most of its walks through all that is parked.
#[derive(Debug, Default)]
struct Outlook {
    /// Of the ports of all that is parked, as the next deadline was worked out from it.
    patience: Vec<(u16, Patience)>,
    /// No deadline comes sooner.
    next: Option<Instant>,
}

impl ParkingLot {
    /// An empty lot; `count` is the number parked in all lots.
    ///
    /// # Errors
    /// The kernel's, of descriptors that ran out.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(crate) fn new(count: &IntGauge) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for descriptors that may change; this one is owned"
        )]
        let epoll = AsyncFd::with_interest(epoll, Interest::READABLE)?;
        Ok(Self {
            epoll,
            parked: RefCell::default(),
            outlook: RefCell::default(),
            count: count.clone(),
        })
    }

    /// Takes a connection in; `patience` is that of its port now.
    ///
    /// # Errors
    /// The kernel's, as it cannot watch one more; with the connection.
    pub(crate) fn park(
        &self,
        parked: Parked,
        patience: Patience,
    ) -> Result<(), Box<(io::Error, Parked)>> {
        let mut all = self.parked.borrow_mut();
        let place = all.vacant_entry();
        let name = epoll::EventData::new_u64(place.key() as u64);
        let wanted = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        if let Err(error) = epoll::add(&self.epoll, &parked.socket, name, wanted) {
            return Err(Box::new((error.into(), parked)));
        }
        self.outlook.borrow_mut().note(&parked, patience);
        place.insert(parked);
        self.count.inc();
        Ok(())
    }

    /// Hands those to `resume` that have something to be read, and frees those that have
    /// ended, for ever.
    pub(crate) async fn run(&self, mut resume: impl FnMut(Parked)) {
        let mut events = Vec::with_capacity(BATCH);
        loop {
            // Fails only when the runtime goes down.
            let Ok(mut readiness) = self.epoll.readable().await else {
                return pending().await;
            };
            self.next_events(&mut events);
            // Those are all, and none of them stays watched: what comes next is told anew.
            if events.len() < BATCH {
                readiness.clear_ready();
            }
            for event in events.drain(..) {
                if let Some(parked) = self.take(event)
                    && !(has_ended(event.flags) && parked.socket.is_over())
                {
                    resume(parked);
                }
            }
            yield_now().await;
        }
    }

    /// Fills `events` with what has happened, which may be nothing.
    fn next_events(&self, events: &mut Vec<epoll::Event>) {
        let at_once = Timespec::default();
        while let Err(error) = epoll::wait(&self.epoll, spare_capacity(events), Some(&at_once)) {
            debug_assert_eq!(error, rustix::io::Errno::INTR);
        }
    }

    fn take(&self, event: epoll::Event) -> Option<Parked> {
        let key = usize::try_from(event.data.u64()).ok()?;
        let parked = self.parked.borrow_mut().try_remove(key)?;
        self.forget(&parked);
        Some(parked)
    }

    /// Closes those whose time is up at `now`; `patience` is that of a port's listener.
    pub(crate) fn sweep(&self, now: Instant, patience: impl Fn(u16) -> Patience) {
        let mut outlook = self.outlook.borrow_mut();
        if outlook.is_clear(now, &patience) {
            return;
        }
        *outlook = Outlook::default();
        self.parked.borrow_mut().retain(|_, parked| {
            let port = parked.arrival.port;
            let patience = outlook.known(port).unwrap_or_else(|| patience(port));
            let stays = now < parked.deadline(&patience);
            match stays {
                true => outlook.note(parked, patience),
                false => self.forget(parked),
            }
            stays
        });
    }

    /// Closes those of a port.
    pub(crate) fn retire(&self, port: u16) {
        self.parked.borrow_mut().retain(|_, parked| {
            let stays = parked.arrival.port != port;
            if !stays {
                self.forget(parked);
            }
            stays
        });
    }

    /// Ends the watching of what is no longer parked. To close it would not do while a child
    /// process that is being started has a copy of the descriptor.
    fn forget(&self, parked: &Parked) {
        self.count.dec();
        if let Err(error) = epoll::delete(&self.epoll, &parked.socket) {
            tracing::error!(%error, "a parked connection was not watched");
        }
    }
}

impl Parked {
    fn deadline(&self, patience: &Patience) -> Instant {
        let idle = self.idle_since + patience.idle;
        idle.min(self.arrival.born + patience.keep_alive)
    }
}

impl Outlook {
    fn known(&self, port: u16) -> Option<Patience> {
        let known = self.patience.iter().find(|(known, _)| *known == port);
        known.map(|(_, patience)| *patience)
    }

    fn note(&mut self, parked: &Parked, patience: Patience) {
        let port = parked.arrival.port;
        if self.known(port).is_none() {
            self.patience.push((port, patience));
        }
        let deadline = parked.deadline(&patience);
        self.next = Some(self.next.map_or(deadline, |next| next.min(deadline)));
    }

    /// Whether no deadline has come, also where patience has changed.
    fn is_clear(&self, now: Instant, patience: impl Fn(u16) -> Patience) -> bool {
        let mut known = self.patience.iter();
        self.next.is_none_or(|next| now < next)
            && known.all(|(port, known)| *known == patience(*port))
    }
}

/// Whether the other side has ended the connection, perhaps after some bytes.
fn has_ended(flags: epoll::EventFlags) -> bool {
    flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
}

#[cfg(test)]
mod tests;
