//! The agent over trees of files, over real processes, and over a socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod cgroups;
mod hostile;
mod measured;
mod node;
mod processes;
mod proctable;
mod serving;
