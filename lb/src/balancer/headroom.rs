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
            self.factor.store(factor(load.cpu_utilization_percent), now);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(cpu_utilization_percent: u8, sample: u64) -> TargetLoad {
        TargetLoad {
            cpu_utilization_percent,
            sample,
        }
    }

    fn assert_near(factor: f64, expected: f64) {
        assert!((factor - expected).abs() < 1e-6, "{factor}");
    }

    #[test]
    fn factor_is_what_is_idle() {
        for (percent, expected) in [(0, 1.0), (40, 0.6), (95, 0.05), (100, 0.05), (255, 0.05)] {
            let now = Instant::now();
            let headroom = Headroom::new(now);
            headroom.note(load(percent, 1), now);
            assert_near(headroom.factor(now), expected);
        }
    }

    #[test]
    fn unmeasured_target_is_neutral() {
        let now = Instant::now();
        assert_eq!(Headroom::new(now).factor(now), 1.0);
    }

    #[test]
    fn sample_fades_to_neutral_when_stale() {
        let now = Instant::now();
        let headroom = Headroom::new(now);
        headroom.note(load(80, 0), now);
        for (age, expected) in [(10, 0.2), (20, 0.6), (30, 1.0), (3600, 1.0)] {
            assert_near(headroom.factor(now + Duration::from_secs(age)), expected);
        }
    }

    #[test]
    fn repeated_sample_gets_no_younger() {
        let now = Instant::now();
        let headroom = Headroom::new(now);
        headroom.note(load(80, 7), now);
        let later = now + Duration::from_secs(20);
        headroom.note(load(80, 7), later);
        assert_near(headroom.factor(later), 0.6);
        headroom.note(load(80, 8), later);
        assert_near(headroom.factor(later), 0.2);
    }
}
