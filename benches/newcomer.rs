//! How many commands, and how long, from a built minicloud to the first scale-out seen: the
//! README's way, on child processes and on Docker.
//!
//! `cargo bench --bench newcomer` prints, last,
//! `newcomer: processes_commands=.. processes_s=.. docker_commands=.. docker_s=..`. The clock
//! starts with the first command and stops when a request is answered by a second instance.
//! Compiling and building images are not in it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and fails by panicking"
)]

#[expect(dead_code, reason = "the system tests use the rest")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use support::{
    api::Api,
    compose::{Compose, engine_is_there},
    http,
    machine::Machine,
    up::Up,
    wait::until,
};
use tokio::time::Instant;

/// What the README tells to run, one after the other.
const ON_PROCESSES: [&str; 2] = ["cargo run --release -- up", "minicloud demo stress web"];
const ON_DOCKER: [&str; 2] = ["docker compose up -d --wait", "minicloud demo stress web"];
const GIVE_UP: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs benchmarks for a look only.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("skipped: cargo bench --bench newcomer measures");
        return;
    }
    let readme = include_str!("../README.md");
    for command in ON_PROCESSES.iter().chain(&ON_DOCKER) {
        assert!(
            readme.contains(command),
            "the README does not say `{command}`"
        );
    }
    let processes = on_processes().await;
    let docker = match engine_is_there().await {
        true => format!("{:.1}", on_docker().await),
        false => "none".to_owned(),
    };
    println!(
        "newcomer: processes_commands={} processes_s={processes:.1} docker_commands={} docker_s={docker}",
        ON_PROCESSES.len(),
        ON_DOCKER.len(),
    );
}

async fn on_processes() -> f64 {
    let machine = Machine::alone().await;
    let start = Instant::now();
    let up = Up::start_on(machine);
    // It says itself how to go on, once it serves.
    until("up tells the next command", GIVE_UP, || async {
        let log = up.minicloud.log();
        log.contains("demo stress web").then_some(()).ok_or(log)
    })
    .await;
    until_grown(up.api, up.address).await;
    let took = start.elapsed().as_secs_f64();
    up.interrupt().await;
    took
}

async fn on_docker() -> f64 {
    // Whose images are built by then.
    Compose::up(|example| example).await.down().await;
    let start = Instant::now();
    let compose = Compose::up(|example| example).await;
    until_grown(compose.api, compose.address).await;
    let took = start.elapsed().as_secs_f64();
    compose.down().await;
    took
}

/// The second command, until two instances have served.
async fn until_grown(api: Api, address: SocketAddr) {
    let _demo = api
        .command(&["demo", "stress", "web"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let mut served = BTreeSet::new();
    while served.len() < 2 {
        let answer = http::get(address, "/").await.unwrap();
        served.extend(answer.instance());
        assert!(start.elapsed() < GIVE_UP, "{served:?} alone");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
