//! The balancer's last snapshot on disk: what it serves from when it starts and the
//! autoscaler is away.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use minicloud_lb_api::Snapshot;

const FILE: &str = "snapshot.json";
/// Hundreds of bytes a target; what is larger was not written by us.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct SnapshotFile {
    path: PathBuf,
}

impl SnapshotFile {
    /// Creates the folder where it is missing.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            path: folder.join(FILE),
        })
    }

    /// The snapshot stored last; `None` where there never was one.
    ///
    /// # Errors
    /// A file that cannot be read or is no snapshot. It is left as it is, for somebody to see.
    pub(crate) fn load(&self) -> io::Result<Option<Snapshot>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// Replaces the stored snapshot: a crash leaves the old one or the new one, never half.
    pub(crate) fn store(&self, snapshot: &Snapshot) -> io::Result<()> {
        let partial = self.path.with_extension("partial");
        let mut file = File::create(&partial)?;
        file.write_all(&serde_json::to_vec(snapshot)?)?;
        file.sync_all()?;
        fs::rename(&partial, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_survives_and_garbage_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = SnapshotFile::in_folder(&dir.path().join("lb")).unwrap();
        assert!(file.load().unwrap().is_none());
        let snapshot = Snapshot {
            version: 7,
            ..Snapshot::default()
        };
        file.store(&snapshot).unwrap();
        assert_eq!(file.load().unwrap(), Some(snapshot));
        for garbage in [&b""[..], b"{\"version\":7", b"\xff\xff", b"[]x"] {
            fs::write(file.path(), garbage).unwrap();
            assert!(file.load().is_err(), "{garbage:?}");
        }
    }
}
