//! Adopted Compose services on a real engine: what `docker compose` does to a project, and what
//! becomes of its clones.

use std::{net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{
    BUSY_MACHINE,
    api::Api,
    child::Minicloud,
    compose::{self, docker, engine},
    free_port,
    machine::Machine,
    traffic::Traffic,
    wait::until,
    write,
};

const SOON: Duration = Duration::from_secs(90);
/// How long Compose has to replace a container, then a drain and an end.
const DISSOLVED: Duration = Duration::from_secs(120);

/// A project of somebody's, with minicloud on the host beside it.
struct Shop {
    project: String,
    dir: TempDir,
    api: Api,
    address: SocketAddr,
    minicloud: Minicloud,
}

/// Its one service: `labels` besides the usual, and this in its environment.
fn api(labels: &str, colour: &str) -> String {
    format!(
        "services:\n  api:\n    image: {image}\n    environment: {{ COLOUR: {colour} }}\n    \
         init: true\n    cpus: 0.5\n    labels: {{ minicloud.enable: \"true\", \
         minicloud.host: localhost, minicloud.health: /health, \
         minicloud.health.interval: 500ms, minicloud.drain: 5s, minicloud.warmup: 1s{labels} }}\n",
        image = compose::image(compose::SAMPLE_APP)
    )
}

const TWO: &str = ", minicloud.min: \"2\", minicloud.max: \"3\"";

impl Shop {
    /// `docker compose up -d` of `file`, and minicloud.
    async fn open(file: &str) -> Self {
        compose::images().await;
        let dir = tempfile::tempdir().unwrap();
        let (port, api_port) = (free_port(), free_port());
        let config = format!(
            "version: 1\nload_balancers:\n  lb: {{ listeners: [ {{ port: {port}, default_action: \
             {{ fixed_response: {{ status_code: 404 }} }} }} ] }}\n{BUSY_MACHINE}"
        );
        let (config_file, state) = (dir.path().join("minicloud.yaml"), dir.path().join("state"));
        write(&config_file, &config);
        let api = SocketAddr::from(([127, 0, 0, 1], api_port));
        let arguments = [
            "up",
            "--provider=docker",
            &format!("--config={}", config_file.display()),
            &format!("--state-dir={}", state.display()),
            &format!("--api={api}"),
        ];
        let shop = Self {
            // An own name on an engine that others use.
            project: format!("adopt-test-{port}"),
            minicloud: Minicloud::spawn(&arguments, &dir.path().join("up.log")),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            api: Api(api),
            dir,
        };
        shop.write(file);
        shop.compose(&["up", "-d"]).await;
        shop
    }

    fn write(&self, file: &str) {
        write(&self.file(), file);
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("compose.yaml")
    }

    /// `docker compose ARGUMENTS`; its stdout.
    async fn compose(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("docker");
        command
            .args(["compose", "--project-name", &self.project, "--file"])
            .arg(self.file())
            .args(arguments);
        compose::finish(command, SOON).await
    }

    fn group(&self) -> String {
        format!("{}-api", self.project)
    }

    async fn instances(&self) -> Result<Vec<Value>, String> {
        let path = format!("/v1/groups/{}/instances", self.group());
        let answer = self.api.get(&path).await?;
        answer["instances"]
            .as_array()
            .cloned()
            .ok_or("no list".to_owned())
    }

    /// Waits for so many of each in service, and nothing else: ids of seeds and of clones.
    async fn until(&self, seeds: usize, clones: usize) -> (Vec<String>, Vec<String>) {
        let what = format!("{seeds} seeds and {clones} clones in service");
        until(&what, SOON, || async {
            let instances = self.instances().await?;
            let of = |owner: &str| -> Vec<String> {
                let in_service = instances.iter().filter(|one| {
                    one["managed_by"] == owner && one["lifecycle_state"] == "InService"
                });
                in_service
                    .map(|one| one["instance_id"].as_str().unwrap().to_owned())
                    .collect()
            };
            let (has, cloned) = (of("compose"), of("minicloud"));
            match (has.len(), cloned.len(), instances.len()) == (seeds, clones, seeds + clones) {
                true => Ok((has, cloned)),
                false => Err(format!("{instances:?}")),
            }
        })
        .await
    }

    /// Names of the project's containers, clones and exited ones included.
    async fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let names = docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]).await;
        names.lines().map(ToOwned::to_owned).collect()
    }

    async fn networks(&self) -> String {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        docker(&["network", "ls", "--quiet", "--filter", &filter]).await
    }

    async fn until_containers(&self, expected: &[&str]) {
        until(&format!("{expected:?}"), DISSOLVED, || async {
            let names = self.containers().await;
            match names == expected {
                true => Ok(()),
                false => Err(format!("{names:?}")),
            }
        })
        .await;
    }

    async fn until_dissolved(&self) {
        until("the group is gone", DISSOLVED, || async {
            match self.instances().await {
                Err(_) => Ok(()),
                Ok(instances) => Err(format!("{instances:?}")),
            }
        })
        .await;
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.minicloud.log());
        }
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let script = format!(
            "docker ps -aq --filter {filter} | xargs -r docker rm -fv; docker network ls -q --filter {filter} | xargs -r docker network rm"
        );
        let quiet = std::process::Command::new("sh")
            .args(["-c", &script])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        drop(quiet);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compose_commands_leave_clones_alone() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let shop = Shop::open(&api(TWO, "blue")).await;
    let first = shop.until(1, 1).await;
    let (seed, clone) = (format!("{}-api-1", shop.project), &first.1[0]);
    let clone_name = format!("{}-api-{clone}", shop.project);
    let traffic = Traffic::start(shop.address, 100);
    for arguments in [&["up", "-d"][..], &["up", "-d", "--remove-orphans"]] {
        shop.compose(arguments).await;
        assert_eq!(shop.until(1, 1).await, first, "after {arguments:?}");
    }
    let names = ["ps", "--format", "{{.Name}}"];
    assert_eq!(shop.compose(&names).await.trim(), seed);
    let all = shop.compose(&[&names[..], &["--all"]].concat()).await;
    assert!(all.contains(&clone_name), "{all}");
    let logs = shop.compose(&["logs", "api"]).await;
    assert_eq!(logs.matches("listens on").count(), 1, "{logs}");
    traffic.stop().await.assert_none_failed();

    shop.compose(&["restart"]).await;
    assert_eq!(shop.until(1, 1).await, first, "after restart");
    shop.compose(&["up", "-d", "--force-recreate"]).await;
    until("the next container", SOON, || async {
        let (seeds, clones) = shop.until(1, 1).await;
        // Made of the same image and settings, it needs no other clone.
        assert_eq!(clones, first.1);
        match seeds == first.0 {
            true => Err("still the first".to_owned()),
            false => Ok(()),
        }
    })
    .await;

    shop.compose(&["down"]).await;
    assert_eq!(shop.containers().await, [clone_name.as_str()]);
    shop.until_dissolved().await;
    shop.until_containers(&[]).await;
    assert_eq!(shop.networks().await, "", "a network is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_service_is_refreshed_without_a_lost_request() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let shop = Shop::open(&api(TWO, "blue")).await;
    let (seeds, clones) = shop.until(1, 1).await;
    let traffic = Traffic::start(shop.address, 100);
    shop.write(&api(TWO, "green"));
    shop.compose(&["up", "-d"]).await;
    let clone = until("another clone", SOON, || async {
        let (now, other) = shop.until(1, 1).await;
        match now != seeds && other != clones {
            true => Ok(other[0].clone()),
            false => Err(format!("{now:?} {other:?}")),
        }
    })
    .await;
    let tally = traffic.stop().await;
    tally.assert_none_failed();
    assert!(tally.served.contains_key(&clone), "{:?}", tally.served);
    let name = format!("{}-api-{clone}", shop.project);
    let colour = docker(&["exec", &name, "printenv", "COLOUR"]).await;
    assert_eq!(colour.trim(), "green");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_service_loses_its_clones_and_gets_them_back() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let mut shop = Shop::open(&api(TWO, "blue")).await;
    let (seeds, _) = shop.until(1, 1).await;
    let seed = format!("{}-api-1", shop.project);
    shop.compose(&["stop"]).await;
    shop.until_containers(&[&seed]).await;
    shop.until_dissolved().await;
    assert_ne!(shop.networks().await, "", "it is the stopped container's");
    shop.compose(&["start"]).await;
    assert_eq!(shop.until(1, 1).await.0, seeds);

    // Compose takes everything away at once, the clone too.
    shop.compose(&["down", "--remove-orphans"]).await;
    assert_eq!(shop.containers().await, [] as [String; 0]);
    assert_eq!(shop.networks().await, "");
    shop.until_dissolved().await;
    shop.compose(&["up", "-d"]).await;
    let (seeds, _) = shop.until(1, 1).await;

    // And without minicloud the project is what it was.
    shop.minicloud.signal(Signal::INT);
    let status = shop.minicloud.exited(SOON).await;
    assert!(status.success(), "{status}");
    assert_eq!(shop.containers().await, [seed.as_str()]);
    let id = docker(&["inspect", "--format", "{{.Id}} {{.State.Status}}", &seed]).await;
    assert!(id.starts_with(seeds[0].trim_start_matches("i-")), "{id}");
    assert!(id.trim().ends_with("running"), "{id}");
}
