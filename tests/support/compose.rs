//! A compose project of its own for a test, on ports of its own, from the binaries that cargo
//! has just built.

use std::{
    fs::Permissions,
    future::Future,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    process::Command,
    sync::{Mutex, MutexGuard, OnceCell},
};

use super::{BUSY_MACHINE, MINICLOUD, api::Api, free_port, machine::Machine};

const UP_TIMEOUT: Duration = Duration::from_secs(180);
const BUILD_TIMEOUT: Duration = Duration::from_secs(300);

/// The demo workload.
pub(crate) const SAMPLE_APP: &str = "minicloud-sample-app";

pub(crate) struct Compose {
    pub(crate) project: String,
    pub(crate) api: Api,
    pub(crate) address: SocketAddr,
    pub(crate) config: TempDir,
}

/// The machine, and the engine to oneself, since each project fills a laptop; `None` where
/// there is no engine.
pub(crate) async fn engine(
    machine: impl Future<Output = Machine>,
) -> Option<(MutexGuard<'static, ()>, Machine)> {
    static ENGINE: Mutex<()> = Mutex::const_new(());
    if !engine_is_there().await {
        return None;
    }
    let guard = ENGINE.lock().await;
    Some((guard, machine.await))
}

/// The image under test of that name.
pub(crate) fn image(name: &str) -> String {
    format!("{name}:{}", tag())
}

/// Checkouts that share an engine need a tag each.
fn tag() -> String {
    std::env::var("MINICLOUD_TEST_TAG").unwrap_or_else(|_| "test".to_owned())
}

/// Whether an engine answers; says why a test is skipped where none does, and fails where one
/// must be there.
pub(crate) async fn engine_is_there() -> bool {
    let answer = Command::new("docker")
        .args(["compose", "version"])
        .output()
        .await;
    let engine = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .output()
        .await;
    let there = [answer, engine]
        .into_iter()
        .all(|output| output.is_ok_and(|output| output.status.success()));
    let required = std::env::var_os("MINICLOUD_REQUIRE_DOCKER").is_some_and(|value| value == "1");
    assert!(
        there || !required,
        "MINICLOUD_REQUIRE_DOCKER=1, and no Docker engine with Compose answers"
    );
    if !there {
        eprintln!("skipped: no Docker engine with Compose answers here");
    }
    there
}

impl Compose {
    /// `docker compose up -d --wait` with the built-in example, or what `edit` makes of it.
    pub(crate) async fn up(edit: impl FnOnce(String) -> String) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (port, api_port) = (free_port(), free_port());
        let config = tempfile::tempdir().unwrap();
        // The autoscaler's root has no capability to read what is another user's alone.
        std::fs::set_permissions(config.path(), Permissions::from_mode(0o755)).unwrap();
        let example = include_str!("../../minicloud.yaml");
        let example = example.replace(
            "image: minicloud-sample-app,",
            &format!("image: {},", image(SAMPLE_APP)),
        ) + BUSY_MACHINE;
        std::fs::write(config.path().join("minicloud.yaml"), edit(example)).unwrap();
        let compose = Self {
            project: format!("minicloud-test-{}-{number}", std::process::id()),
            api: Api(SocketAddr::from(([127, 0, 0, 1], api_port))),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            config,
        };
        images().await;
        compose.run(&["up", "-d", "--wait"], UP_TIMEOUT).await;
        compose
    }

    /// `docker compose ARGUMENTS` to its end, which must be a good one; stdout and stderr.
    pub(crate) async fn run(&self, arguments: &[&str], within: Duration) -> String {
        finish(self.command(arguments), within).await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .args([
                "compose",
                "--project-name",
                &self.project,
                "--project-directory",
            ])
            .arg(root())
            .args(arguments)
            .envs(self.environment());
        command
    }

    /// What makes any `docker compose` one of this project.
    pub(crate) fn environment(&self) -> [(&'static str, String); 6] {
        let config = self.config.path().display().to_string();
        [
            ("COMPOSE_PROJECT_NAME", self.project.clone()),
            (
                "COMPOSE_FILE",
                root().join("docker-compose.yml").display().to_string(),
            ),
            ("MINICLOUD_TAG", tag()),
            ("MINICLOUD_HTTP_PORT", self.address.port().to_string()),
            ("MINICLOUD_API_PORT", self.api.0.port().to_string()),
            ("MINICLOUD_CONFIG_DIR", config),
        ]
    }

    /// Names of the project's containers, instances included, exited ones too.
    pub(crate) async fn containers(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let names = docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]).await;
        names.lines().map(ToOwned::to_owned).collect()
    }

    /// The container of an instance.
    pub(crate) async fn container_of(&self, instance: &str) -> String {
        let filter = format!("label=minicloud.instance-id={instance}");
        docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])
            .await
            .trim()
            .to_owned()
    }

    /// The container of one of the project's own services.
    pub(crate) async fn service(&self, name: &str) -> String {
        self.run(&["ps", "--quiet", name], UP_TIMEOUT)
            .await
            .trim()
            .to_owned()
    }

    /// `docker compose down`, after which nothing is left but volumes, and they go too.
    pub(crate) async fn down(self) {
        self.run(&["down"], UP_TIMEOUT).await;
        assert_eq!(
            self.containers().await,
            [] as [String; 0],
            "containers left after down"
        );
        let filter = format!("label=com.docker.compose.project={}", self.project);
        assert_eq!(
            docker(&["network", "ls", "--quiet", "--filter", &filter]).await,
            "",
            "networks left after down"
        );
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        // After a good test only volumes go.
        if std::thread::panicking() {
            let log = std::process::Command::new("docker")
                .args(["compose", "-p", &self.project, "logs", "--tail", "60"])
                .output();
            if let Ok(log) = log {
                eprintln!("{}", String::from_utf8_lossy(&log.stdout));
            }
        }
        remove_project(&self.project);
    }
}

/// Whatever carries the project's label. Blocking, for what is dropped.
pub(crate) fn remove_project(project: &str) {
    let filter = format!("label=com.docker.compose.project={project}");
    let script = format!(
        "docker ps -aq --filter {filter} | xargs -r docker rm -fv; docker network ls -q --filter {filter} | xargs -r docker network rm; docker volume ls -q --filter {filter} | xargs -r docker volume rm"
    );
    let quiet = std::process::Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    drop(quiet);
}

/// Both images, made once.
pub(crate) async fn images() {
    static IMAGES: OnceCell<()> = OnceCell::const_new();
    IMAGES.get_or_init(build_images).await;
}

/// Nothing is compiled: the binaries stand in for the build stage.
async fn build_images() {
    let binaries = tempfile::tempdir().unwrap();
    let built = Path::new(MINICLOUD).parent().unwrap();
    // Cargo builds other packages' binaries for `test --workspace` only.
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--package", "sample-app"])
        .current_dir(root());
    if built.ends_with("release") {
        cargo.arg("--release");
    }
    finish(cargo, BUILD_TIMEOUT).await;
    for name in ["minicloud", "sample-app"] {
        let status = Command::new("strip")
            .arg("-o")
            .arg(binaries.path().join(name))
            .arg(built.join(name))
            .status();
        assert!(status.await.unwrap().success(), "strip {name}");
    }
    for target in ["minicloud", "sample-app"] {
        let image = image(match target {
            "minicloud" => target,
            _ => SAMPLE_APP,
        });
        let mut command = Command::new("docker");
        command.args([
            "build",
            "--quiet",
            "--target",
            target,
            "--tag",
            &image,
            "--build-context",
        ]);
        command
            .arg(format!("build={}", binaries.path().display()))
            .arg(root());
        finish(command, BUILD_TIMEOUT).await;
    }
}

/// `docker ARGUMENTS`; its stdout.
pub(crate) async fn docker(arguments: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(arguments);
    finish(command, UP_TIMEOUT).await
}

/// What `docker inspect` says of a container.
pub(crate) async fn inspect(container: &str) -> Value {
    let text = docker(&["inspect", container]).await;
    serde_json::from_str::<Value>(&text).unwrap()[0].take()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs it to its end, which must be a good one; its stdout.
pub(crate) async fn finish(mut command: Command, within: Duration) -> String {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output: Output = tokio::time::timeout(within, output)
        .await
        .expect("docker answers in time")
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
