//! Who decides: ours, and the algorithms of others as their documents have them.

pub(crate) mod aws;
pub(crate) mod hpa;
pub(crate) mod kpa;
pub(crate) mod nomad;
pub(crate) mod ours;

use std::collections::VecDeque;

use crate::simulation::Instance;

/// The target of all of them: a fraction of an instance's core.
pub(crate) const TARGET: f64 = 0.8;

/// What an algorithm sees of one second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Second<'a> {
    pub(crate) second: u64,
    /// Cores wanted, met or not: what requests in flight show and CPU does not.
    pub(crate) demand: f64,
    /// Of each instance in service, 0 to 1: CPU cannot show more.
    pub(crate) utilization: f64,
    /// As many as were desired last, booting ones included.
    pub(crate) instances: &'a [Instance],
    pub(crate) min_size: u32,
    pub(crate) max_size: u32,
}

impl Second<'_> {
    pub(crate) fn desired(&self) -> u32 {
        self.instances.len() as u32
    }

    /// Whether a period of so many seconds ends with this one.
    pub(crate) fn ends(&self, seconds: u64) -> bool {
        (self.second + 1).is_multiple_of(seconds)
    }

    /// Instances that have been in service for so many seconds.
    pub(crate) fn in_service_for(&self, seconds: u64) -> u32 {
        let old = |instance: &&Instance| instance.in_service_at + seconds <= self.second;
        self.instances.iter().filter(old).count() as u32
    }

    pub(crate) fn bounded(&self, desired: u32) -> u32 {
        desired.clamp(self.min_size, self.max_size)
    }
}

/// Says each second how many instances there should be, between the bounds.
pub(crate) trait Algorithm {
    fn name(&self) -> &'static str;
    fn decide(&mut self, now: &Second<'_>) -> u32;
}

/// The last so many seconds of a figure.
#[derive(Debug)]
struct Window {
    seconds: usize,
    values: VecDeque<f64>,
}

impl Window {
    fn new(seconds: usize) -> Self {
        Self {
            seconds,
            values: VecDeque::with_capacity(seconds),
        }
    }

    fn push(&mut self, value: f64) {
        if self.values.len() == self.seconds {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / (self.values.len() as f64).max(1.0)
    }
}

/// Whole instances for a figure that is a hair above a whole number by its sums alone.
fn ceil(instances: f64) -> u32 {
    (instances - 1e-9).ceil().max(0.0) as u32
}
