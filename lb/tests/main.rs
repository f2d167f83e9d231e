//! The balancer over loopback sockets, between raw clients and raw targets.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod access_log;
mod admin;
mod churn;
mod compression;
mod departures;
mod desync;
mod drain;
mod failures;
mod framing;
mod frozen;
mod harness;
mod health;
mod hostile;
mod listeners;
mod proxy;
mod replay;
mod tunnel;
