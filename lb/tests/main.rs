//! The balancer over loopback sockets, between raw clients and raw targets.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod access_log;
mod admin;
mod balancing;
mod churn;
mod compression;
mod crowd;
mod departures;
mod desync;
mod drain;
mod ejection;
mod endurance;
mod failures;
mod framing;
mod frozen;
mod harness;
mod health;
mod hostile;
mod listeners;
mod live;
mod parking;
mod proxy;
mod queueing;
mod replay;
mod rules;
mod security_groups;
mod slow_clients;
mod tunnel;
