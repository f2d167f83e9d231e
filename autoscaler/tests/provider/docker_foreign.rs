//! Somebody removes and starts containers of a group on a real engine.

use std::{pin::Pin, sync::Arc, time::Duration};

use bollard::{
    models::ContainerCreateBody, query_parameters::CreateContainerOptions,
    query_parameters::InspectContainerOptions,
};
use futures_util::future::BoxFuture;
use minicloud_autoscaler::{
    Autoscaler, BusyProbe, ConfigSource, MetricSource, ScrapeError, Settings, Shutdown, StateDir,
    busy::BusyAnswer,
    command::{Command, CommandError},
    config::ProviderKind,
    customized_metric::{FetchError, MetricFetcher},
    describe::{AutoScalingGroup, ConditionKind, View},
    foreign_change::Resolution,
    instance::{InstanceId, LifecycleState},
    notification::{WebhookClient, WebhookFuture, WebhookRequest},
    now::SystemClock,
};
use rand::{SeedableRng, rngs::SmallRng};
use tempfile::TempDir;
use tokio::{sync::oneshot, time::timeout};

use super::{
    docker_harness::{Containers, SERVES, containers, remove},
    harness::{DEADLINE, Harness},
    run,
};

#[derive(Debug)]
struct Nobody;

impl MetricSource for Nobody {
    fn name(&self) -> &str {
        "nobody"
    }

    async fn scrape(&self) -> Result<String, ScrapeError> {
        Err(ScrapeError("there is no agent".to_owned()))
    }
}

impl BusyProbe for Nobody {
    fn ask(&self, _: String, _: String, _: Duration) -> BoxFuture<'static, BusyAnswer> {
        Box::pin(std::future::ready(BusyAnswer::Idle))
    }
}

impl MetricFetcher for Nobody {
    fn fetch<'a>(
        &'a self,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, FetchError>> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}

impl WebhookClient for Nobody {
    fn post(&self, _: WebhookRequest) -> WebhookFuture {
        Box::pin(std::future::pending())
    }
}

/// A group of 1 to 3 instances, 2 of them wanted and in service.
struct Loop<'a> {
    harness: &'a Containers,
    autoscaler: Autoscaler,
    _dir: TempDir,
}

impl<'a> Loop<'a> {
    async fn start(harness: &'a Containers, mode: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("minicloud.yaml");
        let text = format!(
            "version: 1
host_headroom: {{ enabled: false }}
launch_templates: {{ web: {{ image: {}, port: 80, env: {{ SCRIPT: \"{SERVES}\" }} }} }}
auto_scaling_groups:
  web: {{ launch_template: web, min_size: 1, max_size: 3, desired_capacity: 2, foreign_changes: {mode} }}
",
            harness.image()
        );
        std::fs::write(&config, text).unwrap();
        let mut rng = SmallRng::seed_from_u64(1);
        let settings = Settings {
            config: ConfigSource::File(config),
            state_dir: StateDir::open(&dir.path().join("state"), &mut rng).unwrap(),
            provider: Arc::new(harness.provider().await),
            provider_kind: ProviderKind::Docker,
            metric_sources: vec![Nobody],
            busy_probe: Arc::new(Nobody),
            webhook_client: Arc::new(Nobody),
            metric_fetcher: Arc::new(Nobody),
            clock: SystemClock,
            seed: 1,
            crash_at: None,
        };
        let autoscaler = Autoscaler::start(settings).await.unwrap();
        let this = Self {
            harness,
            autoscaler,
            _dir: dir,
        };
        this.until("two in service", |group| serving(group).len() == 2)
            .await;
        this
    }

    async fn until(
        &self,
        what: &str,
        holds: impl Fn(&AutoScalingGroup) -> bool,
    ) -> AutoScalingGroup {
        let mut view = self.autoscaler.view();
        let held = |view: &Arc<View>| {
            view.auto_scaling_groups
                .first()
                .is_some_and(|group| holds(group))
        };
        let found = timeout(DEADLINE, view.wait_for(held)).await;
        match found {
            Ok(view) => AutoScalingGroup::clone(&view.unwrap().auto_scaling_groups[0]),
            Err(_) => panic!("{what}: {:#?}", self.autoscaler.view().borrow()),
        }
    }

    async fn remove(&self, id: &InstanceId) {
        remove(&self.harness.docker, &self.harness.container(id).await).await;
    }

    /// A second container like that of `id`, with an instance id of its own.
    async fn start_another_like(&self, id: &InstanceId) {
        let docker = &self.harness.docker;
        let container = self.harness.container(id).await;
        let options = None::<InspectContainerOptions>;
        let found = docker.inspect_container(&container, options).await.unwrap();
        let config = found.config.unwrap();
        let mut labels = config.labels.unwrap();
        let label = |name: &str| format!("minicloud.{name}");
        labels.insert(label("instance-id"), "i-0badcafe".to_owned());
        labels.insert(label("index"), "9".to_owned());
        let body = ContainerCreateBody {
            image: config.image,
            env: config.env,
            labels: Some(labels),
            exposed_ports: config.exposed_ports,
            host_config: found.host_config,
            ..ContainerCreateBody::default()
        };
        let options = None::<CreateContainerOptions>;
        let made = docker.create_container(options, body).await.unwrap();
        docker.start_container(&made.id, None).await.unwrap();
    }

    async fn resolve(&self, resolution: Resolution) -> Result<(), CommandError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::ResolveForeignChanges {
            name: "web".to_owned(),
            resolution,
            reply,
        };
        self.autoscaler.commands().send(command).await.unwrap();
        answer.await.unwrap()
    }
}

fn serving(group: &AutoScalingGroup) -> Vec<InstanceId> {
    let instances = group.instances.iter();
    let serving = instances.filter(|one| one.lifecycle_state == LifecycleState::InService);
    serving.map(|one| one.instance_id.clone()).collect()
}

fn is_reported(group: &AutoScalingGroup) -> bool {
    let mut conditions = group.conditions.iter();
    conditions.any(|condition| condition.kind == ConditionKind::ForeignChange)
}

async fn tell(mode: &str, story: impl AsyncFnOnce(&Loop<'_>, InstanceId)) {
    let Some(harness) = containers().await else {
        return;
    };
    run(harness, async |harness| {
        let running = Loop::start(harness, mode).await;
        let first = serving(&running.autoscaler.view().borrow().auto_scaling_groups[0])[0].clone();
        story(&running, first).await;
        running.autoscaler.shutdown(Shutdown::Terminate).await;
    })
    .await;
}

#[tokio::test]
async fn removed_container_is_replaced() {
    tell("revert", async |running, first| {
        running.remove(&first).await;
        let group = running
            .until("another in its place", |group| {
                let serving = serving(group);
                serving.len() == 2 && !serving.contains(&first)
            })
            .await;
        assert_eq!(group.desired_capacity, 2);
    })
    .await;
}

#[tokio::test]
async fn desired_capacity_follows_removed_and_started_containers() {
    tell("adopt", async |running, first| {
        running.remove(&first).await;
        let group = running
            .until("one in service and nothing else", |group| {
                group.instances.len() == 1 && serving(group).len() == 1
            })
            .await;
        assert_eq!(group.desired_capacity, 1);
        running.start_another_like(&serving(&group)[0]).await;
        let group = running
            .until("the other in service", |group| serving(group).len() == 2)
            .await;
        assert_eq!(group.desired_capacity, 2);
    })
    .await;
}

#[tokio::test]
async fn removed_container_is_reported_until_it_is_resolved() {
    tell("report", async |running, first| {
        running.remove(&first).await;
        let group = running.until("a report", is_reported).await;
        assert_eq!((group.instances.len(), group.desired_capacity), (2, 2));
        running.resolve(Resolution::Adopt).await.unwrap();
        let group = running
            .until("one instance", |group| group.instances.len() == 1)
            .await;
        assert!(!is_reported(&group));
        assert_eq!(group.desired_capacity, 1);
    })
    .await;
}
