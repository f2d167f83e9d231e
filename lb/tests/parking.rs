//! Idle connections, of which a worker keeps but the socket: nobody can tell.

use std::time::Duration;

use minicloud_lb::{AccessLog, AccessLogFormat, AccessLogOutput, Config};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::harness::{Client, Lb, Target, config, get, wait_for};

const SOME: usize = 50;
const PARKED: &str = "minicloud_lb_connections_parked";
const OPEN: &str = "minicloud_lb_connections";

/// Opens connections that have each had an answer, and waits until all are parked.
async fn parked(lb: &Lb, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = lb.connect().await;
        ask(&mut client).await;
        clients.push(client);
    }
    until_parked(lb, count).await;
    clients
}

async fn ask(client: &mut Client) {
    client.send(get("/")).await;
    assert_eq!(client.reply().await.status, 200);
}

async fn until_parked(lb: &Lb, count: usize) {
    wait_for("as many are parked", || lb.metric(PARKED) == count as u64).await;
}

/// A client sees its connection end a moment before it is counted out.
async fn until_places_are_free(lb: &Lb) {
    let places = || (lb.metric(OPEN), lb.metric(PARKED));
    wait_for("the places are free", || places() == (0, 0)).await;
}

#[tokio::test]
async fn parked_connections_count_and_are_served_again() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut clients = parked(&lb, SOME).await;
    for _ in 0..2 {
        assert_eq!(lb.metric(OPEN), SOME as u64);
        for client in &mut clients {
            ask(client).await;
        }
        until_parked(&lb, SOME).await;
    }
    // A request that comes in pieces is no reason to be parked in between.
    let client = &mut clients[0];
    client.send("GET / HTTP/1.1\r\n").await;
    until_parked(&lb, SOME - 1).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(lb.metric(PARKED), SOME as u64 - 1);
    client.send("Host: a\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn connection_that_never_asked_is_parked_too() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    until_parked(&lb, 1).await;
    ask(&mut client).await;
}

#[tokio::test]
async fn clients_that_leave_free_their_places_at_once() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut clients = parked(&lb, 3).await;
    clients.pop().unwrap().stream.set_zero_linger().unwrap();
    wait_for("the reset is seen", || lb.metric(OPEN) == 2).await;
    drop(clients.pop());
    wait_for("the end is seen", || lb.metric(OPEN) == 1).await;
    let mut half = clients.pop().unwrap();
    half.stream.shutdown().await.unwrap();
    assert!(half.is_closed().await);
    until_places_are_free(&lb).await;
}

#[tokio::test]
async fn idle_timeout_and_age_end_what_is_parked() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    for is_age in [false, true] {
        let mut clients = parked(&lb, 3).await;
        lb.apply(|snapshot| {
            let attributes = &mut snapshot.listeners[0].attributes;
            match is_age {
                false => attributes.idle_timeout = Duration::from_secs(1),
                true => attributes.client_keep_alive = Duration::from_secs(1),
            }
        })
        .await;
        for client in &mut clients {
            assert!(client.is_closed().await);
        }
        until_places_are_free(&lb).await;
        lb.apply(|snapshot| snapshot.listeners[0].attributes = Default::default())
            .await;
    }
}

#[tokio::test]
async fn closed_listener_and_shutdown_end_what_is_parked() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut clients = parked(&lb, SOME).await;
    lb.apply(|snapshot| snapshot.listeners.clear()).await;
    for client in &mut clients {
        assert!(client.is_closed().await);
    }
    until_places_are_free(&lb).await;

    let lb = Lb::start(&[&target]).await;
    let mut clients = parked(&lb, SOME).await;
    let start = Instant::now();
    lb.lb.shutdown().await;
    for client in &mut clients {
        assert!(client.is_closed().await);
    }
    let most = Config::default().timeouts.shutdown_drain;
    assert!(start.elapsed() < most, "it waited for what is idle");
}

#[tokio::test]
async fn limit_of_a_client_counts_what_is_parked() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    lb.apply(|snapshot| {
        snapshot.listeners[0].attributes.max_connections_per_client = Some(2);
    })
    .await;
    let mut clients = parked(&lb, 2).await;
    assert!(lb.connect().await.is_closed().await);
    drop(clients.pop());
    wait_for("the place is free", || lb.metric(OPEN) == 1).await;
    ask(&mut lb.connect().await).await;
}

#[tokio::test]
async fn access_log_names_a_connection_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let access_log = Some(AccessLog {
        output: AccessLogOutput::File(path.clone()),
        format: AccessLogFormat::Json,
    });
    let config = Config {
        access_log,
        ..config()
    };
    let target = Target::plain().await;
    let lb = Lb::start_with(config, &[&target]).await;
    for client in &mut parked(&lb, 2).await {
        ask(client).await;
    }
    lb.lb.shutdown().await;
    let log = std::fs::read_to_string(path).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut of_connections: Vec<(Value, Value)> = lines
        .map(|line: Value| (line["conn_trace_id"].clone(), line["client_port"].clone()))
        .collect();
    assert_eq!(of_connections.len(), 4);
    of_connections.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(of_connections[0], of_connections[1]);
    assert_eq!(of_connections[2], of_connections[3]);
    assert_ne!(of_connections[1], of_connections[2]);
}

/// Requests that come just before, while and just after their connection is parked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_at_the_moment_of_parking() {
    const CLIENTS: u64 = 200;
    const REQUESTS: u64 = 40;
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut asking = JoinSet::new();
    for number in 0..CLIENTS {
        let mut client = lb.connect().await;
        asking.spawn(async move {
            let mut longest = Duration::ZERO;
            for request in 0..REQUESTS {
                let start = Instant::now();
                ask(&mut client).await;
                longest = longest.max(start.elapsed());
                // Around a sweep, and two: spread by a prime over 80 to 240 ms.
                let pause = 80_000 + (number * 7919 + request * 104_729) % 160_000;
                sleep(Duration::from_micros(pause)).await;
            }
            longest
        });
    }
    let mut most_parked = 0;
    let mut longest = Duration::ZERO;
    while !asking.is_empty() {
        tokio::select! {
            Some(done) = asking.join_next() => longest = longest.max(done.unwrap()),
            () = sleep(Duration::from_millis(10)) => {}
        }
        most_parked = most_parked.max(lb.metric(PARKED));
    }
    println!("up to {most_parked} parked; answered after {longest:?} at most");
    assert!(most_parked > 0, "none was ever parked");
    assert_eq!(target.requests() as u64, CLIENTS * REQUESTS);
}
