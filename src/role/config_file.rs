use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use minicloud_autoscaler::{
    ConfigSource,
    config::{Config, EXAMPLE, Faults, MAX_FILE_BYTES, ProviderKind},
};

use crate::failure::Failure;

/// What is used where no file is named, if it is there.
const DEFAULT: &str = "minicloud.yaml";

/// A configuration file, or the example that is built in.
#[derive(Clone)]
pub(crate) struct ConfigFile(Option<PathBuf>);

impl ConfigFile {
    /// The file that was named, or the one in the current folder, or the built-in example.
    pub(crate) fn find(named: Option<PathBuf>) -> Self {
        let default = || Path::new(DEFAULT).exists().then(|| DEFAULT.into());
        Self(named.or_else(default))
    }

    /// Reads the file for `provider`, or for whichever would do.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub(crate) fn read(&self, provider: Option<ProviderKind>) -> Result<Config, Failure> {
        let source = self.source()?;
        let parsed = match provider {
            Some(provider) => Config::parse_for(&source, provider),
            None => Config::parse(&source),
        };
        parsed.map_err(|faults| self.invalid(&faults, &source))
    }

    /// What is wrong with it, each with its place and line.
    pub(crate) fn invalid(&self, faults: &Faults, source: &[u8]) -> Failure {
        let message = faults.with_source(&self.name(), source).to_string();
        Failure::configuration_invalid(&self.name(), &message)
    }

    pub(crate) fn name(&self) -> String {
        match &self.0 {
            Some(path) => path.display().to_string(),
            None => "the built-in example".to_owned(),
        }
    }

    /// Name of the folder that it is in.
    pub(crate) fn folder(&self) -> String {
        let path = self.0.as_deref().and_then(|path| path.canonicalize().ok());
        let folder = path
            .as_deref()
            .and_then(Path::parent)
            .and_then(Path::file_name);
        folder.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Its text, and no more than one byte beyond what may be read of it.
    pub(crate) fn source(&self) -> Result<Vec<u8>, Failure> {
        let Some(path) = &self.0 else {
            return Ok(EXAMPLE.as_bytes().to_vec());
        };
        let mut bytes = Vec::new();
        // One byte more than is allowed lets the parser say that it is too much.
        let most = MAX_FILE_BYTES as u64 + 1;
        File::open(path)
            .and_then(|file| file.take(most).read_to_end(&mut bytes))
            .map(|_| bytes)
            .map_err(|error| Failure::configuration_unreadable(path, &error))
    }
}

impl From<ConfigFile> for ConfigSource {
    fn from(file: ConfigFile) -> Self {
        file.0.map_or(Self::BuiltIn, Self::File)
    }
}
