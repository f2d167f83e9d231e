use std::{collections::BTreeSet, io, net::IpAddr, path::Path, process::Stdio, time::Duration};

use jiff::SignedDuration;
use minicloud_autoscaler::now::{Clock, Now, SystemClock};
use tokio::{
    net::{TcpListener, lookup_host},
    process::Command,
    time::timeout,
};

use super::{super::connect, engine::Engine};
use crate::{cli::Connection, endpoint::Endpoint};

/// What `minicloud up` and docker-compose.yml listen on where nothing else is said.
const PORTS: [u16; 2] = [8080, 8090];
/// A name that only a resolver which knows RFC 6761 finds.
pub(super) const NAME: &str = "exercise-lb.localhost";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Facts {
    pub(super) engine: Engine,
    pub(super) cgroup: Cgroup,
    pub(super) ports: Vec<(u16, Port)>,
    /// What [`NAME`] resolves to.
    pub(super) localhost: Result<Vec<IpAddr>, String>,
    /// By how much the wall clock ran ahead of the monotonic one while the rest was asked for.
    pub(super) drift: SignedDuration,
    /// As `docker compose version --short` says it.
    pub(super) compose: Option<String>,
}

/// How control groups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cgroup {
    V1,
    /// Version 1, with an empty version 2 beside it.
    Hybrid,
    V2,
    Missing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Free,
    /// The minicloud that `--host` names has it.
    Ours,
    Taken,
    /// Not to be had for another reason.
    Refused(String),
}

impl Facts {
    pub(super) async fn gather(connection: &Connection) -> Self {
        let before = SystemClock.now();
        let (engine, ports, localhost, compose) =
            tokio::join!(Engine::ask(), ports(connection), localhost(), compose());
        Self {
            engine,
            ports,
            localhost,
            compose,
            cgroup: cgroup(Path::new("/sys/fs/cgroup")),
            drift: drift(before, SystemClock.now()),
        }
    }
}

fn drift(before: Now, after: Now) -> SignedDuration {
    let wall = after.wall.duration_since(before.wall);
    let mono = SignedDuration::try_from(after.mono - before.mono);
    wall - mono.unwrap_or(SignedDuration::MAX)
}

/// As the agent looks for them.
fn cgroup(root: &Path) -> Cgroup {
    let is_v1 = ["cpu", "cpu,cpuacct"]
        .iter()
        .any(|name| root.join(name).is_dir());
    match root.join("cgroup.controllers").exists() {
        true => Cgroup::V2,
        false if is_v1 && root.join("unified").is_dir() => Cgroup::Hybrid,
        false if is_v1 => Cgroup::V1,
        false => Cgroup::Missing,
    }
}

async fn ports(connection: &Connection) -> Vec<(u16, Port)> {
    let ours = ours(connection).await;
    let mut ports = Vec::new();
    for port in PORTS {
        let state = match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(_) => Port::Free,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match ours.contains(&port) {
                true => Port::Ours,
                false => Port::Taken,
            },
            Err(error) => Port::Refused(error.to_string()),
        };
        ports.push((port, state));
    }
    ports
}

/// The ports of a minicloud that runs.
async fn ours(connection: &Connection) -> BTreeSet<u16> {
    let Ok(api) = connect(connection) else {
        return BTreeSet::new();
    };
    let Ok(Ok(view)) = timeout(ANSWER_TIMEOUT, api.view()).await else {
        return BTreeSet::new();
    };
    let listeners = view.load_balancers.iter().flat_map(|one| &one.ports);
    let mut ours: BTreeSet<u16> = listeners.copied().collect();
    if let Endpoint::Tcp { port, .. } = &connection.host {
        ours.insert(*port);
    }
    ours
}

/// By the system's own resolver, as browsers and most programs ask it.
async fn localhost() -> Result<Vec<IpAddr>, String> {
    let found = timeout(ANSWER_TIMEOUT, lookup_host((NAME, 80))).await;
    let found = found.map_err(|_| "no answer".to_owned())?;
    let found = found.map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip()).collect())
}

async fn compose() -> Option<String> {
    let output = Command::new("docker")
        .args(["compose", "version", "--short"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(ANSWER_TIMEOUT, output).await.ok()?.ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| version.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(cgroup(root), Cgroup::Missing);
        std::fs::create_dir(root.join("cpu,cpuacct")).unwrap();
        assert_eq!(cgroup(root), Cgroup::V1);
        std::fs::create_dir(root.join("unified")).unwrap();
        assert_eq!(cgroup(root), Cgroup::Hybrid);
        std::fs::write(root.join("cgroup.controllers"), "cpu").unwrap();
        assert_eq!(cgroup(root), Cgroup::V2);
    }
}
