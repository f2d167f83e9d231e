//! The configuration file: read at start, and again whenever it changes.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    autoscaler::ConfigSource,
    config::{self, Config, ProviderKind},
};

/// One byte beyond what the parser takes, so that it can tell that there is more.
const MOST_READ: u64 = config::MAX_FILE_BYTES as u64 + 1;

/// Tells when the file behind a configuration has changed.
#[derive(Debug)]
pub struct ConfigWatch {
    file: Option<PathBuf>,
    /// None where whichever would do.
    provider: Option<ProviderKind>,
    stamp: Option<Stamp>,
}

/// Enough to notice a change without reading; an editor that replaces the file changes both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl ConfigWatch {
    /// Watches from now on, for `provider` or whichever would do.
    pub fn new(source: ConfigSource, provider: Option<ProviderKind>) -> Self {
        let file = match source {
            ConfigSource::BuiltIn => None,
            ConfigSource::File(path) => Some(path),
        };
        Self {
            stamp: file.as_deref().and_then(|path| stamp(path).ok()),
            file,
            provider,
        }
    }

    /// Reads the configuration for the first time.
    pub(crate) fn open(
        source: ConfigSource,
        provider: ProviderKind,
    ) -> Result<(Self, Config), String> {
        let watch = Self::new(source, Some(provider));
        let config = match &watch.file {
            Some(path) => read(path, watch.provider)?,
            None => Config::example(),
        };
        Ok((watch, config))
    }

    /// The configuration, or what is wrong with it, where the file changed since the last call.
    pub fn poll(&mut self) -> Option<Result<Config, String>> {
        let path = self.file.as_deref()?;
        // A file that is gone for a moment is being replaced; one that stays away changes nothing.
        let stamp = stamp(path).ok()?;
        if self.stamp.replace(stamp) == Some(stamp) {
            return None;
        }
        Some(read(path, self.provider))
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp {
        modified: metadata.modified()?,
        length: metadata.len(),
    })
}

fn read(path: &Path, provider: Option<ProviderKind>) -> Result<Config, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_READ).read_to_end(&mut bytes));
    read.map_err(|error| {
        format!(
            "{}: {error}; give a readable file with --config",
            path.display()
        )
    })?;
    let parsed = match provider {
        Some(provider) => Config::parse_for(&bytes, provider),
        None => Config::parse(&bytes),
    };
    parsed.map_err(|faults| faults.in_file(&path.display().to_string()).to_string())
}
