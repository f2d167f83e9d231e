//! What the reconcile loop costs: the real loop and store over the fake provider, with an agent
//! and a balancer that speak each second, on the machine's clock.
//!
//! `cargo bench --bench control_loop` prints a table and, last,
//! `pass_ms=.. idle_core_percent=.. mib=..`: one pass over 1,000 groups of 10 instances when
//! every instance has new figures, the CPU of the whole process with 100 such groups that do
//! nothing, and the memory that the 10,000 instances take. Nothing is asserted: machines are
//! noisy.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use mimalloc::MiMalloc;
use minicloud_autoscaler::{
    Autoscaler, BusyProbe, ConfigSource, MetricSource, ScrapeError, Settings, Shutdown, StateDir,
    busy::BusyAnswer,
    config::ProviderKind,
    customized_metric::{FetchError, MetricFetcher},
    instance::LifecycleState,
    load_balancer_link::LoadBalancerLink,
    notification::{WebhookClient, WebhookFuture, WebhookRequest},
    now::SystemClock,
    provider::{InstanceProvider, fake::FakeProvider},
};
use minicloud_lb_api::{
    Report, TargetDescription, TargetGroupReport, TargetHealth, TargetHealthDescription,
    TargetState,
};
use rand::{SeedableRng, rngs::SmallRng};
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};

/// The binary's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const INSTANCES_PER_GROUP: usize = 10;
/// Passes are at least 20 ms apart: none is missed.
const SAMPLE: Duration = Duration::from_millis(4);
const WINDOW: Duration = Duration::from_secs(12);
const BOOT: Duration = Duration::from_secs(300);
/// After boot, and after a change of what is measured.
const REST: Duration = Duration::from_secs(10);

#[tokio::main(worker_threads = 2)]
async fn main() {
    // `cargo test --all-targets` runs benchmarks for a look only.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: cargo bench --bench control_loop measures");
        return;
    }
    let idle_core_percent = idle_core_percent(100).await;
    let before = resident_mib();
    let cloud = Cloud::start(1000).await;
    sleep(REST).await;
    let mib = resident_mib() - before;
    println!(
        "1,000 groups of {INSTANCES_PER_GROUP} instances; the longest pass of each second, median:"
    );
    let mut medians = Vec::new();
    for (what, speaking) in [
        ("every instance has new figures", 1000),
        ("those of one group have", 1),
        ("none has", 0),
    ] {
        cloud.speaking.store(speaking, Ordering::Relaxed);
        sleep(REST).await;
        let (median, core_percent) = cloud.passes().await;
        println!("  {what:<32} {median:>8.3} ms, {core_percent:>5.1} % of a core in passes");
        medians.push(median);
    }
    cloud.stop().await;
    println!(
        "pass_ms={:.1} one_group_ms={:.3} idle_core_percent={idle_core_percent:.2} mib={mib:.0}",
        medians[0], medians[1]
    );
}

/// CPU of this process with `groups` that have nothing to do, figures and reports included.
async fn idle_core_percent(groups: usize) -> f64 {
    let cloud = Cloud::start(groups).await;
    sleep(REST).await;
    let (start, before) = (Instant::now(), cpu_seconds());
    sleep(WINDOW).await;
    let percent = 100.0 * (cpu_seconds() - before) / start.elapsed().as_secs_f64();
    cloud.stop().await;
    println!("{groups} groups of {INSTANCES_PER_GROUP} idle instances: {percent:.2} % of a core");
    percent
}

struct Cloud {
    autoscaler: Autoscaler,
    /// Of how many groups the agent has new figures.
    speaking: Arc<AtomicUsize>,
    _balancer: JoinSet<()>,
    _folder: TempDir,
}

impl Cloud {
    async fn start(groups: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("minicloud.yaml");
        fs::write(&config, configuration(groups)).unwrap();
        let provider = FakeProvider::new(SystemClock);
        let speaking = Arc::new(AtomicUsize::new(groups));
        let agent = Agent {
            provider: provider.clone(),
            speaking: Arc::clone(&speaking),
            start: Instant::now(),
        };
        let mut rng = SmallRng::seed_from_u64(1);
        let autoscaler = Autoscaler::start(Settings {
            config: ConfigSource::File(config),
            state_dir: StateDir::open(&folder.path().join("state"), &mut rng).unwrap(),
            provider: Arc::new(provider),
            provider_kind: ProviderKind::Process,
            metric_sources: vec![agent],
            busy_probe: Arc::new(NeverBusy),
            webhook_client: Arc::new(NoWebhooks),
            metric_fetcher: Arc::new(NoMetrics),
            clock: SystemClock,
            seed: 1,
            crash_at: None,
        })
        .await
        .unwrap();
        let mut balancer = JoinSet::new();
        balancer.spawn(balance(autoscaler.load_balancer_link()));
        let cloud = Self {
            autoscaler,
            speaking,
            _balancer: balancer,
            _folder: folder,
        };
        cloud.until_in_service(groups * INSTANCES_PER_GROUP).await;
        cloud
    }

    async fn until_in_service(&self, wanted: usize) {
        let deadline = Instant::now() + BOOT;
        loop {
            let view = self.autoscaler.view().borrow().clone();
            let instances = view.auto_scaling_groups.iter().flat_map(|g| &g.instances);
            let in_service = |state| state == LifecycleState::InService;
            let count = instances.filter(|i| in_service(i.lifecycle_state)).count();
            if count == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{count} of {wanted} in service");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// The median of each second's longest pass in milliseconds, and percent of a core that all
    /// passes take.
    async fn passes(&self) -> (f64, f64) {
        let mut samples = interval(SAMPLE);
        let start = Instant::now();
        let (mut passes, mut seconds) = self.passes_so_far();
        let before = seconds;
        let mut longest = BTreeMap::<u64, f64>::new();
        while start.elapsed() < WINDOW {
            samples.tick().await;
            let (passes_now, seconds_now) = self.passes_so_far();
            if passes_now > passes {
                let mean = (seconds_now - seconds) / (passes_now - passes) as f64;
                let of_second = longest.entry(start.elapsed().as_secs()).or_default();
                *of_second = of_second.max(1000.0 * mean);
                (passes, seconds) = (passes_now, seconds_now);
            }
        }
        let mut longest: Vec<f64> = longest.into_values().collect();
        longest.sort_by(f64::total_cmp);
        let share = (seconds - before) / start.elapsed().as_secs_f64();
        (longest[longest.len() / 2], 100.0 * share)
    }

    fn passes_so_far(&self) -> (u64, f64) {
        let passes = self.autoscaler.pass_durations();
        (passes.get_sample_count(), passes.get_sample_sum())
    }

    async fn stop(self) {
        self.autoscaler.shutdown(Shutdown::Keep).await;
    }
}

fn configuration(groups: usize) -> String {
    let mut launch = String::new();
    let mut balance = String::new();
    for group in 0..groups {
        writeln!(
            launch,
            "  g{group:04}: {{ launch_template: web, min_size: {INSTANCES_PER_GROUP}, max_size: {}, target_groups: [g{group:04}], scaling_policies: [ {{ name: cpu80, target_tracking: {{ metric: ASGAverageCPUUtilization, target_value: 80 }} }} ] }}",
            INSTANCES_PER_GROUP + 2
        )
        .unwrap();
        writeln!(
            balance,
            "  g{group:04}: {{ health_check: {{ path: /health }} }}"
        )
        .unwrap();
    }
    format!(
        "version: 1\nlaunch_templates:\n  web: {{ process: {{ command: [web] }}, cpus: 1, port: 8080 }}\nauto_scaling_groups:\n{launch}target_groups:\n{balance}load_balancers:\n  lb: {{ listeners: [ {{ port: 8080, default_action: {{ forward: g0000 }} }} ] }}\n"
    )
}

/// Every instance runs at half its quota.
struct Agent {
    provider: FakeProvider,
    speaking: Arc<AtomicUsize>,
    start: Instant,
}

impl MetricSource for Agent {
    fn name(&self) -> &'static str {
        "bench"
    }

    async fn scrape(&self) -> Result<String, ScrapeError> {
        let instances = self.provider.list().await.unwrap();
        let speaking = self.speaking.load(Ordering::Relaxed);
        let elapsed = self.start.elapsed();
        let (seconds, millis) = (elapsed.as_secs_f64() / 2.0, elapsed.as_millis());
        let mut text = String::new();
        for instance in instances {
            let number: usize = instance.auto_scaling_group[1..].parse().unwrap();
            if number < speaking {
                let id = &instance.metric_ids[0];
                writeln!(
                    text,
                    "container_cpu_usage_seconds_total{{id=\"/process/{id}\"}} {seconds} {millis}"
                )
                .unwrap();
            }
        }
        Ok(text)
    }
}

/// No group asks.
struct NeverBusy;

impl BusyProbe for NeverBusy {
    fn ask(&self, _: String, _: String, _: Duration) -> BoxFuture<'static, BusyAnswer> {
        Box::pin(std::future::ready(BusyAnswer::Idle))
    }
}

/// No policy has a metric of somebody else's.
#[derive(Debug)]
struct NoMetrics;

impl MetricFetcher for NoMetrics {
    fn fetch<'a>(
        &'a self,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, FetchError>> + Send + 'a>> {
        Box::pin(std::future::pending())
    }
}

/// No group notifies anybody.
#[derive(Debug)]
struct NoWebhooks;

impl WebhookClient for NoWebhooks {
    fn post(&self, _: WebhookRequest) -> WebhookFuture {
        Box::pin(std::future::pending())
    }
}

/// Finds every target healthy, each second.
async fn balance(link: LoadBalancerLink) {
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        let Some(snapshot) = link.snapshots.borrow().clone() else {
            continue;
        };
        let mut report = Report {
            snapshot_version: snapshot.version,
            ..Report::default()
        };
        for group in &snapshot.target_groups {
            report.target_groups.push(TargetGroupReport {
                target_group: group.name.clone(),
                ..TargetGroupReport::default()
            });
            report.targets.extend(group.targets.iter().map(|target| {
                let state = match target.draining {
                    true => TargetState::Draining,
                    false => TargetState::Healthy,
                };
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
                        reason: None,
                        description: None,
                    },
                    in_flight: 0,
                    request_count: 0,
                    anomaly_detection: None,
                }
            }));
        }
        link.receive(report);
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let nanos = tasks.filter_map(|task| {
        let stat = fs::read_to_string(task.unwrap().path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanos.sum::<u64>() as f64 / 1e9
}

fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    kib / 1024.0
}
