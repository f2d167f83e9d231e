use std::time::Duration;

use tokio::time::Instant;

/// Everything one pass has read.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) taken: Instant,
    /// Milliseconds since the Unix epoch.
    pub(crate) taken_at: i64,
    pub(crate) containers: Vec<Container>,
    pub(crate) node: Node,
}

/// One container, or one instance of marked processes. What could not be read is None.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Container {
    /// cAdvisor's `id` label: a cgroup's path, or `/process/<instance id>`.
    pub(crate) id: String,
    /// cAdvisor's `name` label: the instance id, where it is known.
    pub(crate) name: Option<String>,
    /// When the counters were read, in milliseconds since the Unix epoch.
    pub(crate) read_at: i64,
    pub(crate) cpu: Cpu,
    pub(crate) memory: Memory,
    /// Of its network namespace, the loopback interface left out.
    pub(crate) network: Vec<Interface>,
}

/// A network interface and what has gone through it, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) received: u64,
    pub(crate) transmitted: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    pub(crate) usage: Option<Duration>,
    /// CPU time allowed in each period; None also when there is no limit.
    pub(crate) quota: Option<Duration>,
    pub(crate) period: Option<Duration>,
    pub(crate) periods: Option<u64>,
    pub(crate) throttled_periods: Option<u64>,
    pub(crate) throttled: Option<Duration>,
    /// Time in which some task waited for a CPU.
    pub(crate) waiting: Option<Duration>,
}

/// In bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) usage: Option<u64>,
    pub(crate) working_set: Option<u64>,
    /// None also when there is no limit.
    pub(crate) limit: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    pub(crate) cores: Option<usize>,
    /// CPU index and time by mode, in the order of [`MODES`].
    pub(crate) cpus: Vec<(u32, [Duration; MODES.len()])>,
    pub(crate) waiting: Option<Duration>,
    pub(crate) memory_total: Option<u64>,
    pub(crate) memory_available: Option<u64>,
    /// Over 1, 5 and 15 minutes.
    pub(crate) load: Option<[f64; 3]>,
}

/// Values of the `mode` label, in the order of /proc/stat.
pub(crate) const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];
