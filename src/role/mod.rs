//! The long-running parts, and what they share.

pub(crate) mod agent_source;
pub(crate) mod autoscaler_watch;
pub(crate) mod signals;
pub(crate) mod snapshot_file;
pub(crate) mod state;

use std::path::{Path, PathBuf};

use minicloud_autoscaler::ConfigSource;

/// What is used where no file is named, if it is there.
const CONFIG_FILE: &str = "minicloud.yaml";

/// The file that was named, or the one in the current folder, or the built-in example.
pub(crate) fn config_source(named: Option<PathBuf>) -> ConfigSource {
    match named {
        Some(path) => ConfigSource::File(path),
        None if Path::new(CONFIG_FILE).exists() => ConfigSource::File(CONFIG_FILE.into()),
        None => ConfigSource::BuiltIn,
    }
}
