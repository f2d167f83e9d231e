//! Files, folders and sockets that cannot be used.

use std::{fmt::Display, io, path::Path};

use minicloud_autoscaler::StateDirError;

use super::{Exit, Failure};
use crate::endpoint::Endpoint;

const WRITABLE: &str = "give a writable one with --state-dir";

impl Failure {
    pub(crate) fn configuration_unreadable(path: &Path, error: &io::Error) -> Self {
        Self::new(
            Exit::Config,
            format!("the configuration cannot be read: {error}"),
            path.display().to_string(),
            "name a file that is there and that you may read",
        )
    }

    /// `faults` has the place of each in it.
    pub(crate) fn configuration_invalid(name: &str, faults: &str) -> Self {
        Self::new(
            Exit::Config,
            format!("the configuration is not valid\n{}", faults.trim_end()),
            name,
            "mend what is marked; nothing was changed. `minicloud docs` explains the sections",
        )
    }

    pub(crate) fn members_invalid(name: &str, faults: &str) -> Self {
        Self::new(
            Exit::Config,
            format!(
                "not the members of a launch template\n{}",
                faults.trim_end()
            ),
            name,
            "write them as in minicloud.yaml: `minicloud docs launch_templates` lists them",
        )
    }

    pub(crate) fn unreadable(what: &str, name: &str, error: &io::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("{what} cannot be read: {error}"),
            name,
            "name a file that is there and that you may read",
        )
    }

    pub(crate) fn new_file_refused(path: &Path, error: &io::Error) -> Self {
        Self::new(
            Exit::CannotCreate,
            format!("the file cannot be made: {error}"),
            path.display().to_string(),
            "name one that is not there yet, in a folder that you may write to",
        )
    }

    pub(crate) fn private_key_lost(path: &Path, key_name: &str, error: &io::Error) -> Self {
        Self::new(
            Exit::CannotCreate,
            format!("the private key cannot be written and is lost: {error}"),
            path.display().to_string(),
            format!("`minicloud key-pair delete {key_name}`, then make another"),
        )
    }

    pub(crate) fn private_key_open_to_others(path: &Path) -> Self {
        let name = path.display();
        Self::new(
            Exit::ExecFailed,
            "others may read the private key",
            name.to_string(),
            format!("chmod 600 {name}"),
        )
    }

    pub(crate) fn private_key_unusable(path: &Path, error: &impl Display) -> Self {
        Self::new(
            Exit::ExecFailed,
            format!("the private key cannot be used: {error}"),
            path.display().to_string(),
            "name with -i the file that `minicloud key-pair create` or ssh-keygen made",
        )
    }

    pub(crate) fn state_folder(path: &Path, error: &StateDirError) -> Self {
        let place = path.display().to_string();
        match error {
            StateDirError::Locked { pid, .. } => Self::new(
                Exit::InUse,
                format!("the state folder is in use by another minicloud (process {pid})"),
                place,
                "stop that one, or give this one a folder of its own with --state-dir",
            ),
            StateDirError::NotWritable { source, .. } => Self::new(
                Exit::CannotCreate,
                format!("the state folder cannot be written: {source}"),
                place,
                WRITABLE,
            ),
        }
    }

    pub(crate) fn snapshot_folder(path: &Path, error: &io::Error) -> Self {
        Self::new(
            Exit::CannotCreate,
            format!("the state folder cannot be written: {error}"),
            path.display().to_string(),
            WRITABLE,
        )
    }

    /// `option` is what the user changes to have it elsewhere.
    pub(crate) fn cannot_listen(endpoint: &Endpoint, option: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::new(
                Exit::InUse,
                "the address is taken by another process",
                endpoint.to_string(),
                format!("stop that one, or choose another place with {option}"),
            ),
            _ => Self::new(
                Exit::CannotCreate,
                format!("cannot listen: {error}"),
                endpoint.to_string(),
                format!("choose another place with {option}"),
            ),
        }
    }

    pub(crate) fn token_file_invalid(path: &Path, why: &impl Display) -> Self {
        Self::new(
            Exit::Config,
            format!("the token cannot be used: {why}"),
            path.display().to_string(),
            "write one into it, such as `openssl rand -hex 32` prints",
        )
    }

    pub(crate) fn stdout_closed(error: &io::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("the answer cannot be written: {error}"),
            "stdout",
            "see that what it is sent to takes it: a disk may be full",
        )
    }
}
