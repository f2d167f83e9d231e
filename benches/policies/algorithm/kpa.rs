//! Knative's pod autoscaler, by concurrency.
//!
//! "Autoscaling", `config-autoscaler` (<https://knative.dev/docs/serving/autoscaling/>) and
//! `pkg/autoscaler/scaling/autoscaler.go`: each 2 s `ceil(mean / target)` over a stable window
//! of 60 s and a panic window of 6 s. Where the panic window wants twice what is ready it
//! panics, and does not scale down until that has not been so for a stable window. Down by no
//! more than half at a time; to one here, not to zero.
//!
//! Its metric is requests in flight: taken as the cores wanted, it sees what CPU cannot show,
//! how far demand is above what there is. It is the only one here with that advantage.

use super::{Algorithm, Second, TARGET, Window, ceil};

const TICK: u64 = 2;
const STABLE_WINDOW: u64 = 60;
const PANIC_WINDOW: u64 = 6;
const PANIC_THRESHOLD: f64 = 2.0;
const MAX_SCALE_DOWN_RATE: u32 = 2;

#[derive(Debug)]
pub(crate) struct Kpa {
    stable: Window,
    panic: Window,
    /// Since when it panics, counted anew each time it has reason to.
    panics_since: Option<u64>,
    most_in_panic: u32,
}

impl Default for Kpa {
    fn default() -> Self {
        Self {
            stable: Window::new(STABLE_WINDOW as usize),
            panic: Window::new(PANIC_WINDOW as usize),
            panics_since: None,
            most_in_panic: 0,
        }
    }
}

impl Algorithm for Kpa {
    fn name(&self) -> &'static str {
        "kpa"
    }

    fn decide(&mut self, now: &Second<'_>) -> u32 {
        self.stable.push(now.demand);
        self.panic.push(now.demand);
        if !now.ends(TICK) {
            return now.desired();
        }
        let ready = now.in_service_for(0).max(1);
        let wanted = |window: &Window| {
            let least = ready / MAX_SCALE_DOWN_RATE;
            ceil(window.mean() / TARGET).max(least)
        };
        let (stable, panic) = (wanted(&self.stable), wanted(&self.panic));
        if f64::from(panic) / f64::from(ready) >= PANIC_THRESHOLD {
            self.panics_since = Some(now.second);
        }
        let since = self.panics_since;
        if since.is_none_or(|since| now.second - since >= STABLE_WINDOW) {
            self.panics_since = None;
            self.most_in_panic = 0;
            return now.bounded(stable);
        }
        self.most_in_panic = self.most_in_panic.max(panic).max(now.desired());
        now.bounded(self.most_in_panic)
    }
}
