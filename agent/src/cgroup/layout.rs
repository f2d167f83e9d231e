use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which kind of files a hierarchy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    pub(super) root: PathBuf,
}

/// Where each controller is. On a hybrid node most are v1 and the pressure is v2; a
/// controller may be in either, but never in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) usage: Hierarchy,
    pub(super) quota: Option<Hierarchy>,
    pub(super) memory: Option<Hierarchy>,
    pub(super) pressure: Option<Hierarchy>,
}

impl Layout {
    pub(super) fn find(root: &Path) -> Option<Self> {
        let unified = [root.to_owned(), root.join("unified")]
            .into_iter()
            .find(|path| path.join("cgroup.controllers").is_file())
            .map(|root| Hierarchy {
                version: Version::V2,
                root,
            });
        let controller = |name| match &unified {
            Some(unified) if unified.root == root => Some(unified.clone()),
            _ => v1(root, name).or_else(|| unified.clone()),
        };
        Some(Self {
            usage: controller("cpuacct")?,
            quota: controller("cpu"),
            memory: controller("memory"),
            pressure: unified.clone(),
        })
    }

    /// The tree that is searched for containers.
    pub(super) fn discovery(&self) -> &Path {
        &self.usage.root
    }
}

/// Finds `cpuacct` as well as `cpu,cpuacct`, in either order.
fn v1(root: &Path, controller: &str) -> Option<Hierarchy> {
    let joint = || {
        fs::read_dir(root).ok()?.flatten().find_map(|entry| {
            let name = entry.file_name();
            let mut parts = name.to_str()?.split(',');
            parts.any(|part| part == controller).then(|| entry.path())
        })
    };
    let alone = root.join(controller);
    let root = if alone.is_dir() { alone } else { joint()? };
    Some(Hierarchy {
        version: Version::V1,
        root,
    })
}
