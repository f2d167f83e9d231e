//! Asking an instance over HTTP whether it may go: a port, so that the loop knows no sockets.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::busy::BusyAnswer;

/// Asks instances over HTTP.
pub trait BusyProbe: Send + Sync + 'static {
    /// GET of `path` at `address` (`host:port`), read by [`BusyAnswer::of_http`]. A connection
    /// refused is [`BusyAnswer::Idle`]: nobody works there. Ends within `timeout`.
    fn ask(
        &self,
        address: String,
        path: String,
        timeout: Duration,
    ) -> BoxFuture<'static, BusyAnswer>;
}
