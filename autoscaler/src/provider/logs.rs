//! What instances write to stdout and stderr.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

/// How much of an instance's log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// The last lines of what is there already, at most so many.
    pub tail: u32,
    /// Whether to go on with what is written from then on, until the instance is gone.
    pub follow: bool,
}

/// Pieces of a log, in order, cut anywhere. Dropping it ends the reading; where reading fails
/// on the way, it ends.
pub type LogStream = Pin<Box<dyn Stream<Item = Bytes> + Send>>;
