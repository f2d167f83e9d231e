//! A minicloud process that never outlives its test.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::MINICLOUD;

pub(crate) struct Minicloud {
    child: Child,
    log: PathBuf,
}

impl Minicloud {
    /// Starts `minicloud ARGUMENTS` with its output in `log`, appended.
    pub(crate) fn spawn(arguments: &[&str], log: &Path) -> Self {
        Self::spawn_with(arguments, &[], log)
    }

    /// The same, with more in its environment.
    pub(crate) fn spawn_with(arguments: &[&str], environment: &[(&str, &str)], log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(MINICLOUD)
            .args(arguments)
            .env("MINICLOUD_LOG", "info")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            child,
            log: log.to_owned(),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).unwrap()));
        kill_process(id.unwrap(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn exited(&mut self, within: Duration) -> ExitStatus {
        match timeout(within, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("still running after {within:?}; its log:\n{}", self.log()),
        }
    }

    pub(crate) async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Processes that carry the mark of one of our instances, by instance id.
pub(crate) fn marked_processes(owner_dir: &Path) -> Vec<(u32, String)> {
    let Ok(owner) = std::fs::read_to_string(owner_dir.join("owner")) else {
        return Vec::new();
    };
    let owner = format!("MINICLOUD_OWNER={}", owner.trim());
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let marked = pids.filter_map(|pid: u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let mut variables = environment.split('\0');
        variables.clone().find(|variable| *variable == owner)?;
        let id = variables.find_map(|variable| variable.strip_prefix("MINICLOUD_INSTANCE_ID="))?;
        Some((pid, id.to_owned()))
    });
    marked.collect()
}

/// Ends what a failed test has left running.
pub(crate) fn end_marked(owner_dir: &Path) {
    for (pid, _) in marked_processes(owner_dir) {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
    }
}
