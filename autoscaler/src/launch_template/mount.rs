//! Folders that a container sees besides its image's own.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A folder or file of the host, or a named volume, at a path of the container. Writable
/// unless it says `ro`, as Compose has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mount {
    pub source: MountSource,
    /// Absolute, and not `/`.
    pub target: String,
    pub read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// Absolute path on the engine's machine.
    Bind(String),
    /// Made by the engine where there is none; kept when instances end.
    Volume(String),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MountError {
    #[error("is not a mount: write SOURCE:TARGET or SOURCE:TARGET:ro")]
    Form,
    #[error("has the mode `{0}`: write ro or rw")]
    Mode(String),
    #[error("mounts at `{0}`: write an absolute path without . and .., other than /")]
    Target(String),
    #[error("mounts `{0}`: write an absolute path without . and .., or the name of a volume")]
    Source(String),
}

/// Sockets that command an engine, by the last part of their path.
const ENGINE_SOCKETS: [&str; 4] = ["docker.sock", "podman.sock", "containerd.sock", "crio.sock"];
/// Where such sockets are: who mounts the folder has the socket.
const SOCKET_FOLDERS: [&str; 6] = [
    "/run",
    "/var",
    "/var/run",
    "/run/podman",
    "/run/containerd",
    "/run/crio",
];
/// Kernel, devices and the engine's own store, and all that is below.
const KERNEL: [&str; 5] = ["/proc", "/sys", "/dev", "/boot", "/var/lib/docker"];
/// Who writes here is root tomorrow.
const ROOTS: [&str; 7] = ["/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/root"];

impl Mount {
    /// What it would give an instance that only the host's root has. Told by the path as it is
    /// written: the engine's machine may hold symbolic links that nobody sees from here.
    pub fn danger(&self) -> Option<String> {
        let MountSource::Bind(path) = &self.source else {
            return None;
        };
        let last = path.rsplit('/').next().unwrap_or_default();
        let within = |folder: &&str| {
            let below = path.strip_prefix(*folder);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let what = if path == "/" {
            "the whole of the host's files"
        } else if ENGINE_SOCKETS.contains(&last) || SOCKET_FOLDERS.contains(&path.as_str()) {
            "command over the container engine"
        } else if KERNEL.iter().any(&within) {
            "the host's kernel or devices"
        } else if !self.read_only && ROOTS.iter().any(within) {
            "write access to the host's system"
        } else {
            return None;
        };
        Some(format!(
            "`{self}` gives an instance {what}; leave it out, or say allow_privileged_mounts: true"
        ))
    }
}

impl FromStr for Mount {
    type Err = MountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
            return Err(MountError::Form);
        };
        let read_only = match (parts.next(), parts.next()) {
            (None | Some("rw"), None) => false,
            (Some("ro"), None) => true,
            (Some(mode), None) => return Err(MountError::Mode(mode.chars().take(40).collect())),
            _ => return Err(MountError::Form),
        };
        if !is_path(target) || target == "/" {
            return Err(MountError::Target(target.chars().take(40).collect()));
        }
        Ok(Self {
            source: source_of(source)?,
            target: target.to_owned(),
            read_only,
        })
    }
}

fn source_of(source: &str) -> Result<MountSource, MountError> {
    if is_path(source) {
        return Ok(MountSource::Bind(source.to_owned()));
    }
    // Docker's own rule for the names of volumes.
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let is_name = (2..=64).contains(&source.len())
        && source.bytes().all(allowed)
        && source.starts_with(|c: char| c.is_ascii_alphanumeric());
    match is_name {
        true => Ok(MountSource::Volume(source.to_owned())),
        false => Err(MountError::Source(source.chars().take(40).collect())),
    }
}

/// Absolute, in its shortest form, so that what it names can be told from its text.
pub(crate) fn is_path(text: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    text == "/"
        || text.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(plain) && text.len() <= 4096 && !text.chars().any(char::is_control)
        })
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (MountSource::Bind(source) | MountSource::Volume(source)) = &self.source;
        let mode = if self.read_only { ":ro" } else { "" };
        write!(f, "{source}:{}{mode}", self.target)
    }
}

impl TryFrom<String> for Mount {
    type Error = MountError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Mount> for String {
    fn from(mount: Mount) -> Self {
        mount.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_read_as_they_are_written() {
        for text in ["/srv/data:/data", "/srv/data:/data:ro", "cache:/var/cache"] {
            assert_eq!(text.parse::<Mount>().unwrap().to_string(), text);
        }
        assert!(!"cache:/c:rw".parse::<Mount>().unwrap().read_only);
        for (text, expected) in [
            ("/srv", MountError::Form),
            ("/a:/b:ro:x", MountError::Form),
            ("/a:/b:z", MountError::Mode("z".to_owned())),
            ("/a:b", MountError::Target("b".to_owned())),
            ("/a:/", MountError::Target("/".to_owned())),
            ("/a:/b/../c", MountError::Target("/b/../c".to_owned())),
            ("./a:/b", MountError::Source("./a".to_owned())),
            (
                "/srv/../etc:/b",
                MountError::Source("/srv/../etc".to_owned()),
            ),
            ("//etc:/b", MountError::Source("//etc".to_owned())),
            ("a b:/b", MountError::Source("a b".to_owned())),
        ] {
            assert_eq!(text.parse::<Mount>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn what_gives_power_over_the_host_is_told() {
        for text in [
            "/:/host:ro",
            "/var/run/docker.sock:/var/run/docker.sock",
            "/run/user/1000/docker.sock:/s:ro",
            "/var/run:/r:ro",
            "/proc:/p:ro",
            "/sys/fs/cgroup:/c",
            "/etc:/e",
            "/etc/cron.d:/e",
            "/root/.ssh:/e",
            "/dev/sda:/e",
        ] {
            assert!(text.parse::<Mount>().unwrap().danger().is_some(), "{text}");
        }
        for text in [
            "/etc/ssl/certs:/etc/ssl/certs:ro",
            "/srv/data:/data",
            "/etcetera:/e",
            "/home/me/run:/run",
            "docker.sock:/s",
        ] {
            assert_eq!(text.parse::<Mount>().unwrap().danger(), None, "{text}");
        }
    }
}
