//! Adopted Compose services on a real engine: what `docker compose` does to a project, and what
//! becomes of its clones.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

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

/// A project of somebody's; all of it is removed in the end.
struct Project {
    name: String,
    dir: TempDir,
}

/// A project with one service, and a minicloud that adopts it.
struct Shop {
    project: Project,
    api: Api,
    address: SocketAddr,
    /// On the host; none where it runs in containers.
    minicloud: Option<Minicloud>,
}

/// The project's one service: `labels` besides the usual, and this in its environment.
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

impl Project {
    async fn new() -> Self {
        compose::images().await;
        Self {
            // An own name on an engine that others use.
            name: format!("adopt-test-{}", free_port()),
            dir: tempfile::tempdir().unwrap(),
        }
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
            .args(["compose", "--project-name", &self.name, "--file"])
            .arg(self.file())
            .args(arguments);
        compose::finish(command, SOON).await
    }

    /// Names of its containers, clones and exited ones included.
    async fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.name);
        let names = docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]).await;
        names.lines().map(ToOwned::to_owned).collect()
    }

    async fn networks(&self) -> String {
        let filter = format!("label=com.docker.compose.project={}", self.name);
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
}

impl Drop for Project {
    fn drop(&mut self) {
        compose::remove_project(&self.name);
    }
}

impl Shop {
    /// `docker compose up -d` of `file`, and minicloud.
    async fn open(file: &str) -> Self {
        let project = Project::new().await;
        let (port, api_port) = (free_port(), free_port());
        let config = format!(
            "version: 1\nload_balancers:\n  lb: {{ listeners: [ {{ port: {port}, default_action: \
             {{ fixed_response: {{ status_code: 404 }} }} }} ] }}\n{BUSY_MACHINE}"
        );
        let dir = project.dir.path();
        let (config_file, state) = (dir.join("minicloud.yaml"), dir.join("state"));
        write(&config_file, &config);
        let api = SocketAddr::from(([127, 0, 0, 1], api_port));
        let arguments = [
            "up",
            "--provider=docker",
            &format!("--config={}", config_file.display()),
            &format!("--state-dir={}", state.display()),
            &format!("--api={api}"),
        ];
        let minicloud = Minicloud::spawn(&arguments, &dir.join("up.log"));
        project.write(file);
        project.compose(&["up", "-d"]).await;
        Self {
            project,
            minicloud: Some(minicloud),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            api: Api(api),
        }
    }

    async fn compose(&self, arguments: &[&str]) -> String {
        self.project.compose(arguments).await
    }

    fn group(&self) -> String {
        format!("{}-api", self.project.name)
    }

    async fn instances(&self) -> Result<Vec<Value>, String> {
        let path = format!("/v1/groups/{}/instances", self.group());
        let answer = self.api.get(&path).await?;
        answer["instances"]
            .as_array()
            .cloned()
            .ok_or("no list".to_owned())
    }

    async fn until(&self, seeds: usize, clones: usize) -> (Vec<String>, Vec<String>) {
        self.until_within(seeds, clones, SOON).await
    }

    /// Waits for so many of each in service, and nothing else: ids of seeds and of clones.
    async fn until_within(
        &self,
        seeds: usize,
        clones: usize,
        within: Duration,
    ) -> (Vec<String>, Vec<String>) {
        let what = format!("{seeds} seeds and {clones} clones in service");
        until(&what, within, || async {
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

    async fn until_dissolved(&self) {
        until("the group is gone", DISSOLVED, || async {
            match self.instances().await {
                Err(_) => Ok(()),
                Ok(instances) => Err(format!("{instances:?}")),
            }
        })
        .await;
    }

    /// Waits until a service is rejected with these words, and returns all that is said of it.
    async fn until_rejected(&self, service: &str, words: &str) -> String {
        let name = format!("service `{service}`");
        until(&format!("{service}: {words}"), SOON, || async {
            let view = self.api.get("/v1/status").await?;
            let groups = view["auto_scaling_groups"].as_array().into_iter().flatten();
            let of_groups = groups.flat_map(|group| group["conditions"].as_array());
            let conditions = view["conditions"].as_array().into_iter().chain(of_groups);
            let mut messages = conditions
                .flatten()
                .filter_map(|condition| condition["message"].as_str());
            messages
                .find(|message| message.contains(&name) && message.contains(words))
                .map(ToOwned::to_owned)
                .ok_or_else(|| view.to_string())
        })
        .await
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(minicloud) = self.minicloud.as_ref().filter(|_| std::thread::panicking()) {
            eprintln!("{}", minicloud.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compose_commands_leave_clones_alone() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let shop = Shop::open(&api(TWO, "blue")).await;
    let first = shop.until(1, 1).await;
    let (seed, clone) = (format!("{}-api-1", shop.project.name), &first.1[0]);
    let clone_name = format!("{}-api-{clone}", shop.project.name);
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
    assert_eq!(shop.project.containers().await, [clone_name.as_str()]);
    shop.until_dissolved().await;
    shop.project.until_containers(&[]).await;
    assert_eq!(shop.project.networks().await, "", "a network is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_service_is_refreshed_without_a_lost_request() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let shop = Shop::open(&api(TWO, "blue")).await;
    let (seeds, clones) = shop.until(1, 1).await;
    let traffic = Traffic::start(shop.address, 100);
    shop.project.write(&api(TWO, "green"));
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
    let name = format!("{}-api-{clone}", shop.project.name);
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
    let seed = format!("{}-api-1", shop.project.name);
    shop.compose(&["stop"]).await;
    shop.project.until_containers(&[&seed]).await;
    shop.until_dissolved().await;
    assert_ne!(
        shop.project.networks().await,
        "",
        "it is the stopped container's"
    );
    shop.compose(&["start"]).await;
    assert_eq!(shop.until(1, 1).await.0, seeds);

    // Compose takes everything away at once, the clone too.
    shop.compose(&["down", "--remove-orphans"]).await;
    assert_eq!(shop.project.containers().await, [] as [String; 0]);
    assert_eq!(shop.project.networks().await, "");
    shop.until_dissolved().await;
    shop.compose(&["up", "-d"]).await;
    let (seeds, _) = shop.until(1, 1).await;

    // And without minicloud the project is what it was.
    let minicloud = shop.minicloud.as_mut().unwrap();
    minicloud.signal(Signal::INT);
    let status = minicloud.exited(SOON).await;
    assert!(status.success(), "{status}");
    assert_eq!(shop.project.containers().await, [seed.as_str()]);
    let id = docker(&["inspect", "--format", "{{.Id}} {{.State.Status}}", &seed]).await;
    assert!(id.starts_with(seeds[0].trim_start_matches("i-")), "{id}");
    assert!(id.trim().ends_with("running"), "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_service_grows_by_a_clone_and_shrinks_to_its_seed() {
    let Some(_engine) = engine(Machine::alone()).await else {
        return;
    };
    let shop = Shop::open(&api(", minicloud.target-cpu: \"60\"", "blue")).await;
    let (seeds, _) = shop.until(1, 0).await;
    let traffic = Traffic::start(shop.address, 50);
    until("a clone", SOON, || async {
        let stress = [
            "exec",
            "-T",
            "api",
            "stress",
            "--cpu",
            "1",
            "--timeout",
            "4",
        ];
        shop.compose(&stress).await;
        match shop.instances().await?.len() {
            2 => Ok(()),
            count => Err(format!("{count} instances")),
        }
    })
    .await;
    let (_, clones) = shop.until(1, 1).await;
    until("both serve", SOON, || async {
        let served = traffic.tally().served;
        match served.contains_key(&clones[0]) && served.contains_key("local") {
            true => Ok(()),
            false => Err(format!("{served:?}")),
        }
    })
    .await;
    // The scale-in window, a drain and an end, with room.
    let (left, _) = shop.until_within(1, 0, Duration::from_secs(330)).await;
    assert_eq!(left, seeds);
    traffic.stop().await.assert_none_failed();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_cloned_is_refused_and_goes_on_serving() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let port = free_port();
    let refused = [
        (
            "published",
            format!("ports: [\"127.0.0.1:{port}:8080\"]"),
            "cannot bind it",
        ),
        ("hosts", "network_mode: none".to_owned(), "network_mode"),
        (
            "device",
            "devices: [\"/dev/null:/dev/other\"]".to_owned(),
            "/dev/null",
        ),
        (
            "volume",
            "volumes: [\"data:/data\"]".to_owned(),
            "shared-volumes",
        ),
        (
            "folder",
            "volumes: [\"/var/tmp:/data\"]".to_owned(),
            "host-binds",
        ),
        (
            "address",
            "networks: { fixed: { ipv4_address: 172.31.250.9 } }".to_owned(),
            "ipv4_address",
        ),
        ("typo", "command: [sample-app]".to_owned(), "did you mean"),
    ];
    let mut file = api("", "blue")
        + "volumes: { data: {} }\nnetworks: { fixed: { ipam: { config: [ { subnet: 172.31.250.0/24 } ] } } }\n";
    let mut services = String::new();
    for (name, line, _) in &refused {
        let label = if *name == "typo" {
            ", minicloud.targer-cpu: \"50\""
        } else {
            ""
        };
        services += &format!(
            "  {name}:\n    image: {image}\n    init: true\n    cpus: 0.5\n    {line}\n    \
             labels: {{ minicloud.enable: \"true\"{label} }}\n",
            image = compose::SAMPLE_APP
        );
    }
    file = file.replace("volumes: { data", &format!("{services}volumes: {{ data"));
    let shop = Shop::open(&file).await;
    for (name, _, words) in refused {
        shop.until_rejected(name, words).await;
    }
    // The one that is right is not held up, and one that is not serves all the same.
    shop.until(1, 0).await;
    let group = format!("{}-typo", shop.project.name);
    until("served", SOON, || async {
        let path = format!("/v1/target-groups/{group}/targets");
        let targets = shop.api.get(&path).await?;
        match targets.to_string().contains("\"healthy\"") {
            true => Ok(()),
            false => Err(targets.to_string()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn balancer_in_a_container_serves_what_it_shares_a_network_with() {
    let Some(_engine) = engine(Machine::shared()).await else {
        return;
    };
    let minicloud = compose::Compose::up(|example| example).await;
    let project = Project::new().await;
    project.write(&api(TWO, "blue"));
    project.compose(&["up", "-d"]).await;
    let shop = Shop {
        project,
        api: minicloud.api,
        address: minicloud.address,
        minicloud: None,
    };
    // The message has the very command.
    let told = shop.until_rejected("api", "docker network connect").await;
    let (_, command) = told.split_once("run: docker ").unwrap();
    let words: Vec<&str> = command.split_whitespace().take(4).collect();
    docker(&words).await;
    let (_, clones) = shop.until(1, 1).await;
    let traffic = Traffic::start(shop.address, 50);
    until("both serve", SOON, || async {
        let served = traffic.tally().served;
        match served.contains_key(&clones[0]) && served.contains_key("local") {
            true => Ok(()),
            false => Err(format!("{served:?}")),
        }
    })
    .await;
    traffic.stop().await.assert_none_failed();

    // minicloud goes, and its clones with it.
    docker(&["network", "disconnect", words[2], words[3]]).await;
    minicloud.down().await;
    let seed = format!("{}-api-1", shop.project.name);
    assert_eq!(shop.project.containers().await, [seed]);
}
