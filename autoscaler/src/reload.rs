//! The configuration file: read at start, and again whenever it changes.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{autoscaler::ConfigSource, config::Config};

/// Reading stops here; the parser refuses anything larger than its own, smaller bound.
const MOST_READ: u64 = 16 * 1024 * 1024;

/// Tells when the file behind a configuration has changed.
#[derive(Debug)]
pub(crate) struct ConfigWatch {
    file: Option<PathBuf>,
    stamp: Option<Stamp>,
}

/// Enough to notice a change without reading; an editor that replaces the file changes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl ConfigWatch {
    /// Reads the configuration for the first time.
    pub(crate) fn open(source: ConfigSource) -> Result<(Self, Config), String> {
        match source {
            ConfigSource::BuiltIn => Ok((
                Self {
                    file: None,
                    stamp: None,
                },
                Config::example(),
            )),
            ConfigSource::File(path) => {
                let stamp = stamp(&path).ok();
                let config = read(&path)?;
                Ok((
                    Self {
                        file: Some(path),
                        stamp,
                    },
                    config,
                ))
            }
        }
    }

    /// The configuration, or what is wrong with it, where the file changed since the last call.
    pub(crate) fn poll(&mut self) -> Option<Result<Config, String>> {
        let path = self.file.as_deref()?;
        // A file that is gone for a moment is being replaced; one that stays away changes nothing.
        let stamp = stamp(path).ok()?;
        if self.stamp.replace(stamp) == Some(stamp) {
            return None;
        }
        Some(read(path))
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp {
        modified: metadata.modified()?,
        length: metadata.len(),
    })
}

fn read(path: &Path) -> Result<Config, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_READ).read_to_end(&mut bytes));
    read.map_err(|error| {
        format!(
            "{}: {error}; give a readable file with --config",
            path.display()
        )
    })?;
    Config::parse(&bytes).map_err(|faults| faults.in_file(&path.display().to_string()).to_string())
}
