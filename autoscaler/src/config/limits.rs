//! Ranges that values are held to, and how the messages and the reference page show them.

use std::{fmt, time::Duration};

use super::{
    fault::{Mistake, quoted},
    units::{Bytes, Rate, show_duration},
};

/// Smallest and largest value allowed; `above` excludes the smallest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<T> {
    low: T,
    high: T,
    above: bool,
}

/// A quantity that has limits.
pub(crate) trait Quantity: Copy + PartialOrd {
    fn show(self) -> String;
}

impl<T> Limits<T> {
    pub(crate) const fn new(low: T, high: T) -> Self {
        Self {
            low,
            high,
            above: false,
        }
    }

    pub(crate) const fn above(low: T, high: T) -> Self {
        Self {
            low,
            high,
            above: true,
        }
    }
}

impl<T: Copy> Limits<T> {
    pub(super) fn low(&self) -> T {
        self.low
    }

    pub(super) fn high(&self) -> T {
        self.high
    }

    /// Whether the smallest value itself is left out.
    pub(super) fn is_above(&self) -> bool {
        self.above
    }
}

impl<T: Quantity> Limits<T> {
    /// `written` is the value as the file has it.
    pub(crate) fn check(&self, value: T, written: impl fmt::Display) -> Result<T, Mistake> {
        let high_enough = match self.above {
            true => value > self.low,
            false => value >= self.low,
        };
        if high_enough && value <= self.high {
            Ok(value)
        } else {
            Err(self.outside(written))
        }
    }

    pub(crate) fn outside(&self, written: impl fmt::Display) -> Mistake {
        let written = quoted(&written.to_string());
        Mistake::new(format!("{written} is out of range")).hint(format!("write {self}"))
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
        match self.abs() < 1e15 {
            true => self.to_string(),
            false => format!("{self:e}"),
        }
    }
}

impl Quantity for Duration {
    fn show(self) -> String {
        show_duration(self)
    }
}

impl Quantity for Rate {
    fn show(self) -> String {
        self.to_string()
    }
}

impl Quantity for Bytes {
    fn show(self) -> String {
        self.to_string()
    }
}
