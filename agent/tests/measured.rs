//! An agent under test, and what it says.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use minicloud_agent::{Agent, Config};
use minicloud_agent_api::{Sample, names, parse};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a test waits for what must happen; never reached unless it does not.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(5);

pub(crate) const CONTAINER: &str =
    "00000000000000000000000000000000000000000000000000000000000000a1";

/// A tree of files that stands for a node.
pub(crate) struct Tree(TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        let tree = Self(TempDir::new().unwrap());
        fs::create_dir(tree.path("proc")).unwrap();
        tree
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Replaces a file in one step, as the kernel shows no half-written ones.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let half = self.0.path().join("half-written");
        fs::write(&half, text).unwrap();
        fs::rename(half, path).unwrap();
    }

    pub(crate) fn write_all(&self, directory: &str, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.write(&format!("{directory}/{name}"), text);
        }
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_dir_all(self.path(path)).unwrap();
    }

    pub(crate) fn start(&self) -> Measured {
        Measured::start(&self.path("cgroup"), &self.path("proc"))
    }
}

/// A running agent; it ends with this.
pub(crate) struct Measured {
    pub(crate) agent: Agent,
    _shutdown: DropGuard,
}

impl Measured {
    pub(crate) fn start(cgroup_root: &Path, proc_root: &Path) -> Self {
        let shutdown = CancellationToken::new();
        let config = Config {
            cgroup_root: cgroup_root.to_owned(),
            proc_root: proc_root.to_owned(),
            interval: INTERVAL,
            ..Config::default()
        };
        Self {
            agent: Agent::start(config, shutdown.clone()).unwrap(),
            _shutdown: shutdown.drop_guard(),
        }
    }

    /// A sample that was begun after this was called.
    pub(crate) async fn next(&self) -> Vec<Sample> {
        let at = || self.last_sample();
        let mut seen = Vec::new();
        // One may be under way; the one after it is not.
        self.until(|_| {
            let now = at();
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            seen.len() > 3
        })
        .await
    }

    /// The first sample that satisfies.
    pub(crate) async fn until(&self, mut satisfied: impl FnMut(&[Sample]) -> bool) -> Vec<Sample> {
        let mut samples = Vec::new();
        let waiting = async {
            loop {
                samples = parse(&self.agent.metrics_text()).unwrap();
                if satisfied(&samples) {
                    return;
                }
                sleep(INTERVAL).await;
            }
        };
        match timeout(DEADLINE, waiting).await {
            Ok(()) => samples,
            Err(_) => panic!("not in time: {samples:#?}"),
        }
    }

    fn last_sample(&self) -> Option<String> {
        let text = self.agent.metrics_text();
        let name = names::MINICLOUD_AGENT_LAST_SAMPLE_TIMESTAMP_SECONDS;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.to_owned())
    }
}

/// The line of `name` for the container or instance at `id`.
pub(crate) fn line<'a>(samples: &'a [Sample], name: &str, id: &str) -> Option<&'a Sample> {
    let mut lines = samples
        .iter()
        .filter(|sample| sample.name == name && sample.label(names::ID) == Some(id));
    let line = lines.next();
    assert!(lines.next().is_none(), "{name} of {id} is there twice");
    line
}

pub(crate) fn value(samples: &[Sample], name: &str, id: &str) -> Option<f64> {
    line(samples, name, id).map(|sample| sample.value)
}

/// Everything said of `id`, by name.
pub(crate) fn values(samples: &[Sample], id: &str) -> Vec<(String, f64)> {
    samples
        .iter()
        .filter(|sample| sample.label(names::ID) == Some(id))
        .filter(|sample| sample.name != names::CONTAINER_LAST_SEEN)
        .map(|sample| (sample.name.clone(), sample.value))
        .collect()
}
