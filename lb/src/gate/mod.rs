//! Who may go to a target, and who must wait: the counts that claims, draining and queueing
//! rest on, each protocol checked under all interleavings (`model`).

mod places;

#[cfg(test)]
#[expect(
    clippy::duplicate_mod,
    reason = "the model is the same source on loom's atomics"
)]
mod model;

/// What `places` is built from; its model has its own.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

pub(crate) use places::{Gate, Waiters};
