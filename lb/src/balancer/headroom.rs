//! How much CPU a target has left, as its agent measured.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use minicloud_lb_api::TargetLoad;
use tokio::time::Instant;

use super::stamped::Stamped;

/// So long a sample counts whole: agents are scraped every second to every five.
const FRESH: Duration = Duration::from_secs(10);
/// From then on it says nothing.
const STALE: Duration = Duration::from_secs(30);
/// The least headroom: a target at its limit still gets a twentieth.
const LEAST: f64 = 0.05;
/// That of a target nobody measures.
const NEUTRAL: f64 = 1.0;

/// The last sample; written by the control task, read by all threads.
#[derive(Debug)]
pub(crate) struct Headroom {
    factor: Stamped,
    sample: AtomicU64,
}

impl Headroom {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            factor: Stamped::new(epoch),
            sample: AtomicU64::new(0),
        }
    }

    /// Takes in what a snapshot says. The same sample again does not make it younger.
    pub(crate) fn note(&self, load: TargetLoad, now: Instant) {
        let is_first = self.factor.load(now).is_none();
        let last = self.sample.swap(load.sample, Ordering::Relaxed);
        if is_first || last != load.sample {
            let factor = factor(load.cpu_utilization_percent);
            self.factor.update(now, |_| factor);
        }
    }

    /// 0.05 to 1.
    pub(crate) fn factor(&self, now: Instant) -> f64 {
        match self.factor.load(now) {
            Some((factor, age)) => faded(factor, age),
            None => NEUTRAL,
        }
    }
}

fn factor(cpu_utilization_percent: u8) -> f64 {
    (1.0 - f64::from(cpu_utilization_percent) / 100.0).max(LEAST)
}

/// Goes over from `factor` to neutral as the sample gets stale.
fn faded(factor: f64, age: Duration) -> f64 {
    let beyond = age.saturating_sub(FRESH).as_secs_f64();
    let faded = (beyond / (STALE - FRESH).as_secs_f64()).min(1.0);
    factor + (NEUTRAL - factor) * faded
}
