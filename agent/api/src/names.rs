//! Metric and label names, as cAdvisor (`container_*`, `machine_*`) and node_exporter
//! (`node_*`) spell them. Counters end in `_total` and only rise while their source lives.

/// CPU time used, in seconds.
pub const CONTAINER_CPU_USAGE_SECONDS_TOTAL: &str = "container_cpu_usage_seconds_total";
/// CPU time allowed in each period, in microseconds; absent when there is no limit.
pub const CONTAINER_SPEC_CPU_QUOTA: &str = "container_spec_cpu_quota";
/// Length of the period that the quota is given for, in microseconds.
pub const CONTAINER_SPEC_CPU_PERIOD: &str = "container_spec_cpu_period";
/// Periods in which the container was runnable.
pub const CONTAINER_CPU_CFS_PERIODS_TOTAL: &str = "container_cpu_cfs_periods_total";
/// Periods in which the quota ran out.
pub const CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL: &str =
    "container_cpu_cfs_throttled_periods_total";
/// Time spent waiting for the next period, in seconds, summed over CPUs.
pub const CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL: &str =
    "container_cpu_cfs_throttled_seconds_total";
/// Time in which at least one task waited for a CPU (PSI `some`), in seconds.
pub const CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL: &str =
    "container_pressure_cpu_waiting_seconds_total";

/// Bytes received; label [`INTERFACE`], the loopback interface left out.
pub const CONTAINER_NETWORK_RECEIVE_BYTES_TOTAL: &str = "container_network_receive_bytes_total";
/// Bytes sent; label [`INTERFACE`], the loopback interface left out.
pub const CONTAINER_NETWORK_TRANSMIT_BYTES_TOTAL: &str = "container_network_transmit_bytes_total";

/// Memory charged, page cache included.
pub const CONTAINER_MEMORY_USAGE_BYTES: &str = "container_memory_usage_bytes";
/// Memory charged less the page cache that has not been used lately.
pub const CONTAINER_MEMORY_WORKING_SET_BYTES: &str = "container_memory_working_set_bytes";
/// Most memory the container may use; absent when there is no limit.
pub const CONTAINER_SPEC_MEMORY_LIMIT_BYTES: &str = "container_spec_memory_limit_bytes";
/// When the container was last seen, in seconds since the Unix epoch.
pub const CONTAINER_LAST_SEEN: &str = "container_last_seen";

/// Logical CPUs of the node.
pub const MACHINE_CPU_CORES: &str = "machine_cpu_cores";
/// Time each CPU spent in each mode, in seconds; labels [`CPU`] and [`MODE`].
pub const NODE_CPU_SECONDS_TOTAL: &str = "node_cpu_seconds_total";
/// Memory of the node.
pub const NODE_MEMORY_MEMTOTAL_BYTES: &str = "node_memory_MemTotal_bytes";
/// Memory that can be had without swapping.
pub const NODE_MEMORY_MEMAVAILABLE_BYTES: &str = "node_memory_MemAvailable_bytes";
/// Load average over one minute.
pub const NODE_LOAD1: &str = "node_load1";
/// Load average over five minutes.
pub const NODE_LOAD5: &str = "node_load5";
/// Load average over fifteen minutes.
pub const NODE_LOAD15: &str = "node_load15";
/// Time in which at least one task of the node waited for a CPU (PSI `some`), in seconds.
pub const NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL: &str = "node_pressure_cpu_waiting_seconds_total";

/// When the agent last took a sample, in seconds since the Unix epoch.
pub const MINICLOUD_AGENT_LAST_SAMPLE_TIMESTAMP_SECONDS: &str =
    "minicloud_agent_last_sample_timestamp_seconds";

/// Label: the cgroup path (`/docker/<64 hex>`), or `/process/<instance id>` for an instance
/// that is a tree of child processes.
pub const ID: &str = "id";
/// Label: the instance id, for an instance that is a tree of child processes.
pub const NAME: &str = "name";
/// Label: the index of a CPU.
pub const CPU: &str = "cpu";
/// Label: `user`, `nice`, `system`, `idle`, `iowait`, `irq`, `softirq` or `steal`.
pub const MODE: &str = "mode";
/// Label: a network interface of a container.
pub const INTERFACE: &str = "interface";
