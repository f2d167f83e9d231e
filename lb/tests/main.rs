//! The balancer over loopback sockets, between raw clients and raw targets.

mod admin;
mod churn;
mod drain;
mod framing;
mod harness;
mod health;
mod listeners;
mod proxy;
mod replay;
mod tunnel;
