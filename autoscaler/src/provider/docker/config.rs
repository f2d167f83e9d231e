//! How instances are placed on the engine.

use super::compose::ComposeContext;

/// The network of instances outside Compose.
pub const DEFAULT_NETWORK: &str = "minicloud";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    /// Tells our containers from those of another minicloud on this engine.
    pub owner: String,
    /// The network that instances join.
    pub network: String,
    /// Whether the balancer runs outside the network (on the host): each instance's port is
    /// then published on a random port of 127.0.0.1.
    pub publish: bool,
    /// The Compose project that the instances belong to.
    pub compose: Option<ComposeContext>,
}

impl DockerConfig {
    /// On the host: a network of our own, ports published on 127.0.0.1.
    pub fn standalone(owner: String) -> Self {
        Self {
            owner,
            network: DEFAULT_NETWORK.to_owned(),
            publish: true,
            compose: None,
        }
    }

    /// In a Compose project, which is the owner: a lost state volume loses no instance.
    pub fn in_compose(context: ComposeContext) -> Self {
        Self {
            owner: context.project.clone(),
            network: context.network.clone(),
            publish: false,
            compose: Some(context),
        }
    }
}
