//! `minicloud up`: everything in one process, instances as its children.

use std::{net::SocketAddr, time::Duration};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    api::Api,
    child::{Minicloud, end_marked, marked_processes},
    example_config, free_port,
    machine::Machine,
    write,
};

const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Up {
    pub(crate) dir: TempDir,
    pub(crate) api: Api,
    pub(crate) address: SocketAddr,
    pub(crate) minicloud: Minicloud,
    arguments: Vec<String>,
    _machine: Machine,
}

impl Up {
    pub(crate) async fn start() -> Self {
        Self::start_on(Machine::shared().await)
    }

    pub(crate) fn start_on(machine: Machine) -> Self {
        Self::start_with(machine, &[], |example| example)
    }

    /// With more in its environment, and with what `edit` makes of the example.
    pub(crate) fn start_with(
        machine: Machine,
        environment: &[(&str, &str)],
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, api_port) = (free_port(), free_port());
        let (config, state) = (dir.path().join("minicloud.yaml"), dir.path().join("state"));
        write(&config, &edit(example_config(port)));
        let api = SocketAddr::from(([127, 0, 0, 1], api_port));
        let (config, state, listen) = (
            config.to_str().unwrap(),
            state.to_str().unwrap(),
            api.to_string(),
        );
        let arguments = [
            "up",
            "--config",
            config,
            "--state-dir",
            state,
            "--api",
            &listen,
        ];
        let log = dir.path().join("up.log");
        let minicloud = Minicloud::spawn_with(&arguments, environment, &log);
        let arguments = arguments.map(str::to_owned).to_vec();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            dir,
            api: Api(api),
            address,
            minicloud,
            arguments,
            _machine: machine,
        }
    }

    /// With the same files and ports, once the one before has ended.
    pub(crate) fn start_again(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.minicloud = Minicloud::spawn(&arguments, &self.dir.path().join("up.log"));
    }

    /// Ctrl-C: a clean exit, and no process left behind.
    pub(crate) async fn interrupt(mut self) {
        self.minicloud.signal(Signal::INT);
        let status = self.minicloud.exited(SOON).await;
        assert!(status.success(), "{status}:\n{}", self.minicloud.log());
        assert_eq!(marked_processes(&self.dir.path().join("state")), []);
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        end_marked(&self.dir.path().join("state"));
    }
}
