//! Ranges that values are held to, and how the messages and the reference page show them.

use std::{fmt, time::Duration};

use super::{
    fault::Mistake,
    units::{Bytes, show_duration},
};

/// Smallest and largest value allowed; `above` excludes the smallest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits<T> {
    low: T,
    high: T,
    above: bool,
}

/// A quantity that has limits.
pub(super) trait Quantity: Copy + PartialOrd {
    fn show(self) -> String;
}

impl<T> Limits<T> {
    pub(super) const fn new(low: T, high: T) -> Self {
        Self {
            low,
            high,
            above: false,
        }
    }

    pub(super) const fn above(low: T, high: T) -> Self {
        Self {
            low,
            high,
            above: true,
        }
    }
}

impl<T: Quantity> Limits<T> {
    pub(super) fn check(&self, value: T) -> Result<T, Mistake> {
        let low_enough = value <= self.high;
        let high_enough = if self.above {
            value > self.low
        } else {
            value >= self.low
        };
        if low_enough && high_enough {
            Ok(value)
        } else {
            Err(self.outside(&value.show()))
        }
    }

    pub(super) fn outside(&self, shown: &str) -> Mistake {
        Mistake::new(format!("`{shown}` is out of range")).hint(format!("write {self}"))
    }
}

impl<T: Quantity> fmt::Display for Limits<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (self.low.show(), self.high.show());
        match self.above {
            true => write!(f, "more than {low}, up to {high}"),
            false => write!(f, "{low} to {high}"),
        }
    }
}

impl Quantity for u32 {
    fn show(self) -> String {
        self.to_string()
    }
}

impl Quantity for f64 {
    fn show(self) -> String {
        self.to_string()
    }
}

impl Quantity for Duration {
    fn show(self) -> String {
        show_duration(self)
    }
}

impl Quantity for Bytes {
    fn show(self) -> String {
        self.to_string()
    }
}
