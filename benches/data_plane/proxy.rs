//! Proxies at work.

use std::{
    fs::{self, File},
    net::SocketAddr,
    process::{Child, Stdio},
    thread::sleep,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    backend::{Backend, ECHO},
    client::ask,
    model::{Model, Task},
    options::Size,
    process::Processes,
    support::free_port,
};

const BOOT: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// A proxy at work; ends with this value.
pub(crate) struct Proxy {
    pub(crate) name: String,
    pub(crate) is_peer: bool,
    pub(crate) address: SocketAddr,
    pub(crate) processes: Processes,
    child: Child,
    dir: TempDir,
}

impl Proxy {
    /// Runs `model` with so many workers, for so many clients, and waits until it serves.
    pub(crate) fn start(
        model: &Model,
        workers: usize,
        clients: usize,
        backends: &[Backend; 2],
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let task = Task {
            port: free_port(),
            workers,
            clients,
            backends,
        };
        let log = File::create(dir.path().join("output")).unwrap();
        let child = model
            .command(task, dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut proxy = Self {
            name: model.name.clone(),
            is_peer: model.is_peer(),
            address: SocketAddr::from(([127, 0, 0, 1], task.port)),
            processes: Processes::tree(child.id()),
            child,
            dir,
        };
        proxy.until_serving();
        proxy.processes = Processes::tree(proxy.child.id());
        proxy.check_forwarding();
        proxy
    }

    fn until_serving(&mut self) {
        let start = Instant::now();
        while let Err(error) = ask(self.address, Size::Bytes100.path()) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < BOOT,
                "{} does not serve: {error}\n{}",
                self.name,
                self.log()
            );
            sleep(POLL);
        }
    }

    /// Whoever forwards less has less to do.
    fn check_forwarding(&self) {
        let address = self.address;
        let seen = ask(address, ECHO).unwrap().to_ascii_lowercase();
        let wanted = [
            format!("host: {address}"),
            "x-forwarded-for: 127.0.0.1".to_owned(),
            "x-forwarded-proto: http".to_owned(),
            format!("x-forwarded-port: {}", address.port()),
        ];
        for field in wanted {
            let is_there = seen.lines().any(|line| line == field);
            assert!(is_there, "{} does not send `{field}`:\n{seen}", self.name);
        }
    }

    fn log(&self) -> String {
        let of = |file| fs::read_to_string(self.dir.path().join(file)).unwrap_or_default();
        of("output") + of("error.log").as_str()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.processes.signal(Signal::TERM);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > STOP {
                self.processes.signal(Signal::KILL);
            }
            sleep(POLL);
        }
    }
}
