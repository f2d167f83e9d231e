use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use minicloud_agent_api::container_id;

/// Levels below the root: systemd's slices, a pod, a container, one inside it, and some.
const MAX_DEPTH: usize = 10;
/// Directories looked at in one pass.
const MAX_DIRECTORIES: usize = 16_384;
/// Containers of one node.
const MAX_CONTAINERS: usize = 1024;
/// Links of a directory without subdirectories, on filesystems that count them.
const LEAF_LINKS: u64 = 2;

/// Paths of all cgroups under `root` that are containers, as the `id` label has them, sorted.
///
/// Runs anew in each pass: a cgroup without children costs one `lstat` and is never listed,
/// so that it is cheap next to reading.
pub(super) fn container_paths(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut looked_at = 0;
    let mut pending = vec![(String::new(), 0)];
    while let Some((path, depth)) = pending.pop() {
        looked_at += 1;
        if looked_at > MAX_DIRECTORIES || found.len() == MAX_CONTAINERS {
            tracing::warn!(
                containers = found.len(),
                "more cgroups than are looked at in one sample: some are left out"
            );
            break;
        }
        if depth < MAX_DEPTH {
            push_children(root, &path, depth + 1, &mut pending);
        }
        if container_id(&path).is_some() {
            found.push(path);
        }
    }
    found.sort_unstable();
    found
}

fn push_children(root: &Path, path: &str, depth: usize, pending: &mut Vec<(String, usize)>) {
    let directory = root.join(path.trim_start_matches('/'));
    if fs::symlink_metadata(&directory).is_ok_and(|data| data.nlink() == LEAF_LINKS) {
        return;
    }
    // Gone since it was listed: then so are its children.
    let Ok(entries) = fs::read_dir(&directory) else {
        return;
    };
    for entry in entries.flatten() {
        // The file type, unlike metadata, comes with the listing.
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Some(name) = entry.file_name().to_str()
        {
            pending.push((format!("{path}/{name}"), depth));
        }
    }
}
