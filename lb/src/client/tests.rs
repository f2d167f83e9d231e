//! The life of a connection, on a paused clock over an in-memory pipe. There is no target,
//! so every request is answered 503 at once.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{JoinHandle, LocalSet, spawn_local},
    time::sleep,
};

use super::*;
use crate::{
    routing::{Listener, Route, Routing},
    rule::RuleSet,
    watch::SWEEP_INTERVAL,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct Served {
    stream: DuplexStream,
    worker: Rc<Worker>,
    task: JoinHandle<()>,
    since: Instant,
}

fn serve_one() -> Served {
    let worker = Rc::new(Worker::for_nothing());
    let sweeping = Rc::clone(&worker);
    spawn_local(async move { sweeping.keep_sweeping().await });
    let (stream, io) = duplex(64 * 1024);
    let peer: SocketAddr = "10.0.0.1:5000".parse().unwrap();
    let permit = worker.permit(peer.ip(), 80).unwrap();
    let arrival = Arrival::new(peer, 80, Instant::now(), permit);
    let watch = Watch::new(arrival.port, arrival.born);
    let client = Rc::new(Client::new(&worker, &arrival, watch));
    let task = spawn_local(serve(Stream::Memory(io, None), client, arrival));
    Served {
        stream,
        worker,
        task,
        since: Instant::now(),
    }
}

impl Served {
    async fn ask(&mut self) -> String {
        self.stream.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"target group\n") {
            assert_ne!(self.stream.read_buf(&mut reply).await.unwrap(), 0);
        }
        String::from_utf8(reply).unwrap()
    }

    /// What comes until the end, and how long that takes.
    async fn until_closed(mut self) -> (String, Duration) {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).await.unwrap();
        let lasted = self.since.elapsed();
        drop(self.stream);
        self.task.await.unwrap();
        assert_eq!(self.worker.shared.metrics.connections.get(), 0);
        (rest, lasted)
    }
}

/// Deadlines are met up to two sweeps late.
fn assert_lasted(lasted: Duration, seconds: u64) {
    let expected = Duration::from_secs(seconds);
    let slack = SWEEP_INTERVAL * 2 + Duration::from_millis(20);
    assert!(
        lasted >= expected && lasted <= expected + slack,
        "{lasted:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn silent_connection_is_closed_after_the_idle_timeout() {
    LocalSet::new()
        .run_until(async {
            let (rest, lasted) = serve_one().until_closed().await;
            assert_eq!(rest, "");
            assert_lasted(lasted, 60);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_counts_from_the_last_response() {
    LocalSet::new()
        .run_until(async {
            let mut served = serve_one();
            for _ in 0..5 {
                sleep(Duration::from_secs(50)).await;
                assert!(served.ask().await.starts_with("HTTP/1.1 503 "));
            }
            let (_, lasted) = served.until_closed().await;
            assert_lasted(lasted, 5 * 50 + 60);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn trickling_head_is_timed_from_its_first_byte() {
    LocalSet::new()
        .run_until(async {
            let mut served = serve_one();
            sleep(Duration::from_secs(30)).await;
            for byte in &REQUEST.as_bytes()[..9] {
                served.stream.write_all(&[*byte]).await.unwrap();
                sleep(Duration::from_secs(1)).await;
            }
            let (rest, lasted) = served.until_closed().await;
            assert!(rest.starts_with("HTTP/1.1 408 "), "{rest}");
            assert_lasted(lasted, 40);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn old_connection_is_retired() {
    LocalSet::new()
        .run_until(async {
            let mut served = serve_one();
            while served.since.elapsed() < Duration::from_secs(3600 - 30) {
                sleep(Duration::from_secs(30)).await;
                assert!(!served.ask().await.contains("Connection: close"));
            }
            let (_, lasted) = served.until_closed().await;
            assert_lasted(lasted, 3600);
        })
        .await;
}

/// Changes the attributes of the listener while connections are open.
fn set_attributes(worker: &Worker, idle_timeout: u64, client_keep_alive: u64) {
    let described = minicloud_lb_api::Listener {
        load_balancer: "lb".into(),
        port: 80,
        rules: Vec::new(),
        default_action: minicloud_lb_api::Action::forward("web"),
        attributes: minicloud_lb_api::LoadBalancerAttributes {
            idle_timeout: Duration::from_secs(idle_timeout),
            client_keep_alive: Duration::from_secs(client_keep_alive),
            ..Default::default()
        },
    };
    let rules = RuleSet::compile(&described).unwrap();
    let listener = Arc::new(Listener::new(&described, rules, None));
    let routing = Routing {
        routes: vec![Route::new(
            &listener,
            &Default::default(),
            &worker.shared.metrics,
        )],
        ..Routing::default()
    };
    worker.shared.routing.store(Arc::new(routing));
}

#[tokio::test(start_paused = true)]
async fn changed_idle_timeout_holds_for_open_connections() {
    LocalSet::new()
        .run_until(async {
            for (idle_timeout, lasts) in [(300, 300), (50, 50), (10, 30)] {
                let served = serve_one();
                sleep(Duration::from_secs(30)).await;
                set_attributes(&served.worker, idle_timeout, 3600);
                let (_, lasted) = served.until_closed().await;
                assert_lasted(lasted, lasts);
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn changed_keep_alive_holds_for_open_connections() {
    LocalSet::new()
        .run_until(async {
            let mut served = serve_one();
            set_attributes(&served.worker, 60, 100);
            for _ in 0..3 {
                sleep(Duration::from_secs(30)).await;
                assert!(!served.ask().await.contains("Connection: close"));
            }
            let (_, lasted) = served.until_closed().await;
            assert_lasted(lasted, 100);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn closing_listener_ends_an_idle_connection_at_once() {
    LocalSet::new()
        .run_until(async {
            let mut served = serve_one();
            served.ask().await;
            served.worker.watches.retire(80);
            let (_, lasted) = served.until_closed().await;
            assert_lasted(lasted, 0);
        })
        .await;
}
