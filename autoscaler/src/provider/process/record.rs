//! What is kept on disk of an instance: `<state_dir>/instances/<id>/record.json`.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{super::identity::Identity, cgroup::Cgroup, table};
use crate::instance::InstanceId;

const RECORD: &str = "record.json";

/// Written before the process is spawned, and again when it is known and when it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) identity: Identity,
    pub(super) launch_time: Timestamp,
    pub(super) address: String,
    /// `None` from the intent until the process is known.
    pub(super) leader: Option<Leader>,
    /// How the leader ended, where somebody saw it.
    pub(super) exited: Option<String>,
    #[serde(default)]
    pub(super) cgroup: Cgroup,
    /// Why the template's quota and limit do not hold, where they do not.
    #[serde(default)]
    pub(super) quota_fault: Option<String>,
    #[serde(default)]
    pub(super) user_data: Option<UserDataRun>,
}

/// How far the instance's user data is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UserDataRun {
    /// Whether the instance ends where it fails.
    pub(super) required: bool,
    pub(super) ended: bool,
    /// How it failed, with its last words.
    pub(super) failure: Option<String>,
}

/// The process that is the instance: when it ends, the instance has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leader {
    pub(super) pid: i32,
    pub(super) started: u64,
    pub(super) boot_id: String,
}

impl Leader {
    pub(super) fn of(process: &table::Process) -> Self {
        Self {
            pid: process.pid,
            started: process.started,
            boot_id: table::boot_id(),
        }
    }

    pub(super) fn is(&self, process: &table::Process, boot_id: &str) -> bool {
        self.pid == process.pid && self.started == process.started && self.boot_id == boot_id
    }
}

/// The records of all instances. Every change is one rename, so a crash leaves the old or
/// the new record, never half of one.
#[derive(Debug)]
pub(super) struct Records {
    folder: PathBuf,
    writing: Mutex<()>,
}

impl Records {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            writing: Mutex::default(),
        }
    }

    pub(super) fn folder(&self, id: &InstanceId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    pub(super) fn create_folder(&self, id: &InstanceId) -> io::Result<PathBuf> {
        let folder = self.folder(id);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        Ok(folder)
    }

    /// Every record that can be read; a folder without one belongs to no instance.
    pub(super) fn all(&self) -> io::Result<Vec<Record>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let ids = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Ok(ids.filter_map(|id| self.read(&id)).collect())
    }

    pub(super) fn read(&self, id: &InstanceId) -> Option<Record> {
        let text = fs::read(self.folder(id).join(RECORD)).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        (record.identity.instance_id == *id).then_some(record)
    }

    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(record)
    }

    /// Changes the record where there is one: an instance removed meanwhile stays removed.
    pub(super) fn update(
        &self,
        id: &InstanceId,
        change: impl FnOnce(&mut Record),
    ) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read(id) {
            Some(mut record) => {
                change(&mut record);
                self.replace(&record)
            }
            None => Ok(()),
        }
    }

    pub(super) fn remove(&self, id: &InstanceId) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match fs::remove_dir_all(self.folder(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn replace(&self, record: &Record) -> io::Result<()> {
        let folder = self.folder(&record.identity.instance_id);
        write_and_rename(&folder, &serde_json::to_vec(record)?)
    }
}

// Not synced to the disk: what a record is about does not outlive the machine either.
fn write_and_rename(folder: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = folder.join("record.json.new");
    fs::write(&fresh, text)?;
    fs::rename(fresh, folder.join(RECORD))
}
