//! How a balancer leaves: what is under way ends well, nothing new begins.

use std::{net::SocketAddr, time::Duration};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::support::{child::Minicloud, free_port, http, machine::Machine, wait::until, write};

const SOON: Duration = Duration::from_secs(30);
/// What a balancer takes at most, and a busy machine more.
const DRAIN: Duration = Duration::from_secs(9 + 6);

struct Scene {
    lb: Minicloud,
    _app: Minicloud,
    address: SocketAddr,
    admin: SocketAddr,
    _dir: TempDir,
    _machine: Machine,
}

/// A balancer from a file, and one target.
async fn serving() -> Scene {
    let machine = Machine::shared().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, app_port, admin) = (free_port(), free_port(), free_port());
    let environment = [("PORT", &*app_port.to_string()), ("BIND", "127.0.0.1")];
    let app = Minicloud::spawn_with(&["sample-app"], &environment, &dir.path().join("app.log"));
    let config = dir.path().join("lb.yaml");
    write(
        &config,
        &format!(
            "version: 1\ntarget_groups:\n  web: {{ targets: [\"127.0.0.1:{app_port}\"], upgrade_grace: 2s, health_check: {{ path: /health, interval: 100ms, timeout: 100ms }} }}\nload_balancers:\n  lb: {{ listeners: [ {{ port: {port}, default_action: {{ forward: web }} }} ] }}\n"
        ),
    );
    let admin = format!("127.0.0.1:{admin}");
    let arguments = [
        "lb",
        "--config",
        config.to_str().unwrap(),
        "--admin",
        &admin,
    ];
    let lb = Minicloud::spawn(&arguments, &dir.path().join("lb.log"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    until("the balancer serves", SOON, || async move {
        let answer = http::get(address, "/").await?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(answer.status.to_string()),
        }
    })
    .await;
    Scene {
        lb,
        _app: app,
        address,
        admin: admin.parse().unwrap(),
        _dir: dir,
        _machine: machine,
    }
}

impl Scene {
    /// Waits until the balancer has taken so many connections, and requests on them.
    async fn until_taken(&self, connections: u32, requests: u32) {
        let expected = [
            format!("\nminicloud_lb_connections {connections}\n"),
            format!("\nminicloud_lb_inflight_requests{{group=\"web\"}} {requests}\n"),
        ];
        until("all is under way", SOON, || async {
            let metrics = http::get(self.admin, "/metrics").await?.text();
            match expected.iter().all(|line| metrics.contains(line)) {
                true => Ok(()),
                false => Err(metrics),
            }
        })
        .await;
    }

    /// A connection on which `request` has been sent.
    async fn ask(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

/// Reads until `mark` has come.
async fn read_to(stream: &mut TcpStream, mark: &str) -> String {
    let mut text = Vec::new();
    let reading = async {
        while !text.ends_with(mark.as_bytes()) {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0, "the end");
        }
    };
    timeout(SOON, reading).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// All until an end that is no reset.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let read = timeout(SOON, stream.read_to_string(&mut text)).await;
    read.unwrap().unwrap();
    text
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn balancer_that_is_told_to_end_finishes_what_is_under_way() {
    let mut scene = serving().await;
    let mut fresh = scene.ask("").await;
    let mut kept = scene.ask(&get("/health")).await;
    let reply = read_to(&mut kept, "healthy\n").await;
    assert!(
        reply.starts_with("HTTP/1.1 200 ") && !reply.contains("close"),
        "{reply}"
    );
    let mut slow = scene.ask(&get("/slow?ms=5000")).await;
    let mut tunnel = scene
        .ask("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly")
        .await;
    let reply = read_to(&mut tunnel, "early").await;
    assert!(reply.starts_with("HTTP/1.1 101 "), "{reply}");
    scene.until_taken(4, 2).await;

    scene.lb.signal(Signal::TERM);
    let told = Instant::now();
    assert_eq!(rest(&mut kept).await, "", "closed without a word");
    assert_eq!(rest(&mut fresh).await, "");
    let refused = || async { TcpStream::connect(scene.address).await.map(drop) };
    until("nothing is accepted", SOON, || async {
        match refused().await {
            Ok(()) => Err("a connection".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
    tunnel.write_all(b"still").await.unwrap();
    assert_eq!(read_to(&mut tunnel, "still").await, "still");
    assert_eq!(rest(&mut tunnel).await, "", "ended, not reset");
    drop(tunnel);
    let last = rest(&mut slow).await;
    assert!(
        last.starts_with("HTTP/1.1 200 ") && last.ends_with("slept 5000 ms\n"),
        "{last}"
    );
    assert!(last.contains("\r\nConnection: close\r\n"), "{last}");
    drop(slow);
    assert!(scene.lb.exited(SOON).await.success(), "{}", scene.lb.log());
    assert!(told.elapsed() < DRAIN, "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn balancer_does_not_wait_for_ever() {
    let mut scene = serving().await;
    let mut endless = scene.ask(&get("/slow?ms=60000")).await;
    scene.until_taken(1, 1).await;
    scene.lb.signal(Signal::TERM);
    let told = Instant::now();
    assert!(scene.lb.exited(SOON).await.success(), "{}", scene.lb.log());
    assert!(told.elapsed() < DRAIN, "{:?}", told.elapsed());
    assert_eq!(rest(&mut endless).await, "");
}
