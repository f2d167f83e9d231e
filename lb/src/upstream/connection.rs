use std::time::Duration;

use tokio::{net::TcpStream, time::Instant};

use crate::stream::Stream;

/// One connection to a target. Dropping it closes it at once, whatever is going on there;
/// only the pool keeps it, and only between exchanges.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: Stream,
    /// How long the target says it keeps an idle connection.
    pub(crate) keep_alive: Option<Duration>,
    /// Whether it has served a request before, and so may have been closed since.
    pub(crate) is_reused: bool,
    /// When its last exchange ended.
    pub(super) idle_since: Instant,
}

impl Upstream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Tcp(stream),
            keep_alive: None,
            is_reused: false,
            idle_since: Instant::now(),
        }
    }

    /// How long ago its last exchange ended.
    pub(crate) fn idle_age(&self) -> Duration {
        self.idle_since.elapsed()
    }
}
