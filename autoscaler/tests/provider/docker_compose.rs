//! Instances in a Compose project: labels, strangers, and what SIGTERM means.

use std::{
    process::{Command, Output},
    sync::Once,
};

use minicloud_autoscaler::provider::{
    InstanceProvider, LaunchRequest,
    docker::{ComposeContext, DockerConfig, DockerProvider, Shutdown},
};
use tempfile::TempDir;

use super::{
    docker_harness::{Containers, containers, skip},
    harness::{Behaviour, Harness, request, until_running},
    run,
};

/// A real project, run by `docker compose`; brought down when dropped.
struct Project {
    folder: TempDir,
    name: String,
}

impl Project {
    fn new(harness: &Containers) -> Self {
        let folder = TempDir::new().unwrap();
        let file = format!(
            "services:\n  lb: {{ image: {image}, environment: {{ SCRIPT: 'sleep 1000' }}, init: true, networks: [pool] }}\n  \
             web: {{ image: {image}, environment: {{ SCRIPT: 'sleep 1000' }}, init: true, profiles: [template], networks: [pool] }}\n\
             networks: {{ pool: {{}} }}\n",
            image = harness.image()
        );
        std::fs::write(folder.path().join("compose.yaml"), file).unwrap();
        Self {
            folder,
            name: harness.owner.clone(),
        }
    }

    fn compose(&self, arguments: &[&str]) -> Output {
        Command::new("docker")
            .args(["compose", "--project-name", &self.name])
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.compose(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("orphan"), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn provider(&self) -> DockerProvider {
        let folder = self.folder.path().to_str().unwrap();
        let context = ComposeContext {
            project: self.name.clone(),
            network: format!("{}_pool", self.name),
            labels: vec![(
                "com.docker.compose.project.working_dir".to_owned(),
                folder.to_owned(),
            )],
        };
        let config = DockerConfig::in_compose(context);
        DockerProvider::connect(config).await.unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.compose(&["--profile", "template", "down", "--timeout", "0"]);
    }
}

async fn in_project(test: impl AsyncFnOnce(&Containers, &Project)) {
    let Some(harness) = containers().await else {
        return;
    };
    let has_compose = Command::new("docker").args(["compose", "version"]).output();
    if !has_compose.is_ok_and(|output| output.status.success()) {
        static SAID: Once = Once::new();
        skip(
            &SAID,
            "tests of Compose projects: there is no `docker compose`",
        );
        return harness.clean_up().await;
    }
    run(harness, async |harness| {
        let project = Project::new(harness);
        project.run(&["up", "--detach"]);
        test(harness, &project).await;
    })
    .await;
}

#[tokio::test]
async fn compose_shows_instances_and_leaves_them_alone() {
    in_project(async |harness, project| {
        let provider = project.provider().await;
        for index in 1..=2 {
            let request = LaunchRequest {
                index,
                ..request(harness.template(Behaviour::Serves))
            };
            provider.launch(&request).await.unwrap();
            let address = until_running(&provider, &request.instance_id).await;
            assert!(address.ends_with(":8080"), "{address}");
        }
        let before = provider.list().await.unwrap();
        let listed = project.run(&["ps", "--services"]);
        assert!(listed.contains("web"), "{listed}");
        let print = [
            "exec",
            "-T",
            "--index",
            "2",
            "web",
            "printenv",
            "MINICLOUD_INSTANCE_INDEX",
        ];
        assert_eq!(project.run(&print), "2\n");
        project.run(&["up", "--detach"]);
        project.run(&["up", "--detach", "--remove-orphans"]);
        assert_eq!(provider.list().await.unwrap(), before);
        assert_eq!(
            provider.strangers("web").await.unwrap(),
            Vec::<String>::new()
        );
        provider.sweep().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn lost_state_still_finds_the_instances_of_the_project() {
    in_project(async |harness, project| {
        let request = request(harness.template(Behaviour::Serves));
        project.provider().await.launch(&request).await.unwrap();
        let provider = project.provider().await;
        until_running(&provider, &request.instance_id).await;
        provider.sweep().await.unwrap();
        assert!(provider.list().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn shutdown_keeps_instances_while_the_balancer_runs() {
    in_project(async |_, project| {
        let provider = project.provider().await;
        assert_eq!(provider.on_shutdown().await, Shutdown::Keep);
        project.run(&["stop", "--timeout", "0", "lb"]);
        assert_eq!(provider.on_shutdown().await, Shutdown::Terminate);
        project.run(&["rm", "--force", "lb"]);
        assert_eq!(provider.on_shutdown().await, Shutdown::Terminate);
    })
    .await;
}

#[tokio::test]
async fn container_that_compose_made_is_a_stranger() {
    in_project(async |_, project| {
        let provider = project.provider().await;
        project.run(&["--profile", "template", "up", "--detach", "web"]);
        let strangers = provider.strangers("web").await.unwrap();
        assert_eq!(strangers, [format!("{}-web-1", project.name)]);
        assert!(provider.list().await.unwrap().is_empty());
        assert!(provider.sweep().await.unwrap().is_empty());
        assert_eq!(provider.strangers("web").await.unwrap().len(), 1);
    })
    .await;
}
