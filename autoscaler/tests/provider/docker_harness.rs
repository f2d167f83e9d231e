//! A real engine, and an image of our own on it.

use std::{collections::HashMap, io::Write, pin::pin, sync::Once, time::Duration};

use bollard::{
    Docker,
    models::{ContainerConfig, ContainerCreateBody},
    query_parameters::{
        CommitContainerOptions, ListContainersOptions, ListNetworksOptions, RemoveContainerOptions,
        RemoveImageOptions, StatsOptions, TopOptions,
    },
};
use futures_util::StreamExt;
use minicloud_autoscaler::{
    instance::InstanceId,
    launch_template::LaunchTemplate,
    provider::{
        InstanceProvider,
        docker::{DockerConfig, DockerProvider},
    },
};

use super::harness::{Behaviour, Command, Harness, eventually, listen, template, unique};

const BASE_IMAGE: &str = "debian:bookworm-slim";
/// What an instance does is its template's to say.
const RUN_SCRIPT: [&str; 3] = ["sh", "-c", r#"eval "$SCRIPT""#];
pub(super) const SERVES: &str =
    ": > /tmp/ready; while [ ! -e /tmp/end ]; do sleep 0.05; done; exit 3";
const DEAF: &str = r#"trap "" TERM; : > /tmp/ready; while :; do sleep 0.2; done"#;

pub(super) struct Containers {
    pub(super) docker: Docker,
    pub(super) owner: String,
    image: String,
}

/// `None`, with a line that says so, where no engine answers; a failure where one must.
pub(super) async fn containers() -> Option<Containers> {
    match connect().await {
        Ok(containers) => Some(containers),
        Err(reason) => {
            static SAID: Once = Once::new();
            skip(&SAID, &format!("tests of the docker provider: {reason}"));
            None
        }
    }
}

/// Says once that tests are skipped, and why; fails where they must not be.
pub(super) fn skip(said: &'static Once, what: &str) {
    let required = std::env::var_os("MINICLOUD_REQUIRE_DOCKER").is_some();
    assert!(
        !required,
        "MINICLOUD_REQUIRE_DOCKER is set: cannot run {what}"
    );
    // Past the harness, which shows what a test prints only where the test fails.
    let line = format!("skipped: {what}\n");
    said.call_once(|| std::io::stderr().write_all(line.as_bytes()).unwrap());
}

async fn connect() -> Result<Containers, String> {
    let docker = Docker::connect_with_defaults().map_err(|error| error.to_string())?;
    let docker = docker.negotiate_version().await;
    let docker = docker.map_err(|error| format!("no Docker engine answers: {error}"))?;
    let image = commit(&docker).await?;
    Ok(Containers {
        docker,
        owner: unique("owner"),
        image,
    })
}

/// The base image with our command: made on the engine, with no registry and no build.
async fn commit(docker: &Docker) -> Result<String, String> {
    let body = ContainerCreateBody {
        image: Some(BASE_IMAGE.to_owned()),
        cmd: Some(RUN_SCRIPT.map(str::to_owned).to_vec()),
        ..ContainerCreateBody::default()
    };
    let base = docker.create_container(None, body).await;
    let base = base.map_err(|error| format!("image {BASE_IMAGE} is needed: {error}"))?;
    let image = unique("minicloud-contract");
    let options = CommitContainerOptions {
        container: Some(base.id.clone()),
        repo: Some(image.clone()),
        ..CommitContainerOptions::default()
    };
    let committed = docker
        .commit_container(options, ContainerConfig::default())
        .await;
    remove(docker, &base.id).await;
    committed.map_err(|error| error.to_string())?;
    Ok(image)
}

pub(super) async fn remove(docker: &Docker, container: &str) {
    let options = RemoveContainerOptions {
        force: true,
        v: true,
        ..RemoveContainerOptions::default()
    };
    docker
        .remove_container(container, Some(options))
        .await
        .unwrap();
}

impl Containers {
    pub(super) fn config(&self) -> DockerConfig {
        DockerConfig {
            network: self.owner.clone(),
            ..DockerConfig::standalone(self.owner.clone())
        }
    }

    pub(super) fn image(&self) -> &str {
        &self.image
    }

    pub(super) fn script(&self, script: &str) -> LaunchTemplate {
        let mut template = template("sturdy");
        template.env.insert("SCRIPT".to_owned(), script.to_owned());
        template.image = Some(self.image.clone());
        template
    }

    fn stranger_config(&self) -> DockerConfig {
        DockerConfig {
            owner: format!("{}-stranger", self.owner),
            ..self.config()
        }
    }

    /// Ids of all containers with this label.
    pub(super) async fn labelled(&self, label: &str) -> Vec<String> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([(
                "label".to_owned(),
                vec![label.to_owned()],
            )])),
            ..ListContainersOptions::default()
        };
        let found = self.docker.list_containers(Some(options)).await.unwrap();
        found.into_iter().filter_map(|found| found.id).collect()
    }

    pub(super) async fn container(&self, id: &InstanceId) -> String {
        let found = self.labelled(&format!("minicloud.instance-id={id}")).await;
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    }

    /// Starts a container of the test's own, and returns its id.
    pub(super) async fn start(&self, labels: &[(&str, &str)]) -> String {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let body = ContainerCreateBody {
            image: Some(self.image.clone()),
            env: Some(vec![format!("SCRIPT={SERVES}")]),
            labels: Some(labels.collect()),
            ..ContainerCreateBody::default()
        };
        let id = self.docker.create_container(None, body).await.unwrap().id;
        self.docker.start_container(&id, None).await.unwrap();
        id
    }

    async fn networks(&self) -> usize {
        let filters = HashMap::from([("name".to_owned(), vec![self.owner.clone()])]);
        let options = ListNetworksOptions {
            filters: Some(filters),
        };
        self.docker
            .list_networks(Some(options))
            .await
            .unwrap()
            .len()
    }
}

impl Harness for Containers {
    type Provider = DockerProvider;

    async fn provider(&self) -> DockerProvider {
        DockerProvider::connect(self.config()).await.unwrap()
    }

    async fn stranger(&self) -> Option<DockerProvider> {
        let provider = DockerProvider::connect(self.stranger_config()).await;
        Some(provider.unwrap())
    }

    fn template(&self, behaviour: Behaviour) -> LaunchTemplate {
        match behaviour {
            Behaviour::Serves => self.script(SERVES),
            Behaviour::Deaf => self.script(DEAF),
            Behaviour::Missing => LaunchTemplate {
                image: Some("minicloud-no-such-image:1".to_owned()),
                ..template("sturdy")
            },
        }
    }

    fn script(&self, script: &str) -> Option<LaunchTemplate> {
        Some(self.script(script))
    }

    fn serves_if(&self, condition: &str) -> Option<LaunchTemplate> {
        Some(self.script(&format!("{condition} || exit 9\n{SERVES}")))
    }

    async fn cpu(&self, id: &InstanceId) -> Option<Duration> {
        let options = StatsOptions {
            stream: false,
            one_shot: true,
        };
        let container = self.container(id).await;
        let mut stats = pin!(self.docker.stats(&container, Some(options)));
        let usage = stats.next().await?.ok()?.cpu_stats?.cpu_usage?.total_usage;
        usage.map(Duration::from_nanos)
    }

    fn command(&self, command: Command) -> Option<Vec<String>> {
        let script = match command {
            Command::SaysHello => "echo hello".to_owned(),
            Command::Cat => "cat".to_owned(),
            Command::SaysWindowSize => {
                "[ -t 0 ] && [ -t 1 ] && read line && stty size && exit 5".to_owned()
            }
            // Two streams through one: their order is kept only within each.
            Command::SaysBothAndFails => "printf out; printf err >&2; exit 3".to_owned(),
            Command::ExitsWith3 => "exit 3".to_owned(),
            Command::Prints(name) => format!("printf %s \"${name}\""),
            Command::Lasts => ": lasts; sleep 1000; :".to_owned(),
            Command::NotExecutable => return Some(vec!["/etc/passwd".to_owned()]),
            Command::IsReady => "test -e /tmp/ready".to_owned(),
        };
        Some(["sh", "-c", &script].map(str::to_owned).to_vec())
    }

    async fn end(&self, provider: &DockerProvider, id: &InstanceId) {
        let command = ["touch", "/tmp/end"].map(str::to_owned).to_vec();
        // The instance may be gone before the command has said that it is done.
        listen(provider.exec(id, command).await.unwrap()).await;
    }

    async fn running_commands(&self, id: &InstanceId) -> usize {
        let found = self.labelled(&format!("minicloud.instance-id={id}")).await;
        let Some(container) = found.first() else {
            return 0;
        };
        let options = TopOptions {
            ps_args: "-eo pid,args".to_owned(),
        };
        let Ok(top) = self.docker.top_processes(container, Some(options)).await else {
            return 0;
        };
        let rows = top.processes.unwrap_or_default();
        let is_command = |row: &&Vec<String>| {
            row.iter()
                .any(|cell| cell.contains("lasts;") || cell == "sleep 1000")
        };
        rows.iter().filter(is_command).count().div_ceil(2)
    }

    async fn clean_up(&self) {
        self.stranger().await.unwrap().sweep().await.unwrap();
        self.provider().await.sweep().await.unwrap();
        for owner in [&self.owner, &self.stranger_config().owner] {
            let label = format!("minicloud.owner={owner}");
            eventually("no container is left", async || {
                self.labelled(&label).await.is_empty().then_some(())
            })
            .await;
        }
        assert_eq!(self.networks().await, 0, "a network is left");
        let options = RemoveImageOptions {
            force: true,
            ..RemoveImageOptions::default()
        };
        let removed = self.docker.remove_image(&self.image, Some(options), None);
        removed.await.unwrap();
    }
}
