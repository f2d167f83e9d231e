//! The one place that reads a clock for the decision core.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

/// Read once per pass at the loop's edge and handed down, so that every rule of the pass
/// agrees on the time. `mono` measures durations; `wall` is for records that outlive the process.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub mono: Instant,
    pub wall: Timestamp,
}

/// Source of [`Now`]; tests bring one that follows tokio's paused clock.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Now;
}

impl<C: Clock> Clock for Arc<C> {
    fn now(&self) -> Now {
        (**self).now()
    }
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one reader of the wall clock"
    )]
    fn now(&self) -> Now {
        Now {
            mono: Instant::now(),
            wall: Timestamp::now(),
        }
    }
}

/// A wall clock that starts at a given time and runs with tokio's clock, paused or not.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    start: Now,
}

impl VirtualClock {
    pub fn starting_at(wall: Timestamp) -> Self {
        Self {
            start: Now {
                mono: Instant::now(),
                wall,
            },
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        let mono = Instant::now();
        let wall = self.start.wall + (mono - self.start.mono);
        Now { mono, wall }
    }
}

/// Time from `earlier` to `later` on the wall clock; zero where the clock was set back.
pub fn wall_since(later: Timestamp, earlier: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}
