//! A running balancer, raw targets and raw clients, and waiting with a deadline.

mod client;
mod load;
mod machine;
mod recorder;
pub(crate) mod target;

use std::{
    net::{Ipv4Addr, TcpListener},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use minicloud_lb::{Config, LoadBalancer, StartError};
use minicloud_lb_api::{
    Action, HealthCheck, Listener, Matcher, Report, Snapshot, Target as Registration, TargetGroup,
    TargetHealthDescription, TargetState,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

pub(crate) use client::{Client, Reply};
pub(crate) use load::Load;
pub(crate) use machine::be_alone;
pub(crate) use recorder::{Received, Record};
pub(crate) use target::{Conn, Target};

/// How long anything may take before a test fails; far above what it does take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A balancer with one listener on `port` that forwards to the group `web`.
pub(crate) struct Lb {
    pub(crate) lb: LoadBalancer,
    pub(crate) port: u16,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

pub(crate) fn config() -> Config {
    Config {
        bind: vec![Ipv4Addr::LOCALHOST.into()],
        threads: NonZeroUsize::new(2).unwrap(),
        ..Config::default()
    }
}

impl Lb {
    pub(crate) async fn start(targets: &[&Target]) -> Self {
        Self::start_with(config(), targets).await
    }

    /// Starts a balancer and waits until every target is healthy.
    pub(crate) async fn start_with(config: Config, targets: &[&Target]) -> Self {
        let snapshot = |port| {
            snapshot(
                port,
                targets.iter().map(|target| target.registration()).collect(),
            )
        };
        let lb = Self::start_snapshot(config, snapshot).await;
        lb.until(|report| report.targets.iter().all(is_healthy))
            .await;
        lb
    }

    /// Starts a balancer on a free port; another test may take the port first, so tries again.
    pub(crate) async fn start_snapshot(config: Config, snapshot: impl Fn(u16) -> Snapshot) -> Self {
        machine::share().await;
        loop {
            let port = free_port();
            let (snapshots, receiver) = watch::channel(Arc::new(snapshot(port)));
            match LoadBalancer::start(config.clone(), receiver) {
                Ok(lb) => {
                    let lb = Self {
                        lb,
                        port,
                        snapshots,
                    };
                    lb.until(|report| report.snapshot_version != 0).await;
                    return lb;
                }
                Err(StartError::Bind(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Changes the snapshot and waits until it is applied.
    pub(crate) async fn apply(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshots.send_modify(|snapshot| {
            let snapshot = Arc::make_mut(snapshot);
            change(snapshot);
            snapshot.version += 1;
        });
        let version = self.snapshots.borrow().version;
        self.until(|report| report.snapshot_version == version)
            .await;
    }

    pub(crate) async fn register(&self, targets: &[&Target]) {
        let targets = targets.iter().map(|target| target.registration()).collect();
        self.apply(|snapshot| snapshot.target_groups[0].targets = targets)
            .await;
    }

    /// Waits for a report that satisfies `is_reached`.
    pub(crate) async fn until(&self, is_reached: impl Fn(&Report) -> bool) -> Arc<Report> {
        let mut reports = self.lb.report();
        let reached = timeout(PATIENCE, reports.wait_for(|report| is_reached(report))).await;
        match reached {
            Ok(Ok(report)) => Arc::clone(&report),
            Ok(Err(_)) => panic!("the balancer is gone"),
            Err(_) => panic!("never reached; last {:#?}", self.lb.report().borrow()),
        }
    }

    pub(crate) async fn until_target(
        &self,
        target: &Target,
        is_reached: impl Fn(&TargetHealthDescription) -> bool,
    ) {
        let id = target.id();
        self.until(|report| {
            let mut targets = report.targets.iter();
            targets.any(|target| target.target.id == id && is_reached(target))
        })
        .await;
    }

    /// Waits until nothing is in flight anywhere.
    pub(crate) async fn until_idle(&self) {
        self.until(|report| report.targets.iter().all(|target| target.in_flight == 0))
            .await;
        wait_for("no request in the metrics", || {
            self.metric("minicloud_lb_inflight_requests{group=\"web\"}") == 0
        })
        .await;
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.port).await
    }

    /// One GET on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let mut client = self.connect().await;
        client.send(&get(path)).await;
        client.reply().await
    }

    /// The value of the metric whose line starts with `series`; 0 if there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.lb.metrics_text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    pub(crate) fn retries(&self, reason: &str) -> u64 {
        self.metric(&format!(
            "minicloud_lb_retries_total{{group=\"web\",reason=\"{reason}\"}}"
        ))
    }
}

pub(crate) fn snapshot(port: u16, targets: Vec<Registration>) -> Snapshot {
    Snapshot {
        version: 1,
        listeners: vec![listener(port, "web")],
        target_groups: vec![group("web", targets)],
    }
}

pub(crate) fn listener(port: u16, group: &str) -> Listener {
    Listener {
        load_balancer: "exercise-lb".into(),
        port,
        rules: Vec::new(),
        default_action: Action::forward(group),
        attributes: Default::default(),
    }
}

pub(crate) fn group(name: &str, targets: Vec<Registration>) -> TargetGroup {
    TargetGroup {
        name: name.into(),
        health_check: HealthCheck {
            protocol: Default::default(),
            path: "/health".into(),
            interval: Duration::from_millis(200),
            // Wide: a busy machine is no reason to call a target unhealthy.
            timeout: Duration::from_secs(10),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            matcher: Matcher::default(),
        },
        deregistration_delay: Duration::from_secs(60),
        attributes: Default::default(),
        is_scaled: false,
        targets,
    }
}

pub(crate) fn is_healthy(target: &TargetHealthDescription) -> bool {
    target.target_health.state == TargetState::Healthy
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits for what has no channel to wait on.
pub(crate) async fn wait_for(what: &str, mut is_reached: impl FnMut() -> bool) {
    let reached = timeout(PATIENCE, async {
        while !is_reached() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(reached.await.is_ok(), "never reached: {what}");
}

/// Resident memory of this process, in bytes: the balancer's, the targets' and the clients'.
pub(crate) fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

pub(crate) fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
