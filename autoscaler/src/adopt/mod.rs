//! Adopt mode: a Compose service that carries `minicloud.enable=true` becomes a group of its
//! own, by labels alone. Compose goes on owning its container, the seed; the group's other
//! instances are clones of it.

mod service;

pub use self::service::{
    PublishedPort, SeedMount, SeedMountKind, Service, ServiceNetwork, SharedNetworks,
};
