//! What the container engine says of itself, in the fields that are looked at.

use std::{env, io, path::PathBuf, time::Duration};

use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use minicloud_autoscaler::now::{Clock, SystemClock};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use crate::{endpoint::Endpoint, http_client::HttpClient};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) enum Engine {
    /// `DOCKER_HOST` is no Unix socket.
    NotASocket(String),
    /// Nothing is there; sockets of other engines that are.
    Absent {
        socket: String,
        others: Vec<String>,
    },
    /// There is a socket, and it is not for us.
    Denied {
        socket: String,
    },
    Silent {
        socket: String,
        why: String,
    },
    Answers(Box<Answers>),
}

#[derive(Debug)]
pub(super) struct Answers {
    pub(super) socket: String,
    pub(super) version: Version,
    pub(super) info: Info,
    /// How far the engine's clock is ahead of ours.
    pub(super) ahead: Option<SignedDuration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Version {
    pub(super) version: String,
    pub(super) api_version: String,
    #[serde(rename = "MinAPIVersion")]
    pub(super) min_api_version: String,
    pub(super) components: Vec<Component>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Component {
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Info {
    pub(super) operating_system: String,
    pub(super) security_options: Vec<String>,
    pub(super) cgroup_version: String,
    pub(super) cpu_cfs_quota: bool,
    pub(super) memory_limit: bool,
    pub(super) system_time: String,
}

impl Engine {
    pub(super) async fn ask() -> Self {
        let host = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let socket = match &host {
            None => DEFAULT_SOCKET,
            Some(host) => match host.strip_prefix("unix://") {
                Some(socket) => socket,
                None => return Self::NotASocket(host.clone()),
            },
        };
        let socket = socket.to_owned();
        if let Err(error) = UnixStream::connect(&socket).await {
            return match error.kind() {
                io::ErrorKind::NotFound => Self::Absent {
                    others: others().await,
                    socket,
                },
                io::ErrorKind::PermissionDenied => Self::Denied { socket },
                _ => Self::Silent {
                    socket,
                    why: error.to_string(),
                },
            };
        }
        match answers(&socket).await {
            Ok(answers) => Self::Answers(Box::new(answers)),
            Err(why) => Self::Silent { socket, why },
        }
    }
}

async fn answers(socket: &str) -> Result<Answers, String> {
    let client = HttpClient::new(Endpoint::Unix(socket.into()));
    let version = get(&client, "/version").await?;
    let before = SystemClock.now().wall;
    let info: Info = get(&client, "/info").await?;
    let after = SystemClock.now().wall;
    let told: Option<Timestamp> = info.system_time.parse().ok();
    // The engine has read its clock at some time between the two.
    let ahead = told.map(|told| match told {
        told if told < before => told.duration_since(before),
        told if told > after => told.duration_since(after),
        _ => SignedDuration::ZERO,
    });
    Ok(Answers {
        socket: socket.to_owned(),
        version,
        info,
        ahead,
    })
}

async fn get<T: DeserializeOwned>(client: &HttpClient, path: &str) -> Result<T, String> {
    let answer = client.call(Method::GET, path, None, ANSWER_TIMEOUT).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match answer.status.is_success() {
        true => serde_json::from_slice(&answer.body).map_err(|error| error.to_string()),
        false => Err(format!("{path} was answered with {}", answer.status)),
    }
}

/// Sockets of engines of which `DOCKER_HOST` says nothing.
async fn others() -> Vec<String> {
    let home = env::var_os("HOME").map(PathBuf::from);
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let in_home = [
        ".docker/run/docker.sock",
        ".docker/desktop/docker.sock",
        ".colima/default/docker.sock",
    ];
    let in_runtime = ["docker.sock", "podman/podman.sock"];
    let candidates = in_runtime
        .iter()
        .filter_map(|name| Some(runtime.as_ref()?.join(name)))
        .chain(
            in_home
                .iter()
                .filter_map(|name| Some(home.as_ref()?.join(name))),
        )
        .chain([PathBuf::from("/run/podman/podman.sock")]);
    let mut others = Vec::new();
    for path in candidates {
        if UnixStream::connect(&path).await.is_ok() {
            others.push(path.display().to_string());
        }
    }
    others
}
