//! Waiting with the kernel's precision: tokio's own timer rounds up to milliseconds, several
//! times what a request takes.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::Instant,
};

pub(crate) struct Pace(AsyncFd<OwnedFd>);

impl Pace {
    #[expect(
        deprecated,
        reason = "its successor is an unsafe fn; what it guards against, a type that lies about \
                  its descriptor, is not OwnedFd"
    )]
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        AsyncFd::with_interest(timer, Interest::READABLE).map(Self)
    }

    /// Returns at `due`; at once where that has passed.
    pub(crate) async fn until(&self, due: Instant) -> io::Result<()> {
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: timespec(Duration::ZERO),
            it_value: timespec(wait),
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        self.0
            .async_io(Interest::READABLE, |timer| {
                Ok(rustix::io::read(timer, &mut [0; 8])?)
            })
            .await?;
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).expect("waits are shorter than centuries")
}
