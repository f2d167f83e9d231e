use std::{path::PathBuf, time::Duration};

/// What to measure, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the node's cgroups are mounted: `/sys/fs/cgroup`, or `/host/cgroup` when the
    /// agent is a container that has them mounted there.
    pub cgroup_root: PathBuf,
    /// Where the node's processes, /proc/stat and pressure are. Memory and load come from
    /// the agent's own /proc: containers see the node's values there.
    pub proc_root: PathBuf,
    /// From one sample to the next; not zero.
    pub interval: Duration,
    /// Name of the environment variable that holds the instance id of an instance that is a
    /// child process.
    pub instance_mark: String,
    /// Whether to look for such instances.
    pub processes: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cgroup_root: "/sys/fs/cgroup".into(),
            proc_root: "/proc".into(),
            interval: Duration::from_secs(1),
            instance_mark: "MINICLOUD_INSTANCE_ID".to_owned(),
            processes: true,
        }
    }
}
