//! The configuration in force: the file, read at start and again whenever its content changes,
//! or what was applied through the API since. What changed last is in force.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    autoscaler::ConfigSource,
    change_set::hex,
    config::{self, Config, ProviderKind},
    describe::{Configuration, ConfigurationSource},
    store::AppliedConfiguration,
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
    /// Of the content that was read last.
    digest: Option<String>,
    /// The content that passed last, or the example.
    text: Arc<[u8]>,
    in_force: Configuration,
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
        let mut watch = Self {
            stamp: file.as_deref().and_then(|path| stamp(path).ok()),
            digest: None,
            text: Arc::from(config::EXAMPLE.as_bytes()),
            in_force: Configuration::default(),
            file,
            provider,
        };
        watch.in_force = watch.itself();
        watch
    }

    /// Reads the configuration for the first time: what was `applied`, unless the file has
    /// changed since.
    pub(crate) fn open(
        source: ConfigSource,
        provider: ProviderKind,
        applied: Option<AppliedConfiguration>,
    ) -> Result<(Self, Config), String> {
        let mut watch = Self::new(source, Some(provider));
        let content = match &watch.file {
            Some(path) => Some(content(path)?),
            None => None,
        };
        watch.digest = content.as_deref().map(digest);
        if let Some(content) = &content {
            watch.text = content.as_slice().into();
            watch.in_force = watch.itself();
        }
        if let Some(applied) = applied.filter(|applied| applied.file_digest == watch.digest) {
            let config = watch.restore(&applied)?;
            return Ok((watch, config));
        }
        let config = match (&watch.file, content) {
            (Some(path), Some(content)) => parse(path, &content, watch.provider)?,
            _ => Config::example(),
        };
        Ok((watch, config))
    }

    fn restore(&mut self, applied: &AppliedConfiguration) -> Result<Config, String> {
        self.supersede(Some(applied));
        parse(
            Path::new("the applied configuration"),
            &applied.body,
            self.provider,
        )
        .map_err(|faults| {
            let way_out = match &self.file {
                Some(path) => format!("change {}, which then is in force", path.display()),
                None => "start with --config FILE, which then is in force".to_owned(),
            };
            format!(
                "what was applied at {:.0} does not pass any more: {faults}; {way_out}",
                applied.applied_at
            )
        })
    }

    /// The configuration, or what is wrong with it, where the file's content changed since the
    /// last call.
    pub fn poll(&mut self) -> Option<Result<Config, String>> {
        let path = self.file.as_deref()?;
        // A file that is gone for a moment is being replaced; one that stays away changes nothing.
        let stamp = stamp(path).ok()?;
        if self.stamp.replace(stamp) == Some(stamp) {
            return None;
        }
        let content = match content(path) {
            Ok(content) => content,
            Err(error) => return Some(Err(error)),
        };
        let digest = digest(&content);
        // Touched, or written anew as it was: nobody has said anything new.
        if self.digest.as_ref() == Some(&digest) {
            return None;
        }
        self.digest = Some(digest);
        let parsed = parse(path, &content, self.provider);
        if parsed.is_ok() {
            self.text = content.into();
            self.in_force = self.itself();
        }
        Some(parsed)
    }

    /// What a restart has to know of `text` once it is in force; nothing where the file says
    /// the same.
    pub(crate) fn to_remember(
        &self,
        text: Vec<u8>,
        now: Timestamp,
    ) -> Option<AppliedConfiguration> {
        let is_own = match &self.digest {
            Some(own) => *own == digest(&text),
            None => self.file.is_none() && text == config::EXAMPLE.as_bytes(),
        };
        (!is_own).then(|| AppliedConfiguration {
            body: text,
            file_digest: self.digest.clone(),
            applied_at: now,
        })
    }

    /// Until the file changes, this is in force; the file itself where it is nothing.
    pub(crate) fn supersede(&mut self, applied: Option<&AppliedConfiguration>) {
        self.in_force = self.itself();
        if let Some(applied) = applied {
            self.in_force.source = ConfigurationSource::Applied;
            self.in_force.applied_at = Some(applied.applied_at);
            self.in_force.text = applied.body.as_slice().into();
        }
    }

    /// What every configuration has to fit; `None` where whichever would do.
    pub(crate) fn provider(&self) -> Option<ProviderKind> {
        self.provider
    }

    /// The file, or the example where there is none.
    fn itself(&self) -> Configuration {
        Configuration {
            source: match self.file {
                Some(_) => ConfigurationSource::File,
                None => ConfigurationSource::BuiltIn,
            },
            file: self.file.as_ref().map(|path| path.display().to_string()),
            applied_at: None,
            text: Arc::clone(&self.text),
        }
    }

    /// Where what is in force comes from.
    pub(crate) fn in_force(&self) -> &Configuration {
        &self.in_force
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp {
        modified: metadata.modified()?,
        length: metadata.len(),
    })
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_READ).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!(
            "{}: {error}; give a readable file with --config",
            path.display()
        )),
    }
}

fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

fn parse(path: &Path, content: &[u8], provider: Option<ProviderKind>) -> Result<Config, String> {
    let parsed = match provider {
        Some(provider) => Config::parse_for(content, provider),
        None => Config::parse(content),
    };
    parsed.map_err(|faults| faults.in_file(&path.display().to_string()).to_string())
}
