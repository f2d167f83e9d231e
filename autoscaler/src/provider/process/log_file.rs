//! Where an instance's stdout and stderr go: `<state_dir>/instances/<id>/output.log`.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

const LOG: &str = "output.log";
const PREVIOUS: &str = "output.log.1";

/// Size at which a log is set aside and begun anew: with the one set aside, at most two of
/// this (and what is written between two lists) an instance.
pub(super) const LIMIT: u64 = 16 << 20;

/// Opened to append, which is what makes [`rotate`] work on the open file of another process.
pub(super) fn open(folder: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(folder.join(LOG))
}

/// What has been written since the log was last set aside.
pub(super) fn reader(folder: &Path) -> io::Result<File> {
    File::open(folder.join(LOG))
}

/// What was set aside.
pub(super) fn previous(folder: &Path) -> io::Result<File> {
    File::open(folder.join(PREVIOUS))
}

/// All of it, which [`rotate`] bounds.
pub(super) fn read(folder: &Path) -> io::Result<Vec<u8>> {
    fs::read(folder.join(LOG))
}

/// Bounds the log from outside: copy, then truncate. Lines written in between are lost; a
/// pipe through us would lose all of them, and the instance, when the autoscaler restarts.
pub(super) fn rotate(folder: &Path, limit: u64) -> io::Result<()> {
    let log = folder.join(LOG);
    let full = fs::metadata(&log).is_ok_and(|metadata| metadata.len() > limit);
    if full {
        fs::copy(&log, folder.join(PREVIOUS))?;
        File::options().write(true).open(&log)?.set_len(0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn full_log_starts_anew_for_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(folder.path()).unwrap();
        writer.write_all(b"first line\n").unwrap();
        rotate(folder.path(), 5).unwrap();
        writer.write_all(b"next").unwrap();
        rotate(folder.path(), 5).unwrap();
        let text = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (text(PREVIOUS).as_str(), text(LOG).as_str()),
            ("first line\n", "next")
        );
    }
}
