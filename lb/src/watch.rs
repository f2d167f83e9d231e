//! What a worker watches of its connections: who stands still, and who is to finish.
//!
//! A connection only writes into cells as it goes along; the worker's sweep looks at all of
//! them a few times a second and wakes those whose time is up. So nothing is armed per read
//! or per request, and an idle connection costs no timer.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use minicloud_lb_api::LoadBalancerAttributes;
use slab::Slab;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::config::Timeouts;

/// How often a sweep is due; deadlines are met up to two of these late.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// By which alarms are gathered, so that a thousand a second cost a hundred wake-ups.
const SLOT_MILLIS: u64 = 10;
/// Of a ring of alarms: longer than anything is waited for before it is late.
const SLOTS: usize = 128;
/// Before the pace of a body is judged.
const PACE_GRACE: Duration = Duration::from_secs(10);
/// Of which bytes that came sooner than they had to are remembered: a burst buys no more time
/// to stand still than standing still has anyway.
const PACE_MEMORY: Duration = Duration::from_secs(60);

/// One connection's cells.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) port: u16,
    phase: Cell<Phase>,
    awaited: Cell<Side>,
    expiry: Cell<Option<Expiry>>,
    /// Whether an alarm that was set has rung; the number tells alarms apart.
    alarm: Cell<(u32, bool)>,
    is_retiring: Cell<bool>,
    /// A request has come.
    is_used: Cell<bool>,
    /// The phase began, or bytes that count moved, since the last sweep. Its time is that of
    /// the sweep that finds this: clocks are not read for each event.
    has_moved: Cell<bool>,
    since: Cell<Instant>,
    /// It has been idle from one sweep to the next.
    is_dormant: Cell<bool>,
    born: Instant,
    pace: Cell<Pace>,
    waker: RefCell<Option<Waker>>,
}

/// Whose turn it is to move bytes, and so whose fault a stall is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No request.
    Idle,
    /// Part of a request's head has come.
    Head,
    /// A request awaits its turn, which is nobody's stall: the queue has a deadline of its own.
    Queued,
    /// A request awaits its response's head.
    Waiting,
    /// A response is on its way.
    Responding,
    /// The connection has left HTTP.
    Tunnel,
    /// Our side has ended; what still comes is thrown away.
    Linger,
}

/// Why a phase is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// It was this side's turn for too long.
    Stalled(Side),
    /// The target is deregistered, or the balancer ends, and the time to finish is over.
    Cut,
}

/// How fast a client moves a body while it is its turn.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    bytes: u64,
    /// Time in which it was the client's turn.
    turn: Duration,
}

/// What a listener asks of its connections' pace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Patience {
    pub(crate) idle: Duration,
    pub(crate) keep_alive: Duration,
    /// Bytes a second.
    pub(crate) min_body_rate: u64,
}

/// A set of watches, in no order.
#[derive(Debug, Default)]
pub(crate) struct Watches(RefCell<Slab<Rc<Watch>>>);

/// Alarms of a worker's connections, in slots of time: to set one is to push it, whenever
/// the others are due. They ring up to a slot late.
#[derive(Debug)]
pub(crate) struct Alarms {
    slots: RefCell<Slots>,
    is_set: Notify,
}

#[derive(Debug)]
struct Slots {
    /// A ring; the slot of a time is its number of slots since `epoch`.
    ring: Vec<Vec<Alarm>>,
    epoch: Instant,
    /// The first slot that has not rung.
    next: usize,
    pending: usize,
}

/// An alarm of one watch, and the number that the watch knows it by.
type Alarm = (u32, Rc<Watch>);

/// A watch's place in a set, until dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    watches: Rc<Watches>,
    key: usize,
}

impl Patience {
    /// What a listener's attributes say, or, once it is gone, what is usual.
    pub(crate) fn new(attributes: Option<&LoadBalancerAttributes>) -> Self {
        let default = LoadBalancerAttributes::default();
        let attributes = attributes.unwrap_or(&default);
        Self {
            idle: attributes.idle_timeout,
            keep_alive: attributes.client_keep_alive,
            min_body_rate: attributes.min_body_rate_bytes_per_second,
        }
    }
}

impl Watch {
    pub(crate) fn new(port: u16, now: Instant) -> Self {
        Self {
            port,
            phase: Cell::new(Phase::Idle),
            awaited: Cell::new(Side::Target),
            expiry: Cell::new(None),
            alarm: Cell::default(),
            is_retiring: Cell::new(false),
            is_used: Cell::new(false),
            has_moved: Cell::new(true),
            is_dormant: Cell::new(false),
            since: Cell::new(now),
            born: now,
            pace: Cell::default(),
            waker: RefCell::default(),
        }
    }

    /// Of a connection that was accepted at `born`, has been idle since `idle_since` and was
    /// dormant until now.
    pub(crate) fn resumed(port: u16, born: Instant, idle_since: Instant) -> Self {
        Self {
            has_moved: Cell::new(false),
            since: Cell::new(idle_since),
            ..Self::new(port, born)
        }
    }

    /// When the connection was accepted.
    pub(crate) fn born(&self) -> Instant {
        self.born
    }

    /// Since when nothing has moved.
    pub(crate) fn idle_since(&self) -> Instant {
        match self.has_moved.get() {
            true => Instant::now(),
            false => self.since.get(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.expiry.set(None);
        self.alarm.set((self.alarm.get().0.wrapping_add(1), false));
        self.awaited.set(Side::Target);
        self.has_moved.set(true);
        self.is_used.set(true);
        self.is_dormant.set(false);
        self.pace.set(Pace::default());
    }

    /// The other side has done its part.
    pub(crate) fn awaits(&self, side: Side) {
        self.awaited.set(side);
    }

    /// `bytes` of a body or tunnel have moved at the client's side. A head gets no credit for
    /// trickling in.
    pub(crate) fn progress(&self, bytes: usize) {
        let mut pace = self.pace.get();
        pace.bytes += bytes as u64;
        self.pace.set(pace);
        self.has_moved.set(true);
    }

    /// Bytes have moved at the target's side.
    pub(crate) fn target_progress(&self) {
        self.has_moved.set(true);
    }

    /// Ready once the phase has taken too long; entering another phase clears that. The
    /// task that polls this is woken when it happens, and when the connection is to retire.
    pub(crate) fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<Expiry> {
        if let Some(expiry) = self.expiry.get() {
            return Poll::Ready(expiry);
        }
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(known) if known.will_wake(cx.waker()) => {}
            slot => *slot = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether the phase's alarm has rung; tells once.
    pub(crate) fn take_alarm(&self) -> bool {
        let (number, has_rung) = self.alarm.get();
        self.alarm.set((number, false));
        has_rung
    }

    /// Rings, unless the phase for which the alarm was set is over.
    fn ring(&self, number: u32) {
        if self.alarm.get().0 == number {
            self.alarm.set((number, true));
            self.wake();
        }
    }

    /// Whether the connection is to end with its current response, or now if it is idle.
    pub(crate) fn is_retiring(&self) -> bool {
        self.is_retiring.get()
    }

    /// Whether anything has come of a request, since the connection was accepted or resumed.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used.get()
    }

    /// Whether it has been idle for so long that it should hold on to nothing.
    pub(crate) fn is_dormant(&self) -> bool {
        self.is_dormant.get()
    }

    pub(crate) fn retire(&self) {
        self.is_retiring.set(true);
        self.wake();
    }

    fn expire(&self, expiry: Expiry) {
        self.expiry.set(Some(expiry));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn deadline(&self, timeouts: &Timeouts, patience: &Patience) -> Option<Instant> {
        let limit = match self.phase.get() {
            Phase::Idle | Phase::Waiting | Phase::Responding => patience.idle,
            Phase::Head => timeouts.header_read,
            Phase::Tunnel => timeouts.tunnel_idle,
            Phase::Linger => timeouts.linger,
            Phase::Queued => return None,
        };
        Some(self.since.get() + limit)
    }

    /// Looks at the cells once, `since_last` after the last time.
    pub(crate) fn sweep(
        &self,
        now: Instant,
        since_last: Duration,
        timeouts: &Timeouts,
        patience: &Patience,
    ) {
        let has_moved = self.has_moved.take();
        if has_moved {
            self.since.set(now);
        }
        let is_slow = self.is_too_slow(since_last, patience.min_body_rate);
        let deadline = self.deadline(timeouts, patience);
        if is_slow || deadline.is_some_and(|deadline| now >= deadline) {
            self.expire(Expiry::Stalled(self.awaited.get()));
        }
        let is_idle = self.phase.get() == Phase::Idle;
        if is_idle && !has_moved && !self.is_dormant() {
            self.is_dormant.set(true);
            self.wake();
        }
        if !self.is_retiring() && now.duration_since(self.born) >= patience.keep_alive {
            self.retire();
        }
    }

    /// A client that moves a byte now and then makes progress for ever; it may not take for
    /// ever. Its turn is sampled by the sweeps.
    fn is_too_slow(&self, since_last: Duration, min_rate: u64) -> bool {
        let has_body = matches!(self.phase.get(), Phase::Waiting | Phase::Responding);
        if !has_body || self.awaited.get() != Side::Client {
            return false;
        }
        let owed_in = |turn: Duration| (min_rate as f64 * turn.as_secs_f64()) as u64;
        let mut pace = self.pace.get();
        pace.turn += since_last;
        pace.bytes = pace.bytes.min(owed_in(pace.turn + PACE_MEMORY));
        self.pace.set(pace);
        pace.turn > PACE_GRACE && pace.bytes < owed_in(pace.turn)
    }
}

impl Watches {
    pub(crate) fn add(self: &Rc<Self>, watch: &Rc<Watch>) -> Membership {
        Membership {
            watches: Rc::clone(self),
            key: self.0.borrow_mut().insert(Rc::clone(watch)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Sweeps all; `patience` is that of a port's listener.
    pub(crate) fn sweep(
        &self,
        now: Instant,
        since_last: Duration,
        timeouts: &Timeouts,
        patience: impl Fn(u16) -> Patience,
    ) {
        let mut last: Option<(u16, Patience)> = None;
        for (_, watch) in self.0.borrow().iter() {
            let patience = match last {
                Some((port, patience)) if port == watch.port => patience,
                _ => patience(watch.port),
            };
            last = Some((watch.port, patience));
            watch.sweep(now, since_last, timeouts, &patience);
        }
    }

    /// Ends the exchanges of all.
    pub(crate) fn cut(&self) {
        for (_, watch) in self.0.borrow().iter() {
            watch.expire(Expiry::Cut);
        }
    }

    /// Ends those that have left HTTP.
    pub(crate) fn end_tunnels(&self) {
        for (_, watch) in self.0.borrow().iter() {
            if watch.phase() == Phase::Tunnel {
                watch.expire(Expiry::Cut);
            }
        }
    }

    /// Tells all connections of a port to finish.
    pub(crate) fn retire(&self, port: u16) {
        for (_, watch) in self.0.borrow().iter() {
            if port == watch.port {
                watch.retire();
            }
        }
    }
}

impl Alarms {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            slots: RefCell::new(Slots {
                ring: vec![Vec::new(); SLOTS],
                epoch,
                next: 0,
                pending: 0,
            }),
            is_set: Notify::new(),
        }
    }

    /// Lets `watch` ring at `at`, if it is in the same phase then. `now` is not long ago, and
    /// `at` at most a turn of the ring after it: what is later rings then.
    pub(crate) fn set(&self, at: Instant, now: Instant, watch: &Rc<Watch>) {
        let mut slots = self.slots.borrow_mut();
        if slots.pending == 0 {
            slots.next = slots.slot(now);
            self.is_set.notify_one();
        }
        let last = slots.next + SLOTS - 1;
        let slot = (slots.slot(at) + 1).clamp(slots.next, last);
        slots.ring[slot % SLOTS].push((watch.alarm.get().0, Rc::clone(watch)));
        slots.pending += 1;
    }

    /// Rings what is due, for ever.
    pub(crate) async fn run(&self) {
        loop {
            match self.ring_due(Instant::now()) {
                Some(next) => sleep_until(next).await,
                None => self.is_set.notified().await,
            }
        }
    }

    /// When the next slot is due, if there is an alarm in any.
    fn ring_due(&self, now: Instant) -> Option<Instant> {
        let mut slots = self.slots.borrow_mut();
        let due = slots.slot(now);
        while slots.pending > 0 {
            if slots.next > due {
                return Some(slots.epoch + Duration::from_millis(SLOT_MILLIS * slots.next as u64));
            }
            let slot = slots.next % SLOTS;
            let mut rung = std::mem::take(&mut slots.ring[slot]);
            slots.pending -= rung.len();
            slots.next += 1;
            for (number, watch) in rung.drain(..) {
                watch.ring(number);
            }
            // For its memory.
            slots.ring[slot] = rung;
        }
        None
    }
}

impl Slots {
    fn slot(&self, at: Instant) -> usize {
        let millis = at.saturating_duration_since(self.epoch).as_millis() as u64;
        (millis / SLOT_MILLIS) as usize
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.watches.0.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests;
