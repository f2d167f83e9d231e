//! What the autoscaler promises from outside. One binary: one link.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod provider;
mod scenario;
