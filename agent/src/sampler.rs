use tokio::time::Instant;

use crate::{
    Config, cgroup::Cgroups, clock, files::Reader, node::Node, process::Processes,
    snapshot::Snapshot,
};

/// Reads everything there is to read, once for each call. Blocks for as long as the kernel
/// takes, which is below a millisecond on an ordinary node.
pub(crate) struct Sampler {
    cgroups: Option<Cgroups>,
    processes: Option<Processes>,
    node: Node,
    reader: Reader,
}

impl Sampler {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            cgroups: Cgroups::find(&config.cgroup_root, &config.proc_root),
            processes: config.processes.then(|| Processes::new(config)),
            node: Node::new(&config.proc_root),
            reader: Reader::default(),
        }
    }

    pub(crate) fn has_cgroups(&self) -> bool {
        self.cgroups.is_some()
    }

    pub(crate) fn sample(&mut self) -> Snapshot {
        self.reader.begin_sample();
        let mut containers = Vec::new();
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.sample(&mut self.reader, &mut containers);
        }
        if let Some(processes) = &mut self.processes {
            processes.sample(&mut self.reader, &mut containers);
        }
        Snapshot {
            containers,
            node: self.node.sample(&mut self.reader),
            taken: Instant::now(),
            taken_at: clock::unix_milliseconds(),
        }
    }
}
