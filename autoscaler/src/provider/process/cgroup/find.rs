//! Where this process stands in the cgroups, from what `/proc` says. Pure.

use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// A mounted hierarchy, and the cgroup in it that a process belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    /// Of a v1 hierarchy; those of v2 are in its files.
    pub(super) controllers: Vec<String>,
    /// The mount point, and the process's own folder at or below it.
    pub(super) root: PathBuf,
    pub(super) own: PathBuf,
}

/// Of the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
pub(super) fn places(mountinfo: &str, cgroup: &str) -> Vec<Place> {
    mountinfo
        .lines()
        .filter_map(|line| place(line, cgroup))
        .collect()
}

/// proc_pid_mountinfo(5): fields, ` - `, then type, source and options of the filesystem.
fn place(line: &str, cgroup: &str) -> Option<Place> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (mount_root, mount_point) = (fields.next()?, fields.next()?);
    let mut filesystem = filesystem.split(' ');
    let (kind, options) = (filesystem.next()?, filesystem.nth(1)?);
    let (version, controllers) = match kind {
        "cgroup2" => (Version::V2, Vec::new()),
        "cgroup" => (Version::V1, options.split(',').map(str::to_owned).collect()),
        _ => return None,
    };
    let own = own_path(cgroup, version, &controllers)?;
    // What is above the mount's root is out of sight: the mount point is the nearest there is.
    let below = Path::new(own).strip_prefix(mount_root).ok();
    let root = PathBuf::from(mount_point);
    Some(Place {
        own: below.map_or_else(|| root.clone(), |below| root.join(below)),
        version,
        controllers,
        root,
    })
}

/// cgroups(7): `ID:CONTROLLERS:PATH`, with id 0 and no controllers for v2.
fn own_path<'a>(cgroup: &'a str, version: Version, controllers: &[String]) -> Option<&'a str> {
    cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, of, path) = (parts.next()?, parts.next()?, parts.next()?);
        let is_it = match version {
            Version::V2 => id == "0" && of.is_empty(),
            Version::V1 => of
                .split(',')
                .any(|one| !one.is_empty() && controllers.iter().any(|known| known == one)),
        };
        is_it.then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unified_hierarchy_is_found() {
        let mounts = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n\
                      30 23 0:27 / /proc rw - proc proc rw\n";
        let own = "0::/user.slice/user-1000.slice/app.scope\n";
        let expected = Place {
            version: Version::V2,
            controllers: Vec::new(),
            root: "/sys/fs/cgroup".into(),
            own: "/sys/fs/cgroup/user.slice/user-1000.slice/app.scope".into(),
        };
        assert_eq!(places(mounts, own), [expected]);
    }

    #[test]
    fn hybrid_hierarchies_are_found_by_controller() {
        let mounts = "1 0 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      2 0 0:2 /a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      3 0 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/a/b\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n";
        let places = places(mounts, own);
        let own: Vec<_> = places.iter().map(|place| place.own.to_str()).collect();
        let expected = [
            "/sys/fs/cgroup/cpu/",
            "/sys/fs/cgroup/memory/b",
            "/sys/fs/cgroup/unified/",
        ];
        assert_eq!(own, expected.map(Some));
    }

    #[test]
    fn nonsense_is_no_place() {
        for mounts in ["", " - ", "1 2 3 / /x rw - cgroup2", "a - cgroup2 b c"] {
            assert_eq!(places(mounts, "0::/\n"), [], "{mounts}");
        }
        let mounts = "1 0 0:1 / /c rw - cgroup2 cgroup2 rw\n";
        assert_eq!(places(mounts, "nonsense\n"), []);
    }
}
