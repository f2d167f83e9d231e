//! A cgroup for each instance, where the machine lets us make one: it holds the instance to
//! its CPU quota and memory limit, and knows its processes whatever they did to their
//! environment. Cgroup v2, v1 and both at once; no root where a parent is delegated to us.

mod find;
mod parent;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use self::parent::Parent;
use crate::{instance::InstanceId, launch_template::LaunchTemplate};

/// A process that was killed is in its cgroup until it has been reaped.
const REMOVE_ATTEMPTS: usize = 50;
const REMOVE_INTERVAL: Duration = Duration::from_millis(20);
/// The owner's folder may go, as its last instance's does, while one is made in it.
const MAKE_ATTEMPTS: usize = 3;

/// Puts the shell, hence the command that it becomes, into each cgroup before `--`.
const JOIN: &str = r#"while [ "$1" != -- ]; do echo "$$" >"$1" || exit 125; shift; done
shift
exec "$@""#;

/// Where cgroups of one owner are made.
#[derive(Debug)]
pub(super) struct Cgroups {
    owner: String,
    /// Found once; the text says why there are none.
    parents: OnceLock<Result<Vec<Parent>, String>>,
}

/// Those of one instance: one, or with v1 one for each controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Cgroup(Vec<PathBuf>);

impl Cgroups {
    pub(super) fn new(owner: &str) -> Self {
        Self {
            owner: format!("minicloud-{owner}"),
            parents: OnceLock::new(),
        }
    }

    /// Makes the instance's cgroup with the template's limits; empty where it has none.
    ///
    /// # Errors
    /// Why this machine does not allow it, and what would.
    pub(super) fn make(
        &self,
        id: &InstanceId,
        template: &LaunchTemplate,
    ) -> Result<Cgroup, String> {
        if template.quota_cores().is_none() && template.memory_limit().is_none() {
            return Ok(Cgroup::default());
        }
        let parents = self.parents.get_or_init(|| self.find()).as_ref()?;
        let mut made = Cgroup::default();
        for parent in parents {
            match self.make_in(parent, id, template) {
                Ok(folder) => made.0.push(folder),
                Err(error) => {
                    made.discard();
                    let place = parent.folder.display();
                    return Err(format!("cannot make a cgroup in {place}: {error}"));
                }
            }
        }
        Ok(made)
    }

    fn find(&self) -> Result<Vec<Parent>, String> {
        let parents = parent::find(&self.owner)?;
        // Being allowed to make one is not being allowed to put a process into it.
        for parent in &parents {
            let probe = parent.folder.join(&self.owner).join("probe");
            let joined = parent
                .make(&self.owner, "probe")
                .and_then(|_| can_join(&probe));
            let _ = remove_tree(&probe);
            let _ = fs::remove_dir(parent.folder.join(&self.owner));
            joined.map_err(|error| {
                let place = parent.folder.display();
                format!("cannot put a process into a cgroup in {place}: {error}")
            })?;
        }
        Ok(parents)
    }

    fn make_in(
        &self,
        parent: &Parent,
        id: &InstanceId,
        template: &LaunchTemplate,
    ) -> io::Result<PathBuf> {
        let mut attempt = 1;
        let folder = loop {
            match parent.make(&self.owner, id.as_str()) {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && attempt < MAKE_ATTEMPTS =>
                {
                    attempt += 1;
                }
                made => break made?,
            }
        };
        parent.limit(&folder, template).inspect_err(|_| {
            let _ = fs::remove_dir(&folder);
        })?;
        Ok(folder)
    }

    /// Removes what no instance in `known` and no process has: left by a launch that crashed.
    pub(super) fn prune(&self, known: &BTreeSet<InstanceId>) {
        let Ok(parents) = self.parents.get_or_init(|| self.find()) else {
            return;
        };
        for parent in parents {
            let folder = parent.folder.join(&self.owner);
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let ids = entries.filter_map(|entry| {
                let id: InstanceId = entry.file_name().to_str()?.parse().ok()?;
                (!known.contains(&id)).then_some(entry.path())
            });
            // One with processes cannot be removed: they are found by their mark.
            ids.for_each(|path| drop(remove_tree(&path)));
            let _ = fs::remove_dir(&folder);
        }
    }
}

impl Cgroup {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words before a command that make it run in here.
    pub(super) fn prefix(&self) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let files = self.0.iter().map(|folder| folder.join("cgroup.procs"));
        let files = files.map(|file| file.to_string_lossy().into_owned());
        let shell = ["sh", "-c", JOIN, "minicloud"].map(str::to_owned);
        shell
            .into_iter()
            .chain(files)
            .chain(["--".to_owned()])
            .collect()
    }

    pub(super) fn pids(&self) -> BTreeSet<i32> {
        let lists = self.0.iter().filter_map(|folder| pids_below(folder).ok());
        lists.flatten().collect()
    }

    /// Whether the memory limit has killed a process of it.
    pub(super) fn has_killed(&self) -> bool {
        let counts = |file: PathBuf| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            count.is_some_and(|count| count.trim() != "0")
        };
        self.0.iter().any(|folder| {
            counts(folder.join("memory.events")) || counts(folder.join("memory.oom_control"))
        })
    }

    /// Removes it where no process is in it.
    pub(super) fn discard(&self) {
        let _ = self.try_remove();
    }

    /// Removes it, once its processes have gone.
    pub(super) async fn remove(&self) -> io::Result<()> {
        for _ in 1..REMOVE_ATTEMPTS {
            if self.try_remove().is_ok() {
                return Ok(());
            }
            tokio::time::sleep(REMOVE_INTERVAL).await;
        }
        self.try_remove()
    }

    fn try_remove(&self) -> io::Result<()> {
        for folder in &self.0 {
            remove_tree(folder)?;
            // The owner's, where this was the last in it.
            let _ = folder.parent().map(fs::remove_dir);
        }
        Ok(())
    }
}

fn can_join(folder: &Path) -> io::Result<()> {
    let cgroup = Cgroup(vec![folder.to_owned()]);
    let prefix = cgroup.prefix();
    let output = Command::new("sh")
        .args(prefix.iter().skip(1))
        .arg("true")
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}

/// With those of cgroups that the instance made for itself.
fn pids_below(folder: &Path) -> io::Result<Vec<i32>> {
    let text = fs::read_to_string(folder.join("cgroup.procs"))?;
    let mut pids: Vec<i32> = text.lines().filter_map(|pid| pid.parse().ok()).collect();
    for child in children(folder)? {
        pids.extend(pids_below(&child).unwrap_or_default());
    }
    Ok(pids)
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    let gone = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    };
    match children(folder) {
        Ok(children) => children.iter().try_for_each(|child| remove_tree(child))?,
        Err(error) => return gone(error),
    }
    fs::remove_dir(folder).or_else(gone)
}

fn children(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|entry| entry.path()).collect())
}
