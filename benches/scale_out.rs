//! How long from the start of stress until the second instance has served its first request,
//! on child processes and on Docker, and what the idle parts hold in memory.
//!
//! `cargo bench --bench scale_out` prints each run and, last,
//! `processes_s=.. docker_s=.. idle_mib=..`: medians of five runs. No figure is asserted:
//! machines are noisy, and this one is asked on a laptop too.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and fails by panicking"
)]

#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::{net::SocketAddr, time::Duration};

use support::{
    api::Api,
    compose::{Compose, engine_is_there},
    http,
    machine::Machine,
    roles::Roles,
    up::Up,
};
use tokio::time::{Instant, MissedTickBehavior};

const RUNS: usize = 5;
const BOOT: Duration = Duration::from_secs(90);
const GIVE_UP: Duration = Duration::from_secs(120);
/// Idle is measured after this much rest.
const REST: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs benchmarks for a look only.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: cargo bench --bench scale_out measures");
        return;
    }
    let idle_mib = idle_mib().await;
    let mut processes = Vec::new();
    for run in 1..=RUNS {
        let up = Up::start_on(Machine::alone().await);
        let took = scale_out(
            up.api,
            up.address,
            &[
                "minicloud",
                "sample-app",
                "stress",
                "--cpu",
                "1",
                "--timeout",
                "120",
            ],
        )
        .await;
        up.interrupt().await;
        println!("processes, run {run}: {took:.2} s");
        processes.push(took);
    }
    let mut docker = Vec::new();
    if engine_is_there().await {
        for run in 1..=RUNS {
            let compose = Compose::up(|example| example).await;
            let took = scale_out(
                compose.api,
                compose.address,
                &["stress", "--cpu", "1", "--timeout", "120"],
            )
            .await;
            compose.down().await;
            println!("docker, run {run}: {took:.2} s");
            docker.push(took);
        }
    }
    println!(
        "processes_s={} docker_s={} idle_mib={idle_mib:.1}",
        median(processes),
        median(docker)
    );
}

/// Seconds from the start of the stress to the first answer of an instance that is new.
async fn scale_out(api: Api, address: SocketAddr, stress: &[&str]) -> f64 {
    let first = api.until_settled(1, BOOT).await.remove(0);
    api.until_warm(BOOT).await;
    // Warmed up, and idle for a while, as a group in use is.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let start = Instant::now();
    let _burner = api.stress(&first, stress);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answer = http::get(address, "/").await.unwrap();
        assert!(answer.status.is_success(), "{}", answer.text());
        if answer.instance().is_some_and(|id| id != first) {
            return start.elapsed().as_secs_f64();
        }
        assert!(
            start.elapsed() < GIVE_UP,
            "no second instance within {GIVE_UP:?}"
        );
    }
}

/// Resident memory of lb, autoscaler and agent as processes of their own, together, in MiB.
async fn idle_mib() -> f64 {
    let roles = Roles::start().await;
    tokio::time::sleep(REST).await;
    let parts = [
        ("lb", &roles.lb),
        ("autoscaler", &roles.autoscaler),
        ("agent", &roles.agent),
    ];
    let resident = parts.map(|(name, role)| {
        let mib = resident_mib(role.as_ref().unwrap().pid());
        println!("idle, {name}: {mib:.1} MiB resident");
        mib
    });
    roles.stop().await;
    resident.iter().sum()
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn median(mut runs: Vec<f64>) -> String {
    runs.sort_by(f64::total_cmp);
    runs.get(runs.len() / 2)
        .map_or_else(|| "none".to_owned(), |median| format!("{median:.2}"))
}
