//! A whole minicloud but for its sockets: the real loop and store over the fake provider, a
//! fake balancer and a fake agent, all on tokio's paused clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::SignedDuration;
use minicloud_autoscaler::{
    Autoscaler, BusyProbe, ConfigSource, MetricSource, ScrapeError, Settings, Shutdown, StateDir,
    busy::BusyAnswer,
    command::{
        CapacityUpdate, Command, CommandError, InstanceProtection, KeyPairCommand, KeyPairReply,
        LaunchTemplateCommand, PolicyCommand, PolicyRequest, TemplateReply,
    },
    config::ProviderKind,
    customized_metric::{FetchError, MetricFetcher},
    describe::{Activity, AutoScalingGroup, ConditionKind, View},
    instance::{InstanceId, LifecycleState},
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
    /// CPU percent of an instance; the others idle at 1 %.
    pub(super) cpu: BTreeMap<InstanceId, f64>,
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

pub(super) struct Cloud {
    pub(super) provider: FakeProvider,
    pub(super) weather: Arc<Mutex<Weather>>,
    state: TempDir,
    config: PathBuf,
    pub(super) clock: ShiftedClock,
    /// What webhooks do, and what they got.
    pub(super) webhooks: Arc<FakeWebhooks>,
    running: Option<Running>,
    seed: u64,
}

/// The paused clock, whose wall time can be set.
#[derive(Clone)]
pub(super) struct ShiftedClock {
    clock: VirtualClock,
    shift: Arc<Mutex<SignedDuration>>,
}

impl ShiftedClock {
    /// Sets the wall clock forward, or back.
    pub(super) fn shift(&self, by: SignedDuration) {
        *self.shift.lock().unwrap() += by;
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Now {
        let now = self.clock.now();
        Now {
            wall: now.wall + *self.shift.lock().unwrap(),
            ..now
        }
    }
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
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("minicloud.yaml");
        std::fs::write(&path, config).unwrap();
        let virtual_clock = VirtualClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let clock = ShiftedClock {
            clock: virtual_clock,
            shift: Arc::default(),
        };
        let provider = FakeProvider::new(virtual_clock);
        provider.set_boot_time(Duration::from_secs(2));
        let weather = Arc::default();
        let mut cloud = Self {
            provider,
            weather,
            state,
            config: path,
            clock,
            webhooks: Arc::default(),
            running: None,
            seed: 1,
        };
        cloud.boot().await;
        cloud
    }

    /// Starts the autoscaler on what is there.
    pub(super) async fn boot(&mut self) {
        let agent = FakeAgent {
            provider: self.provider.clone(),
            weather: Arc::clone(&self.weather),
            counters: Mutex::default(),
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
            crash_at: None,
        };
        let autoscaler = Autoscaler::start(settings).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(balance(
            autoscaler.load_balancer_link(),
            Arc::clone(&self.weather),
        ));
        let mut view = autoscaler.view();
        view.changed().await.unwrap();
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

    pub(super) async fn shut_down(&mut self, how: Shutdown) {
        self.running.take().unwrap().autoscaler.shutdown(how).await;
    }

    pub(super) fn lose_the_store(&self) {
        std::fs::remove_dir_all(self.state_dir()).unwrap();
    }

    pub(super) fn config(&self) -> &Path {
        &self.config
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

    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, CommandError>>) -> Command,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let commands = self.running.as_ref().unwrap().autoscaler.commands();
        commands.send(command(reply)).await.unwrap();
        answer.await.unwrap()
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

/// Passes every running target after a moment, drains at once or when told to.
async fn balance(link: LoadBalancerLink, weather: Arc<Mutex<Weather>>) {
    let mut healthy = BTreeSet::new();
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
        let passed = before.elapsed().as_secs_f64();
        before = Instant::now();
        for id in &healthy {
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
        link.receive(Report {
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
                })
                .collect(),
            faults: Vec::new(),
            request_failures: Vec::new(),
        });
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
    counters: Mutex<BTreeMap<InstanceId, (Instant, f64)>>,
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
        for instance in listed {
            let percent = weather
                .cpu
                .get(&instance.instance_id)
                .copied()
                .unwrap_or(1.0);
            let (at, seconds) = counters.entry(instance.instance_id).or_insert((now, 0.0));
            *seconds += percent / 100.0 * (now - *at).as_secs_f64();
            *at = now;
            let id = &instance.metric_ids[0];
            let millis = 1_767_225_600_000 + now.elapsed_since_epoch().as_millis();
            text += &format!(
                "container_cpu_usage_seconds_total{{id=\"/process/{id}\"}} {seconds} {millis}\n"
            );
        }
        Ok(text)
    }
}

/// Milliseconds for the agent's own timestamps.
trait SinceEpoch {
    fn elapsed_since_epoch(&self) -> Duration;
}

thread_local! {
    static EPOCH: Instant = Instant::now();
}

impl SinceEpoch for Instant {
    fn elapsed_since_epoch(&self) -> Duration {
        EPOCH.with(|epoch| self.saturating_duration_since(*epoch))
    }
}
