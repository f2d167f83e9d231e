//! Containers, found and read through cgroupfs alone.

mod layout;
mod network;
pub(crate) mod parse;
mod read;
mod walk;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use self::layout::Layout;
use crate::{files::Reader, monotonic::Monotonic, snapshot::Container};

/// Every how many samples the page cache of a container is read: it changes slowly, and its
/// file costs as much as all others together.
const CACHE_SAMPLES: usize = 5;

/// The container cgroups of one node.
pub(crate) struct Cgroups {
    layout: Layout,
    proc_root: PathBuf,
    usage: Monotonic,
    /// Page cache not used lately, of each container that is there.
    caches: HashMap<String, Option<u64>>,
    sample: usize,
}

impl Cgroups {
    /// None when nothing under `root` looks like cgroupfs. The containers' processes are
    /// under `proc_root`, where the agent can see them.
    pub(crate) fn find(root: &Path, proc_root: &Path) -> Option<Self> {
        Some(Self {
            layout: Layout::find(root)?,
            proc_root: proc_root.to_owned(),
            usage: Monotonic::default(),
            caches: HashMap::new(),
            sample: 0,
        })
    }

    /// Appends every container that is there now. One that goes while it is read is left out,
    /// or lacks what could no longer be read.
    pub(crate) fn sample(&mut self, reader: &mut Reader, containers: &mut Vec<Container>) {
        self.usage.begin_sample();
        self.sample = self.sample.wrapping_add(1);
        let mut known = std::mem::take(&mut self.caches);
        for (index, path) in walk::container_paths(self.layout.discovery())
            .into_iter()
            .enumerate()
        {
            // Not all of them in the same sample.
            let is_due = self
                .sample
                .wrapping_add(index)
                .is_multiple_of(CACHE_SAMPLES);
            let cache = match known.remove(&path) {
                Some(cache) if !is_due => cache,
                _ => read::inactive_cache(&self.layout, &path, reader),
            };
            if let Some(mut container) = read::container(&self.layout, &path, cache, reader) {
                container.cpu.usage = container
                    .cpu
                    .usage
                    .map(|usage| self.usage.advance(&path, usage));
                container.network =
                    network::interfaces(&self.layout, &path, &self.proc_root, reader);
                containers.push(container);
            }
            self.caches.insert(path, cache);
        }
    }
}
