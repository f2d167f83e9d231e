use serde::{Deserialize, Serialize};

/// What is kept free of the host: a group does not grow into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostHeadroom {
    pub enabled: bool,
    /// Of the host's cores, 0 to 100.
    pub cpu_percent: f64,
    pub memory_bytes: u64,
}
