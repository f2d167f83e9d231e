//! A minicloud in its parts, as compose runs it: each role a process of its own.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    api::Api,
    child::{Minicloud, end_marked, marked_processes},
    example_config, free_port, http,
    machine::Machine,
    wait::until,
};

const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Roles {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    pub(crate) api: Api,
    admin: u16,
    agent_port: u16,
    pub(crate) autoscaler: Option<Minicloud>,
    pub(crate) lb: Option<Minicloud>,
    pub(crate) agent: Option<Minicloud>,
    _machine: Machine,
}

impl Roles {
    /// All three roles, the group's first instance in service.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let api = Api(SocketAddr::from(([127, 0, 0, 1], free_port())));
        std::fs::write(dir.path().join("minicloud.yaml"), example_config(port)).unwrap();
        let mut roles = Self {
            dir,
            port,
            api,
            admin: free_port(),
            agent_port: free_port(),
            autoscaler: None,
            lb: None,
            agent: None,
            _machine: Machine::shared().await,
        };
        roles.start_agent();
        roles.start_autoscaler(&[]);
        roles.start_lb();
        roles.api.until_settled(1, SOON).await;
        roles
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("minicloud.yaml")
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("autoscaler")
    }

    pub(crate) fn start_agent(&mut self) {
        let listen = format!("127.0.0.1:{}", self.agent_port);
        self.agent = Some(Minicloud::spawn(
            &["agent", "--listen", &listen],
            &self.dir.path().join("agent.log"),
        ));
    }

    pub(crate) fn start_autoscaler(&mut self, more: &[&str]) {
        let (config, state) = (self.config(), self.state_dir());
        let (api, agent) = (
            self.api.0.to_string(),
            format!("127.0.0.1:{}", self.agent_port),
        );
        let mut arguments = vec![
            "autoscaler",
            "--provider",
            "process",
            "--api",
            &api,
            "--agent",
            &agent,
        ];
        arguments.extend([
            "--config",
            config.to_str().unwrap(),
            "--state-dir",
            state.to_str().unwrap(),
        ]);
        arguments.extend(more);
        self.autoscaler = Some(Minicloud::spawn(
            &arguments,
            &self.dir.path().join("autoscaler.log"),
        ));
    }

    pub(crate) fn start_lb(&mut self) {
        let (autoscaler, state) = (format!("http://{}", self.api.0), self.dir.path().join("lb"));
        let admin = format!("127.0.0.1:{}", self.admin);
        let arguments = [
            "lb",
            "--autoscaler",
            &autoscaler,
            "--admin",
            &admin,
            "--state-dir",
            state.to_str().unwrap(),
        ];
        self.lb = Some(Minicloud::spawn(
            &arguments,
            &self.dir.path().join("lb.log"),
        ));
    }

    pub(crate) async fn until_serving(&self) {
        let address = self.address();
        until("the balancer serves", SOON, || async move {
            let answer = http::get(address, "/").await?;
            if answer.status.is_success() {
                Ok(())
            } else {
                Err(answer.status.to_string())
            }
        })
        .await;
    }

    /// Ids of the instances that really run.
    pub(crate) fn running(&self) -> Vec<String> {
        let mut ids: Vec<String> = marked_processes(&self.state_dir())
            .into_iter()
            .map(|(_, id)| id)
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// Stops everything in order. An autoscaler of its own leaves its instances for the next
    /// one; `sweep` ends them where there will be none.
    pub(crate) async fn stop(mut self) {
        let serving = self.running();
        for role in [&mut self.lb, &mut self.autoscaler, &mut self.agent] {
            if let Some(mut role) = role.take() {
                role.signal(Signal::TERM);
                let status = role.exited(Duration::from_secs(60)).await;
                assert!(status.success(), "{status}:\n{}", role.log());
            }
        }
        assert_eq!(self.running(), serving);
        let state = self.state_dir();
        let (code, _, error) = self
            .api
            .run(&["sweep", "--state-dir", state.to_str().unwrap()])
            .await;
        assert_eq!(code, 0, "{error}");
        assert_eq!(self.running(), [] as [String; 0]);
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        // After a failed test: no autoscaler, and none of its instances either.
        self.autoscaler = None;
        end_marked(&self.state_dir());
    }
}
