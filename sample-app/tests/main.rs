//! The sample app as its clients and its operator see it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod answers;
mod client;
mod command;
mod draining;
mod environment;
mod streams;
