//! The folder that outlives the process: one minicloud at a time, and a name for what it owns.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use rand::Rng;
use rustix::fs::{FlockOperation, flock};

const LOCK_FILE: &str = "lock";
const OWNER_FILE: &str = "owner";

/// A state folder, locked for as long as this lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    owner: String,
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    #[error(
        "the state folder {path} is in use by another minicloud (process {pid}); stop that one, or give this one a folder of its own with --state-dir"
    )]
    Locked { path: PathBuf, pid: String },
    #[error("the state folder {path} cannot be written; give a writable one with --state-dir")]
    NotWritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl StateDir {
    /// Creates the folder where it is missing, locks it, and reads or makes the owner's name.
    /// The lock goes with the process, however it ends.
    pub fn open(path: &Path, rng: &mut impl Rng) -> Result<Self, StateDirError> {
        let not_writable = |source| StateDirError::NotWritable {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(not_writable)?;
        let mut lock = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(path.join(LOCK_FILE))
            .map_err(not_writable)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            // Only for the sentence; an unreadable pid must not hide that it is locked.
            let _ = (&lock).take(20).read_to_string(&mut pid);
            return Err(StateDirError::Locked {
                path: path.to_owned(),
                pid: pid.trim().to_owned(),
            });
        }
        lock.set_len(0).map_err(not_writable)?;
        writeln!(lock, "{}", std::process::id()).map_err(not_writable)?;
        let owner = owner(&path.join(OWNER_FILE), rng).map_err(not_writable)?;
        Ok(Self {
            path: path.to_owned(),
            owner,
            _lock: lock,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Marks what belongs to this folder on the provider; the same for the folder's whole life.
    pub fn owner(&self) -> &str {
        &self.owner
    }
}

fn owner(path: &Path, rng: &mut impl Rng) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let owner = format!("{:016x}", rng.next_u64());
    // Renamed into place: a crash leaves the old name or the new one, never half.
    let partial = path.with_extension("partial");
    fs::write(&partial, &owner)?;
    File::open(&partial)?.sync_all()?;
    fs::rename(&partial, path)?;
    Ok(owner)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn owner_survives_and_a_second_process_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let mut rng = SmallRng::seed_from_u64(7);
        let first = StateDir::open(&path, &mut rng).unwrap();
        let owner = first.owner().to_owned();
        let error = StateDir::open(&path, &mut rng).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        assert_eq!(StateDir::open(&path, &mut rng).unwrap().owner(), owner);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        fs::write(&path, "").unwrap();
        let error = StateDir::open(&path, &mut SmallRng::seed_from_u64(7)).unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
    }
}
