//! The control API as a script uses it.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::{MINICLOUD, http, wait::until};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Api(pub(crate) SocketAddr);

impl Api {
    pub(crate) async fn get(self, path: &str) -> Result<Value, String> {
        let answer = http::get(self.0, path).await?;
        match answer.status {
            StatusCode::OK => {
                serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
            }
            status => Err(format!("{status}: {}", answer.text())),
        }
    }

    pub(crate) async fn patch(self, path: &str, body: &str) -> (StatusCode, Value) {
        let answer = http::send(self.0, Method::PATCH, path, body).await.unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    /// The group's instances in a lifecycle state, oldest first.
    pub(crate) async fn instances(self, state: &str) -> Result<Vec<String>, String> {
        let answer = self.get("/v1/groups/web/instances").await?;
        let mut instances: Vec<&Value> = answer["instances"]
            .as_array()
            .ok_or("no list")?
            .iter()
            .collect();
        instances.sort_by_key(|instance| instance["launch_time"].to_string());
        let of_state = instances
            .into_iter()
            .filter(|instance| instance["lifecycle_state"] == state);
        Ok(of_state
            .map(|instance| instance["instance_id"].as_str().unwrap().to_owned())
            .collect())
    }

    /// Waits until `count` instances are in service and nothing else is there.
    pub(crate) async fn until_settled(self, count: usize, within: Duration) -> Vec<String> {
        until(
            &format!("{count} in service and nothing else"),
            within,
            || async move {
                let all = self.get("/v1/groups/web/instances").await?;
                let in_service = self.instances("InService").await?;
                let total = all["instances"].as_array().map_or(0, Vec::len);
                if total == count && in_service.len() == count {
                    Ok(in_service)
                } else {
                    Err(all.to_string())
                }
            },
        )
        .await
    }

    /// Waits until none of the group's instances is warming up.
    pub(crate) async fn until_warm(self, within: Duration) {
        until("warmed up", within, || async move {
            let all = self.get("/v1/groups/web/instances").await?;
            let instances = all["instances"].as_array().cloned().unwrap_or_default();
            let warm = |instance: &Value| {
                instance["warming"] == false && instance["cpu_utilization"].is_number()
            };
            if instances.iter().all(warm) {
                Ok(())
            } else {
                Err(all.to_string())
            }
        })
        .await;
    }

    /// The command line against this API.
    pub(crate) fn command(self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MINICLOUD);
        command
            .args(arguments)
            .env("MINICLOUD_HOST", format!("http://{}", self.0))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command line to its end: exit code, stdout, stderr.
    pub(crate) async fn run(self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap_or(-1),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// Burns CPU inside an instance until the child is dropped or the time is over.
    pub(crate) fn stress(self, instance: &str, command: &[&str]) -> Child {
        let mut arguments = vec!["exec", instance, "--"];
        arguments.extend(command);
        self.command(&arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }
}
