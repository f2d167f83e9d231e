//! The nearest cgroup in which we may make others, and how limits are written in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::find::{Place, Version, places};
use crate::launch_template::LaunchTemplate;

/// The scheduler's own default, in microseconds.
const PERIOD: u32 = 100_000;
/// The least that the kernel takes, in microseconds.
const LEAST_QUOTA: f64 = 1000.0;

/// What would help, for who reads that there are no cgroups.
const REMEDY: &str = "run minicloud as root, or under systemd with Delegate=yes and \
                      DelegateSubgroup=minicloud";

/// A cgroup below which ours are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) folder: PathBuf,
    version: Version,
    cpu: bool,
    memory: bool,
}

/// One parent that has both controllers, or one for each.
pub(super) fn find(owner: &str) -> Result<Vec<Parent>, String> {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let places = places(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    let mut parents: Vec<Parent> = Vec::new();
    let mut why = "no cgroups are mounted".to_owned();
    for controller in ["cpu", "memory"] {
        let has = |parent: &Parent| match controller {
            "cpu" => parent.cpu,
            _ => parent.memory,
        };
        if parents.iter().any(has) {
            continue;
        }
        let found = places.iter().find_map(|place| {
            let parent = parent_in(place, owner);
            parent
                .inspect_err(|reason| why.clone_from(reason))
                .ok()
                .filter(has)
        });
        let Some(found) = found else {
            return Err(format!("no cgroup for {controller}: {why}; {REMEDY}"));
        };
        parents.push(found);
    }
    Ok(parents)
}

/// From the process's own cgroup upwards: what holds us holds our instances.
fn parent_in(place: &Place, owner: &str) -> Result<Parent, String> {
    let has = |controller: &str| place.controllers.iter().any(|known| known == controller);
    if place.version == Version::V1 && !has("cpu") && !has("memory") {
        return Err("no cgroups with cpu and memory are mounted".to_owned());
    }
    let mut why = String::new();
    for folder in place.own.ancestors() {
        if !folder.starts_with(&place.root) {
            break;
        }
        let parent = Parent {
            folder: folder.to_owned(),
            version: place.version,
            cpu: place.version == Version::V2 || has("cpu"),
            memory: place.version == Version::V2 || has("memory"),
        };
        match parent.make(owner, "probe") {
            Ok(probe) => {
                let _ = fs::remove_dir(&probe);
                let _ = fs::remove_dir(folder.join(owner));
                return Ok(parent);
            }
            Err(error) => {
                let _ = fs::remove_dir(folder.join(owner));
                why = format!("{}: {error}", folder.display());
            }
        }
    }
    Err(why)
}

impl Parent {
    /// Makes `owner/name` in it, and returns that folder.
    pub(super) fn make(&self, owner: &str, name: &str) -> io::Result<PathBuf> {
        let group = self.folder.join(owner);
        let folder = group.join(name);
        if self.version == Version::V2 {
            enable(&self.folder)?;
        }
        make_folder(&group)?;
        if self.version == Version::V2 {
            enable(&group)?;
        }
        make_folder(&folder)?;
        Ok(folder)
    }

    /// Writes the limits of `template` that this hierarchy is for.
    pub(super) fn limit(&self, folder: &Path, template: &LaunchTemplate) -> io::Result<()> {
        let write = |file: &str, text: String| fs::write(folder.join(file), text);
        if let Some(cores) = template.quota_cores().filter(|_| self.cpu) {
            let quota = (cores * f64::from(PERIOD)).round().max(LEAST_QUOTA);
            match self.version {
                Version::V1 => {
                    write("cpu.cfs_period_us", PERIOD.to_string())?;
                    write("cpu.cfs_quota_us", quota.to_string())?;
                }
                Version::V2 => write("cpu.max", format!("{quota} {PERIOD}"))?,
            }
        }
        if let Some(bytes) = template.memory_limit().filter(|_| self.memory) {
            // No swap on top, so that the limit is the limit; a kernel without swap accounting
            // has no such file.
            match self.version {
                Version::V1 => {
                    write("memory.limit_in_bytes", bytes.to_string())?;
                    let _ = write("memory.memsw.limit_in_bytes", bytes.to_string());
                }
                Version::V2 => {
                    write("memory.max", bytes.to_string())?;
                    let _ = write("memory.swap.max", "0".to_owned());
                }
            }
        }
        Ok(())
    }
}

/// Lets the children of a v2 cgroup have limits. Refused where it has processes of its own.
fn enable(folder: &Path) -> io::Result<()> {
    let file = folder.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&file)?;
    let has = |controller| enabled.split_whitespace().any(|known| known == controller);
    match has("cpu") && has("memory") {
        true => Ok(()),
        false => fs::write(file, "+cpu +memory"),
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(version: Version, cpu: bool, memory: bool) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let parent = Parent {
            folder: folder.path().to_owned(),
            version,
            cpu,
            memory,
        };
        let template = LaunchTemplate {
            cpus: Some(0.25),
            memory: Some(64 << 20),
            ..LaunchTemplate::default()
        };
        parent.limit(folder.path(), &template).unwrap();
        let files = fs::read_dir(folder.path()).unwrap().flatten();
        let mut written: Vec<_> = files
            .map(|file| {
                let name = file.file_name().into_string().unwrap();
                (name, fs::read_to_string(file.path()).unwrap())
            })
            .collect();
        written.sort();
        written
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn limits_are_written_in_the_words_of_the_version() {
        let v2 = [
            ("cpu.max", "25000 100000"),
            ("memory.max", "67108864"),
            ("memory.swap.max", "0"),
        ];
        assert_eq!(limited(Version::V2, true, true), pairs(&v2));
        let cpu = [
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_quota_us", "25000"),
        ];
        assert_eq!(limited(Version::V1, true, false), pairs(&cpu));
        let memory = [
            ("memory.limit_in_bytes", "67108864"),
            ("memory.memsw.limit_in_bytes", "67108864"),
        ];
        assert_eq!(limited(Version::V1, false, true), pairs(&memory));
    }

    #[test]
    fn controllers_are_enabled_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cgroup.subtree_control");
        fs::write(&file, "cpuset cpu\n").unwrap();
        enable(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "+cpu +memory");
        fs::write(&file, "cpu memory pids\n").unwrap();
        enable(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "cpu memory pids\n");
    }

    #[test]
    fn machine_without_cgroups_says_what_would_help() {
        let place = Place {
            version: Version::V2,
            controllers: Vec::new(),
            root: "/no/such/folder".into(),
            own: "/no/such/folder/own".into(),
        };
        let why = parent_in(&place, "minicloud-test").unwrap_err();
        assert!(why.starts_with("/no/such/folder: "), "{why}");
    }
}
