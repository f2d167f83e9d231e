//! A terminal that a test types at and reads: a tmux server of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Command;

use super::{MINICLOUD, api::Api, wait::until};

const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Tmux {
    dir: TempDir,
}

/// Whether there is a tmux; says why a test is skipped where there is none, and fails where one
/// must be there.
pub(crate) async fn tmux_is_there() -> bool {
    let version = Command::new("tmux").arg("-V").output().await;
    let there = version.is_ok_and(|output| output.status.success());
    let required = std::env::var_os("MINICLOUD_REQUIRE_TMUX").is_some_and(|value| value == "1");
    assert!(
        there || !required,
        "MINICLOUD_REQUIRE_TMUX=1, and there is no tmux"
    );
    if !there {
        eprintln!("skipped: no tmux here (apt-get install tmux)");
    }
    there
}

impl Tmux {
    /// Runs `minicloud ARGUMENTS` against `api` at a terminal of that size, after assignments as
    /// a shell has them. What it leaves with is said once it has ended, and the terminal stays.
    pub(crate) async fn run(
        api: Api,
        assignments: &str,
        arguments: &str,
        (columns, rows): (u16, u16),
    ) -> Self {
        let tmux = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let script = format!(
            "echo before; {assignments} {MINICLOUD} {arguments}; echo \"left with $?\"; stty -a; cat"
        );
        let mut start = tmux.command(&["new-session", "-d", "-x", &columns, "-y", &rows]);
        start
            .args(["sh", "-c", &script])
            .env("MINICLOUD_HOST", format!("http://{}", api.0))
            .env_remove("NO_COLOR");
        assert!(start.status().await.unwrap().success());
        tmux
    }

    /// Types keys, in tmux's names for them.
    pub(crate) async fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat()).await;
    }

    pub(crate) async fn resize(&self, (columns, rows): (u16, u16)) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows])
            .await;
    }

    /// What stands on the terminal.
    pub(crate) async fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).await
    }

    /// The same, with what sets colours.
    pub(crate) async fn screen_with_colors(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"]).await
    }

    /// One of tmux's own variables.
    pub(crate) async fn variable(&self, name: &str) -> String {
        let format = format!("#{{{name}}}");
        self.tmux(&["display-message", "-p", &format])
            .await
            .trim()
            .to_owned()
    }

    /// Waits until the screen has all of `texts`.
    pub(crate) async fn until_shows(&self, texts: &[&str]) -> String {
        self.until(&format!("{texts:?}"), |screen| {
            texts.iter().all(|text| screen.contains(text))
        })
        .await
    }

    pub(crate) async fn until_shows_no(&self, text: &str) -> String {
        self.until(&format!("no {text:?}"), |screen| !screen.contains(text))
            .await
    }

    async fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        until(what, SOON, || async {
            let screen = self.screen().await;
            if holds(&screen) {
                Ok(screen)
            } else {
                Err(format!("\n{screen}"))
            }
        })
        .await
    }

    /// Keeps what is shown for people to look at.
    pub(crate) async fn save(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), self.screen().await).unwrap();
    }

    /// To the program that runs at the terminal, past the terminal.
    pub(crate) async fn signal(&self, signal: Signal) {
        let shell = self.variable("pane_pid").await;
        let children =
            std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        let pid = children.split_whitespace().next().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    async fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(self.socket())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("tmux")
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let mut end = std::process::Command::new("tmux");
        let _ = end.arg("-S").arg(self.socket()).arg("kill-server").output();
    }
}
