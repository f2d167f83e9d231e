//! Containers, found and read through cgroupfs alone.

mod layout;
pub(crate) mod parse;
mod read;
mod walk;

use std::path::Path;

use self::layout::Layout;
use crate::{files::Reader, monotonic::Monotonic, snapshot::Container};

/// The container cgroups of one node.
pub(crate) struct Cgroups {
    layout: Layout,
    usage: Monotonic,
}

impl Cgroups {
    /// None when nothing under `root` looks like cgroupfs.
    pub(crate) fn find(root: &Path) -> Option<Self> {
        Some(Self {
            layout: Layout::find(root)?,
            usage: Monotonic::default(),
        })
    }

    /// Appends every container that is there now. One that goes while it is read is left out,
    /// or lacks what could no longer be read.
    pub(crate) fn sample(&mut self, reader: &mut Reader, containers: &mut Vec<Container>) {
        self.usage.begin_sample();
        for path in walk::container_paths(self.layout.discovery()) {
            let Some(mut container) = read::container(&self.layout, &path, reader) else {
                continue;
            };
            container.cpu.usage = container
                .cpu
                .usage
                .map(|usage| self.usage.advance(&container.id, usage));
            containers.push(container);
        }
    }
}
