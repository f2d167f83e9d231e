//! A whole minicloud but for its sockets: the real loop and store over the fake provider, a
//! fake balancer and a fake agent, all on tokio's paused clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use jiff::SignedDuration;
use minicloud_autoscaler::{
    Autoscaler, BusyProbe, ConfigSource, Crash, MetricSource, ScrapeError, Settings, Shutdown,
    StateDir,
    busy::BusyAnswer,
    change_set::ChangeSet,
    command::{
        CapacityUpdate, Command, CommandError, InstanceProtection, KeyPairCommand, KeyPairReply,
        LaunchTemplateCommand, PolicyCommand, PolicyRequest, SubmittedConfiguration, TemplateReply,
    },
    config::{Config, ProviderKind},
    customized_metric::{FetchError, MetricFetcher},
    describe::{Activity, AutoScalingGroup, ConditionKind, View},
    instance::{InstanceId, LifecycleState},
    instance_refresh::{InstanceRefresh, RefreshPreferences},
    key_pair::KeyPairError,
    launch_template::LaunchTemplateError,
    load_balancer_link::LoadBalancerLink,
    notification::{WebhookClient, WebhookError, WebhookFuture, WebhookRequest},
    now::{Clock, Now, VirtualClock},
    provider::{InstanceProvider, ObservedState, fake::FakeProvider},
};
use minicloud_lb_api::{
    AnomalyDetection, AnomalyResult, HealthReason, Report, Snapshot, Target, TargetDescription,
    TargetGroup, TargetGroupReport, TargetHealth, TargetHealthDescription, TargetState,
};
use rand::{SeedableRng, rngs::SmallRng};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinSet, time::Instant};

pub(super) const CONFIG: &str = r#"
version: 1
launch_templates:
  web: { image: web, process: { command: [web] }, cpus: 1, port: 8080 }
auto_scaling_groups:
  web: { launch_template: web, min_size: 1, max_size: 2, desired_capacity: 1, availability_zones: [a, b], target_groups: [web], health_check_grace_period: 30s, scaling_policies: [ { name: cpu80, target_tracking: { metric: ASGAverageCPUUtilization, target_value: 80 } } ] }
target_groups:
  web: { health_check: { path: /health }, deregistration_delay: 30s }
load_balancers:
  exercise-lb: { listeners: [ { port: 8080, default_action: { forward: web } } ] }
"#;

/// What the world outside the loop is like; shared with the fake balancer and agent.
#[derive(Debug, Default)]
pub(super) struct Weather {
    /// CPU percent of an instance; the others idle at `cpu_of_others`, or 1 %.
    pub(super) cpu: BTreeMap<InstanceId, f64>,
    pub(super) cpu_of_others: Option<f64>,
    /// Others on the node, and the node itself, use all the CPU there is.
    pub(super) busy_neighbours: bool,
    pub(super) agent_silent: bool,
    pub(super) balancer_silent: bool,
    pub(super) unhealthy: BTreeSet<InstanceId>,
    /// Instances that fail more requests than others, though their checks pass.
    pub(super) anomalous: BTreeSet<InstanceId>,
    /// Requests that wait for a target.
    pub(super) queue_length: u64,
    /// New instances never pass a health check.
    pub(super) never_healthy: bool,
    /// Requests that a draining instance holds on to.
    pub(super) in_flight: u64,
    /// What instances say when they are asked whether they may go; the others are idle.
    pub(super) busy: BTreeMap<InstanceId, BusyAnswer>,
    /// Idle cores of the host's two, and what it has of memory; it has plenty where nothing
    /// is said.
    pub(super) host: Option<(f64, u64)>,
    /// Who was asked, each time.
    pub(super) asked: Vec<InstanceId>,
    /// Requests that each healthy target is given in a second, and holds.
    pub(super) requests_per_second: f64,
    pub(super) busy_in_flight: u64,
    /// What the address of a customized metric answers; nothing where there is none.
    pub(super) exposition: Option<String>,
}

/// What the balancer remembers, also while there is no autoscaler.
#[derive(Default)]
struct BalancerMemory {
    /// Targets that have passed a check.
    healthy: BTreeSet<String>,
    /// Targets that get requests by the last snapshot.
    routed: BTreeSet<InstanceId>,
    /// When a target that got requests was taken out.
    deregistered: BTreeMap<InstanceId, Instant>,
}

/// The wall clock follows tokio's, and can be set.
#[derive(Clone)]
pub(super) struct SettableClock {
    clock: VirtualClock,
    ahead_ms: Arc<AtomicI64>,
}

impl Clock for SettableClock {
    fn now(&self) -> Now {
        let now = self.clock.now();
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        Now {
            wall: now.wall + ahead,
            ..now
        }
    }
}

pub(super) struct Cloud {
    pub(super) provider: FakeProvider,
    pub(super) weather: Arc<Mutex<Weather>>,
    /// Where the next autoscaler that is booted crashes.
    pub(super) crash_at: Option<Crash>,
    balancer: Arc<Mutex<BalancerMemory>>,
    counters: Arc<Mutex<BTreeMap<InstanceId, (Instant, f64)>>>,
    state: TempDir,
    config: PathBuf,
    edits: u32,
    clock: SettableClock,
    epoch: Instant,
    /// What webhooks do, and what they got.
    pub(super) webhooks: Arc<FakeWebhooks>,
    running: Option<Running>,
    seed: u64,
}

/// How a webhook answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Status(u16),
    Hang,
    Refuse,
}

/// Webhooks by path of their endpoint; those that are not set answer 200.
#[derive(Debug, Default)]
pub(super) struct FakeWebhooks {
    pub(super) answers: Mutex<BTreeMap<String, Answer>>,
    /// Every request, taken or not.
    pub(super) requests: Mutex<Vec<WebhookRequest>>,
}

impl FakeWebhooks {
    pub(super) fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// The requests to `path` so far, which are forgotten with that.
    pub(super) fn take_requests(&self, path: &str) -> Vec<WebhookRequest> {
        let mut requests = self.requests.lock().unwrap();
        let of_path = requests.extract_if(.., |request| request.endpoint.path() == path);
        of_path.collect()
    }

    /// `Event` of each request to `path`.
    pub(super) fn events(&self, path: &str) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let of_path = requests.iter().filter(|r| r.endpoint.path() == path);
        let event = |request: &WebhookRequest| {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let event = body["Event"].as_str().unwrap();
            event.trim_start_matches("autoscaling:").to_owned()
        };
        of_path.map(event).collect()
    }
}

impl WebhookClient for FakeWebhooks {
    fn post(&self, request: WebhookRequest) -> WebhookFuture {
        let answers = self.answers.lock().unwrap();
        let answer = answers.get(request.endpoint.path()).copied();
        self.requests.lock().unwrap().push(request);
        Box::pin(async move {
            match answer.unwrap_or(Answer::Status(200)) {
                Answer::Status(status) => Ok(status),
                Answer::Hang => std::future::pending().await,
                Answer::Refuse => Err(WebhookError("connection refused".to_owned())),
            }
        })
    }
}

struct Running {
    autoscaler: Autoscaler,
    tasks: JoinSet<()>,
}

impl Cloud {
    pub(super) async fn start() -> Self {
        Self::with_config(CONFIG).await
    }

    pub(super) async fn with_config(config: &str) -> Self {
        Self::with_seed(config, 1).await
    }

    /// `seed` decides what the autoscaler leaves to chance.
    pub(super) async fn with_seed(config: &str, seed: u64) -> Self {
        let state = state_folder();
        let clock = SettableClock {
            clock: VirtualClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()),
            ahead_ms: Arc::default(),
        };
        let provider = FakeProvider::new(clock.clone());
        provider.set_boot_time(Duration::from_secs(2));
        let mut cloud = Self {
            provider,
            weather: Arc::default(),
            crash_at: None,
            balancer: Arc::default(),
            counters: Arc::default(),
            config: state.path().join("minicloud.yaml"),
            state,
            edits: 0,
            clock,
            webhooks: Arc::default(),
            epoch: Instant::now(),
            running: None,
            seed,
        };
        cloud.edit(config);
        cloud.boot().await;
        cloud
    }

    /// Starts the autoscaler on what is there.
    pub(super) async fn boot(&mut self) {
        let agent = FakeAgent {
            provider: self.provider.clone(),
            weather: Arc::clone(&self.weather),
            counters: Arc::clone(&self.counters),
            epoch: self.epoch,
            host: Mutex::default(),
        };
        self.seed += 1;
        let mut rng = SmallRng::seed_from_u64(self.seed);
        let settings = Settings {
            config: ConfigSource::File(self.config.clone()),
            state_dir: StateDir::open(&self.state_dir(), &mut rng).unwrap(),
            provider: Arc::new(self.provider.clone()),
            provider_kind: ProviderKind::Process,
            metric_sources: vec![agent],
            busy_probe: Arc::new(FakeBusyProbe {
                provider: self.provider.clone(),
                weather: Arc::clone(&self.weather),
            }),
            webhook_client: Arc::clone(&self.webhooks) as Arc<dyn WebhookClient>,
            clock: self.clock.clone(),
            metric_fetcher: Arc::new(FakeFetcher {
                weather: Arc::clone(&self.weather),
            }),
            seed: self.seed,
            crash_at: self.crash_at.take(),
        };
        let autoscaler = Autoscaler::start(settings).await.unwrap();
        let mut tasks = JoinSet::new();
        let link = autoscaler.load_balancer_link();
        tasks.spawn(follow(link.clone(), Arc::clone(&self.balancer)));
        tasks.spawn(balance(
            link,
            Arc::clone(&self.weather),
            Arc::clone(&self.balancer),
        ));
        // Fails where the loop crashes in its first pass.
        let _ = autoscaler.view().changed().await;
        self.running = Some(Running { autoscaler, tasks });
    }

    fn state_dir(&self) -> PathBuf {
        self.state.path().join("state")
    }

    /// The process is gone between two awaits, as after `kill -9`.
    pub(super) async fn kill(&mut self) {
        let running = self.running.take().unwrap();
        running.autoscaler.abort().await;
        drop(running.tasks);
    }

    pub(super) fn is_running(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| running.autoscaler.view().has_changed().is_ok())
    }

    pub(super) async fn shut_down(&mut self, how: Shutdown) {
        self.running.take().unwrap().autoscaler.shutdown(how).await;
    }

    pub(super) fn lose_the_store(&self) {
        std::fs::remove_dir_all(self.state_dir()).unwrap();
    }

    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// Replaces the configuration file. No two edits have the same time, however fast.
    pub(super) fn edit(&mut self, config: &str) {
        std::fs::write(&self.config, config).unwrap();
        self.edits += 1;
        let file = std::fs::File::options().write(true).open(&self.config);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(self.edits.into());
        file.unwrap().set_modified(modified).unwrap();
    }

    /// Sets the wall clock forward, or back.
    pub(super) fn set_wall_clock(&self, by: SignedDuration) {
        let ahead_ms = &self.clock.ahead_ms;
        let by = i64::try_from(by.as_millis()).unwrap();
        ahead_ms.fetch_add(by, Ordering::Relaxed);
    }

    /// Removes the instance by hand; one that is launched under its id is another.
    pub(super) fn remove(&self, id: &InstanceId) {
        self.provider.vanish(id);
        let mut memory = self.balancer.lock().unwrap();
        memory.routed.remove(id);
        memory.deregistered.remove(id);
    }

    /// Whether the instance may get requests now, or since when it may not; `None` where it
    /// never got any.
    pub(super) fn deregistered(&self, id: &InstanceId) -> Option<Result<Instant, StillRouted>> {
        let memory = self.balancer.lock().unwrap();
        if memory.routed.contains(id) {
            return Some(Err(StillRouted));
        }
        memory.deregistered.get(id).copied().map(Ok)
    }

    pub(super) fn weather<R>(&self, change: impl FnOnce(&mut Weather) -> R) -> R {
        change(&mut self.weather.lock().unwrap())
    }

    pub(super) fn view(&self) -> Arc<View> {
        self.running
            .as_ref()
            .unwrap()
            .autoscaler
            .view()
            .borrow()
            .clone()
    }

    /// What the balancer was told last.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        let link = self
            .running
            .as_ref()
            .unwrap()
            .autoscaler
            .load_balancer_link();
        let snapshot = link.snapshots.borrow().clone();
        snapshot.unwrap()
    }

    pub(super) fn group(&self) -> AutoScalingGroup {
        let view = self.view();
        view.auto_scaling_groups
            .iter()
            .find(|group| group.auto_scaling_group_name == "web")
            .map(|group| AutoScalingGroup::clone(group))
            .unwrap()
    }

    pub(super) fn condition(&self, kind: ConditionKind) -> Option<String> {
        let view = self.view();
        let groups = view
            .auto_scaling_groups
            .iter()
            .flat_map(|group| group.conditions.iter());
        groups
            .chain(&view.conditions)
            .find(|condition| condition.kind == kind)
            .map(|c| c.message.clone())
    }

    pub(super) fn in_service(&self) -> Vec<InstanceId> {
        let instances = self.group().instances.into_iter();
        instances
            .filter(|i| i.lifecycle_state == LifecycleState::InService)
            .map(|i| i.instance_id)
            .collect()
    }

    /// What the provider really has.
    pub(super) async fn running(&self) -> Vec<InstanceId> {
        let listed = self.provider.list().await.unwrap();
        let running = listed.into_iter().filter(|i| {
            matches!(
                i.state,
                ObservedState::Running { .. } | ObservedState::Starting
            )
        });
        running.map(|instance| instance.instance_id).collect()
    }

    pub(super) async fn scale(&self, min: u32, max: u32, desired: u32) -> Result<(), CommandError> {
        self.update(CapacityUpdate {
            min_size: Some(min),
            max_size: Some(max),
            desired_capacity: Some(desired),
        })
        .await
    }

    pub(super) async fn update(&self, update: CapacityUpdate) -> Result<(), CommandError> {
        self.ask(|reply| Command::UpdateAutoScalingGroup {
            name: "web".to_owned(),
            update,
            reply,
        })
        .await
    }

    pub(super) async fn plan(&self, text: &str) -> Result<ChangeSet, CommandError> {
        let submitted = submitted(text);
        self.ask(|reply| Command::PlanConfiguration { submitted, reply })
            .await
    }

    pub(super) async fn apply(
        &self,
        text: &str,
        fingerprint: &str,
    ) -> Result<ChangeSet, CommandError> {
        let (submitted, fingerprint) = (submitted(text), fingerprint.to_owned());
        self.ask(|reply| Command::ApplyConfiguration {
            submitted,
            fingerprint,
            reply,
        })
        .await
    }

    pub(super) async fn protect(
        &self,
        ids: &[InstanceId],
        protected_from_scale_in: bool,
    ) -> Result<(), CommandError> {
        self.ask(|reply| Command::SetInstanceProtection {
            name: "web".to_owned(),
            protection: InstanceProtection {
                instance_ids: ids.to_vec(),
                protected_from_scale_in,
            },
            reply,
        })
        .await
    }

    pub(super) async fn terminate(
        &self,
        id: &InstanceId,
        should_decrement_desired_capacity: bool,
    ) -> Result<Activity, CommandError> {
        self.ask(|reply| Command::TerminateInstanceInAutoScalingGroup {
            instance_id: id.clone(),
            should_decrement_desired_capacity,
            reply,
        })
        .await
    }

    pub(super) async fn start_refresh(
        &self,
        group: &str,
        preferences: RefreshPreferences,
    ) -> Result<InstanceRefresh, CommandError> {
        self.ask(|reply| Command::StartInstanceRefresh {
            name: group.to_owned(),
            preferences,
            reply,
        })
        .await
    }

    pub(super) async fn cancel_refresh(
        &self,
        group: &str,
    ) -> Result<InstanceRefresh, CommandError> {
        self.ask(|reply| Command::CancelInstanceRefresh {
            name: group.to_owned(),
            reply,
        })
        .await
    }

    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, CommandError>>) -> Command,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.running.as_ref().unwrap().autoscaler.commands();
        commands.send(command(reply)).await.unwrap();
        answer.await.unwrap()
    }

    pub(super) async fn update_of(
        &self,
        group: &str,
        update: CapacityUpdate,
    ) -> Option<Result<(), CommandError>> {
        self.ask_if_running(|reply| Command::UpdateAutoScalingGroup {
            name: group.to_owned(),
            update,
            reply,
        })
        .await
    }

    /// `None` where the autoscaler ends before it answers.
    pub(super) async fn ask_if_running<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, CommandError>>) -> Command,
    ) -> Option<Result<T, CommandError>> {
        let (reply, answer) = oneshot::channel();
        let commands = self.running.as_ref()?.autoscaler.commands();
        commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Asks the loop something about launch templates.
    pub(super) async fn ask_of_templates<T>(
        &self,
        command: impl FnOnce(TemplateReply<T>) -> LaunchTemplateCommand,
    ) -> Result<T, LaunchTemplateError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::LaunchTemplate(command(reply));
        let commands = self.running.as_ref().unwrap().autoscaler.commands();
        commands.send(command).await.unwrap();
        answer.await.unwrap()
    }

    pub(super) async fn ask_of_key_pairs<T>(
        &self,
        command: impl FnOnce(KeyPairReply<T>) -> KeyPairCommand,
    ) -> Result<T, KeyPairError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::KeyPair(command(reply));
        let commands = self.running.as_ref().unwrap().autoscaler.commands();
        commands.send(command).await.unwrap();
        answer.await.unwrap()
    }

    pub(super) async fn policy(
        &self,
        policy_name: &str,
        request: PolicyRequest,
    ) -> Result<(), CommandError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Policy(PolicyCommand {
            auto_scaling_group: "web".to_owned(),
            policy_name: policy_name.to_owned(),
            request,
            reply,
        }))
        .await;
        answer.await.unwrap()
    }

    async fn send(&self, command: Command) {
        let commands = self.running.as_ref().unwrap().autoscaler.commands();
        commands.send(command).await.unwrap();
    }

    /// Lets time pass until the condition holds; fails with the view where it never does.
    pub(super) async fn until(
        &self,
        what: &str,
        within: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Duration {
        let start = Instant::now();
        while !holds(self) {
            assert!(
                start.elapsed() < within,
                "not within {within:?}: {what}\n{:#?}",
                self.view()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        start.elapsed()
    }

    pub(super) async fn until_in_service(&self, count: usize, within: Duration) -> Duration {
        self.until(
            &format!("{count} in service and nothing else"),
            within,
            |cloud| {
                let group = cloud.group();
                group.instances.len() == count && cloud.in_service().len() == count
            },
        )
        .await
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.running = None;
    }
}

fn submitted(text: &str) -> Box<SubmittedConfiguration> {
    Box::new(SubmittedConfiguration {
        config: Config::parse(text.as_bytes()).unwrap(),
        text: text.as_bytes().to_vec(),
    })
}

/// The balancer still sends requests to the target.
#[derive(Debug)]
pub(super) struct StillRouted;

/// In memory where there is such a folder: a store that waits for a disk makes slow tests.
fn state_folder() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Notes which targets each snapshot routes to, until there is no autoscaler.
async fn follow(mut link: LoadBalancerLink, memory: Arc<Mutex<BalancerMemory>>) {
    while link.snapshots.changed().await.is_ok() {
        let Some(snapshot) = link.snapshots.borrow_and_update().clone() else {
            continue;
        };
        let targets = snapshot.target_groups.iter().flat_map(|g| &g.targets);
        let routed = targets.filter(|target| !target.draining);
        let routed: BTreeSet<InstanceId> = routed.filter_map(|t| t.id.parse().ok()).collect();
        let mut memory = memory.lock().unwrap();
        let before = std::mem::replace(&mut memory.routed, routed);
        for id in before {
            if !memory.routed.contains(&id) {
                memory.deregistered.insert(id, Instant::now());
            }
        }
    }
}

/// Passes every running target after a moment, drains at once or when told to. Reports like
/// the balancer: at once when something changes, and once a second.
async fn balance(
    link: LoadBalancerLink,
    weather: Arc<Mutex<Weather>>,
    memory: Arc<Mutex<BalancerMemory>>,
) {
    let mut last: Option<(Report, Instant)> = None;
    let mut requests = BTreeMap::<String, f64>::new();
    let mut before = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let Some(snapshot) = link.snapshots.borrow().clone() else {
            continue;
        };
        let weather = weather.lock().unwrap();
        if weather.balancer_silent {
            continue;
        }
        let mut memory = memory.lock().unwrap();
        let healthy = &mut memory.healthy;
        let passed = before.elapsed().as_secs_f64();
        before = Instant::now();
        for id in &*healthy {
            let counted = requests.entry(String::clone(id)).or_default();
            *counted += passed * weather.requests_per_second;
        }
        let report = |group: &TargetGroup, target: &Target| {
            let id: Option<InstanceId> = target.id.parse().ok();
            let sick = id.as_ref().is_some_and(|id| weather.unhealthy.contains(id));
            let state = match target.draining {
                true => TargetState::Draining,
                false if sick || (weather.never_healthy && !healthy.contains(&target.id)) => {
                    TargetState::Unhealthy
                }
                false => TargetState::Healthy,
            };
            TargetHealthDescription {
                anomaly_detection: Some(AnomalyDetection {
                    result: match id.is_some_and(|id| weather.anomalous.contains(&id)) {
                        true => AnomalyResult::Anomalous,
                        false => AnomalyResult::Normal,
                    },
                    mitigation_in_effect: false,
                }),
                request_count: requests.get(&target.id).copied().unwrap_or_default() as u64,
                in_flight: match state {
                    TargetState::Draining => weather.in_flight,
                    _ => weather.busy_in_flight,
                },
                ..describe(group, target, state)
            }
        };
        let targets = snapshot
            .target_groups
            .iter()
            .flat_map(|group| group.targets.iter().map(move |t| (group, t)));
        let targets: Vec<_> = targets
            .map(|(group, target)| report(group, target))
            .collect();
        for target in targets
            .iter()
            .filter(|t| t.target_health.state == TargetState::Healthy)
        {
            healthy.insert(target.target.id.clone());
        }
        let report = Report {
            snapshot_version: snapshot.version,
            targets,
            target_groups: snapshot
                .target_groups
                .iter()
                .map(|group| TargetGroupReport {
                    target_group: group.name.clone(),
                    queue_length: weather.queue_length,
                    queue_wait_seconds: 1.5,
                    queue_rejected: 0,
                    requests: None,
                })
                .collect(),
            faults: Vec::new(),
            request_failures: Vec::new(),
        };
        let is_news = last
            .as_ref()
            .is_none_or(|(said, at)| *said != report || at.elapsed() >= Duration::from_secs(1));
        if is_news {
            link.receive(report.clone());
            last = Some((report, Instant::now()));
        }
    }
}

fn describe(group: &TargetGroup, target: &Target, state: TargetState) -> TargetHealthDescription {
    TargetHealthDescription {
        target_group: group.name.clone(),
        target: TargetDescription {
            id: target.id.clone(),
            address: target.address.clone(),
            port: 8080,
            availability_zone: target.availability_zone.clone(),
        },
        target_health: TargetHealth {
            state,
            reason: (state == TargetState::Unhealthy).then_some(HealthReason::FailedHealthChecks),
            description: (state == TargetState::Unhealthy)
                .then(|| "Health checks failed".to_owned()),
        },
        in_flight: 0,
        request_count: 0,
        anomaly_detection: None,
    }
}

struct FakeBusyProbe {
    provider: FakeProvider,
    weather: Arc<Mutex<Weather>>,
}

impl BusyProbe for FakeBusyProbe {
    fn ask(
        &self,
        address: String,
        path: String,
        _: Duration,
    ) -> futures_util::future::BoxFuture<'static, BusyAnswer> {
        let (provider, weather) = (self.provider.clone(), Arc::clone(&self.weather));
        Box::pin(async move {
            assert_eq!(path, "/busy");
            let listed = provider.list().await.unwrap_or_default();
            let running = ObservedState::Running { address };
            let found = listed.into_iter().find(|one| one.state == running);
            let Some(id) = found.map(|one| one.instance_id) else {
                return BusyAnswer::Idle;
            };
            let mut weather = weather.lock().unwrap();
            weather.asked.push(id.clone());
            weather.busy.get(&id).copied().unwrap_or(BusyAnswer::Idle)
        })
    }
}

#[derive(Debug)]
struct FakeFetcher {
    weather: Arc<Mutex<Weather>>,
}

impl MetricFetcher for FakeFetcher {
    fn fetch<'a>(
        &'a self,
        _url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, FetchError>> + Send + 'a>> {
        let answer = self.weather.lock().unwrap().exposition.clone();
        Box::pin(async move { answer.ok_or_else(|| FetchError("connection refused".to_owned())) })
    }
}

struct FakeAgent {
    provider: FakeProvider,
    weather: Arc<Mutex<Weather>>,
    counters: Arc<Mutex<BTreeMap<InstanceId, (Instant, f64)>>>,
    /// Milliseconds of the agent's own timestamps count from here.
    epoch: Instant,
    /// When the host was last read, its CPUs' time and how much of it was idle.
    host: Mutex<Option<(Instant, f64, f64)>>,
}

impl FakeAgent {
    fn host(&self, told: Option<(f64, u64)>, now: Instant) -> String {
        let (idle_cores, memory) = told.unwrap_or((2.0, 8 << 30));
        let mut host = self.host.lock().unwrap();
        let (at, total, idle) = host.get_or_insert((now, 0.0, 0.0));
        let passed = (now - *at).as_secs_f64();
        (*at, *total, *idle) = (now, *total + 2.0 * passed, *idle + idle_cores * passed);
        let cpu = |cpu: u32, mode: &str, seconds: f64| {
            format!("node_cpu_seconds_total{{cpu=\"{cpu}\",mode=\"{mode}\"}} {seconds}\n")
        };
        cpu(0, "idle", *idle)
            + &cpu(1, "user", *total - *idle)
            + &format!("node_memory_MemAvailable_bytes {memory}\n")
    }
}

impl MetricSource for FakeAgent {
    fn name(&self) -> &str {
        "fake"
    }

    async fn scrape(&self) -> Result<String, ScrapeError> {
        if self.weather.lock().unwrap().agent_silent {
            return Err(ScrapeError("silent".to_owned()));
        }
        let listed = self
            .provider
            .list()
            .await
            .map_err(|error| ScrapeError(error.to_string()))?;
        let (now, weather) = (Instant::now(), self.weather.lock().unwrap());
        let mut counters = self.counters.lock().unwrap();
        let mut text = self.host(weather.host, now);
        if weather.busy_neighbours {
            text += &neighbours(now - self.epoch);
        }
        let ids = listed.into_iter().map(|instance| {
            let metric_id = instance.metric_ids[0].clone();
            (instance.instance_id, metric_id)
        });
        let seeds = self.provider.seeds().into_iter();
        for (instance, id) in ids.chain(seeds.map(|id| (id.clone(), id.to_string()))) {
            let percent = weather
                .cpu
                .get(&instance)
                .copied()
                .or(weather.cpu_of_others)
                .unwrap_or(1.0);
            let (at, seconds) = counters.entry(instance).or_insert((now, 0.0));
            *seconds += percent / 100.0 * (now - *at).as_secs_f64();
            *at = now;
            let millis = 1_767_225_600_000 + (now - self.epoch).as_millis();
            text += &format!(
                "container_cpu_usage_seconds_total{{id=\"/process/{id}\"}} {seconds} {millis}\n"
            );
        }
        Ok(text)
    }
}

/// A container that is not ours and the node, both with 8 cores in use.
fn neighbours(up: Duration) -> String {
    let (seconds, millis) = (8.0 * up.as_secs_f64(), 1_767_225_600_000 + up.as_millis());
    let stranger = "5".repeat(64);
    format!(
        "container_cpu_usage_seconds_total{{id=\"/docker/{stranger}\"}} {seconds} {millis}\n\
         container_cpu_usage_seconds_total{{id=\"/\"}} {seconds} {millis}\n\
         node_cpu_seconds_total{{cpu=\"0\",mode=\"user\"}} {seconds}\n"
    )
}
