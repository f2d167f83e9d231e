//! Adopt mode: a Compose service that carries `minicloud.enable=true` becomes a group of its
//! own, by labels alone. Compose goes on owning its container, the seed; the group's other
//! instances are clones of it.
//!
//! `labels` reads what is asked for, `refusal` and `network` say why it cannot be had, [`merge`]
//! makes groups, target groups and rules of the rest; `compose` says the same of a compose file
//! that nobody has started. All of it pure: text and values in,
//! configuration and faults out. A service at fault keeps its traffic and is not scaled.

mod compose;
mod fault;
mod group;
mod labels;
mod merge;
mod network;
mod presence;
mod refusal;
mod rules;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use self::presence::Presence;
pub use self::{
    compose::{ComposeVerdict, is_compose_file, validate_compose},
    fault::{Fault, Place},
    merge::{AdoptedService, Merged, Standing, merge},
    service::{
        Balancer, HOST_NAMESPACES, PublishedPort, SeedMount, SeedMountKind, Service,
        ServiceNetwork, SharedNetworks,
    },
};

/// The label by which services are found. One that says `false` is not adopted; any other
/// value than `true` is a fault.
pub const ENABLE: &str = "minicloud.enable";

/// The reference page of the labels in Markdown: each with unit, range and default.
pub fn reference() -> String {
    labels::reference::page()
}
