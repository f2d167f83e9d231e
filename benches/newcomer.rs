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
        true => on_docker().await,
        false => None,
    };
    println!(
        "newcomer: processes_commands={} processes_s={} docker_commands={} docker_s={}",
        ON_PROCESSES.len(),
        shown(processes),
        ON_DOCKER.len(),
        shown(docker),
    );
}

fn shown(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "none".to_owned(), |seconds| format!("{seconds:.1}"))
}

async fn on_processes() -> Option<f64> {
    let machine = Machine::alone().await;
    let start = Instant::now();
    let up = Up::start_on(machine);
    // It says itself how to go on, once it serves.
    until("up tells the next command", GIVE_UP, || async {
        let log = up.minicloud.log();
        log.contains("demo stress web").then_some(()).ok_or(log)
    })
    .await;
    let grown = until_grown(up.api, up.address).await;
    let took = grown.then(|| start.elapsed().as_secs_f64());
    up.interrupt().await;
    took
}

async fn on_docker() -> Option<f64> {
    // Whose images are built by then.
    Compose::up(|example| example).await.down().await;
    let start = Instant::now();
    let compose = Compose::up(|example| example).await;
    let grown = until_grown(compose.api, compose.address).await;
    let took = grown.then(|| start.elapsed().as_secs_f64());
    compose.down().await;
    took
}

/// The second command, until two instances have served. False where that does not come: on a
/// machine with much other work an instance does not get its quota, and a group rightly stays.
async fn until_grown(api: Api, address: SocketAddr) -> bool {
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
        if start.elapsed() > GIVE_UP {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}
