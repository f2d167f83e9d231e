//! All interleavings, by loom: `places` once more, made of loom's atomics.

#[expect(dead_code, reason = "looks that take no part in a protocol")]
#[path = "places.rs"]
mod places;

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

use std::collections::VecDeque;

use loom::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    thread,
};

use self::{
    atomic::Ordering,
    places::{Gate, Waiters},
};

#[test]
fn idle_gate_has_no_claim_and_gets_none() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(None));
        let inside = Arc::new(AtomicBool::new(false));
        let claimer = {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            thread::spawn(move || {
                if gate.claim() {
                    inside.store(true, Ordering::Relaxed);
                    thread::yield_now();
                    inside.store(false, Ordering::Relaxed);
                    gate.release();
                }
            })
        };
        gate.drain();
        if gate.in_flight() == 0 {
            assert!(!inside.load(Ordering::Relaxed), "a claim outlived the look");
            assert!(!gate.claim());
            claimer.join().unwrap();
            assert_eq!(gate.in_flight(), 0, "stays idle");
        } else {
            claimer.join().unwrap();
        }
    });
}

#[test]
fn end_of_draining_is_told_exactly_once() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(None));
        let claimers: Vec<_> = (0..2)
            .map(|_| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || gate.claim() && gate.release())
            })
            .collect();
        gate.drain();
        let was_idle = gate.in_flight() == 0;
        let told = claimers.into_iter().map(|claimer| claimer.join().unwrap());
        let told = told.filter(|was_last| *was_last).count();
        assert_eq!(gate.in_flight(), 0);
        assert!(told <= 1);
        assert!(was_idle || told == 1, "nobody tells the control task");
    });
}

#[test]
fn limit_is_never_exceeded() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(Some(1)));
        let inside = Arc::new(AtomicBool::new(false));
        let claimers: Vec<_> = (0..2)
            .map(|_| {
                let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
                thread::spawn(move || {
                    if gate.claim() {
                        assert!(!inside.load(Ordering::Relaxed), "two in one place");
                        inside.store(true, Ordering::Relaxed);
                        assert_eq!(gate.in_flight(), 1);
                        inside.store(false, Ordering::Relaxed);
                        gate.release();
                    }
                })
            })
            .collect();
        for claimer in claimers {
            claimer.join().unwrap();
        }
        assert_eq!(gate.in_flight(), 0);
    });
}

/// A group of one target with one place, and its queue.
struct Group {
    gate: Gate,
    waiters: Waiters,
    queue: Mutex<VecDeque<Arc<AtomicBool>>>,
}

impl Group {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(Some(1)),
            waiters: Waiters::new(),
            queue: Mutex::new(VecDeque::new()),
        })
    }

    /// Claims, or waits in the queue to be woken; answers by what it is woken.
    fn claim_or_wait(&self) -> Option<Arc<AtomicBool>> {
        if self.gate.claim() {
            return None;
        }
        let woken = Arc::new(AtomicBool::new(false));
        self.waiters.enter();
        self.queue.lock().unwrap().push_back(Arc::clone(&woken));
        if !self.gate.claim() {
            return Some(woken);
        }
        let mut queue = self.queue.lock().unwrap();
        if let Some(place) = queue.iter().position(|own| Arc::ptr_eq(own, &woken)) {
            queue.remove(place);
            self.waiters.leave();
        }
        None
    }

    fn release(&self) {
        self.gate.release();
        if self.waiters.is_any()
            && let Some(woken) = self.queue.lock().unwrap().pop_front()
        {
            self.waiters.leave();
            woken.store(true, Ordering::Release);
        }
    }
}

#[test]
fn who_waits_is_woken_by_a_release() {
    loom::model(|| {
        let group = Group::new();
        assert!(group.gate.claim());
        let releaser = {
            let group = Arc::clone(&group);
            thread::spawn(move || group.release())
        };
        let woken = group.claim_or_wait();
        releaser.join().unwrap();
        if let Some(woken) = woken {
            assert!(
                woken.load(Ordering::Acquire),
                "a free place, and someone waits"
            );
            assert!(group.gate.claim());
        }
        assert_eq!(group.gate.in_flight(), 1);
    });
}

#[test]
fn two_who_wait_are_both_served() {
    // Three threads have too many interleavings; faults show with few preemptions.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let group = Group::new();
        assert!(group.gate.claim());
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let group = Arc::clone(&group);
                thread::spawn(move || match group.claim_or_wait() {
                    None => {
                        group.release();
                        None
                    }
                    woken => woken,
                })
            })
            .collect();
        group.release();
        // Who is woken claims, or finds that another one has and waits again.
        let left: Vec<_> = waiters
            .into_iter()
            .filter_map(|waiter| waiter.join().unwrap())
            .collect();
        let woken = left.iter().filter(|woken| woken.load(Ordering::Acquire));
        assert!(
            left.is_empty() || woken.count() > 0,
            "a free place, and nobody is told"
        );
        assert_eq!(group.gate.in_flight(), 0);
    });
}
