//! Upgraded connections.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    time::timeout,
};

use crate::harness::{Client, Lb, PATIENCE, Target, config, get, is_healthy, wait_for};
use minicloud_lb::{Config, Timeouts};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";

/// Switches protocols, greets, and then echoes.
async fn echo() -> Target {
    Target::scripted(|mut conn, head| async move {
        if !head.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n") {
            return conn.answer(200, "plain").await;
        }
        conn.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: v\r\n\r\nhi:").await?;
        loop {
            let bytes = std::mem::take(&mut conn.buffer);
            conn.write(&bytes).await?;
            conn.fill().await?;
        }
    })
    .await
}

async fn open(lb: &Lb) -> Client {
    let mut client = lb.connect().await;
    // The first bytes come with the head, as an eager client may send them.
    client.send(format!("{UPGRADE}early,")).await;
    let head = client.head().await.unwrap();
    assert_eq!(head.status, 101);
    assert_eq!(head.headers["upgrade"], "websocket");
    assert_eq!(head.headers["connection"].to_ascii_lowercase(), "upgrade");
    assert_eq!(head.headers["sec-websocket-accept"], "v");
    assert_eq!(client.take(9).await.unwrap(), b"hi:early,");
    client
}

#[tokio::test]
async fn websocket_is_tunnelled_and_counts() {
    let target = echo().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = open(&lb).await;
    lb.until_target(&target, |target| target.in_flight == 1)
        .await;
    let block = vec![b'z'; 200_000];
    for _ in 0..3 {
        client.send(b"ping").await;
        assert_eq!(client.take(4).await.unwrap(), b"ping");
    }
    let (reading, writing) = client.stream.into_split();
    let sending = {
        let block = block.clone();
        tokio::spawn(async move {
            let mut writing = writing;
            writing.write_all(&block).await.unwrap();
            writing
        })
    };
    let mut received = vec![0; block.len()];
    {
        let mut reading = reading;
        reading.read_exact(&mut received).await.unwrap();
    }
    assert_eq!(received, block);
    drop(sending.await.unwrap());
    lb.until_idle().await;
    assert_eq!(
        lb.metric(r#"minicloud_lb_requests_total{code="101",group="web",method="GET"}"#),
        1
    );
}

#[tokio::test]
async fn refused_upgrade_is_an_ordinary_response() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = lb.connect().await;
    for _ in 0..2 {
        client.send(UPGRADE).await;
        assert_eq!(client.reply().await.status, 200);
    }
    client.send(&get("/")).await;
    assert_eq!(client.reply().await.status, 200);
    lb.until_idle().await;
}

#[tokio::test]
async fn target_that_leaves_ends_the_tunnel() {
    let mut target = echo().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = open(&lb).await;
    target.kill().await;
    assert!(client.is_closed().await);
    drop(client);
    lb.until_idle().await;
}

#[tokio::test]
async fn tunnel_outlives_the_drain_until_its_grace_ends() {
    let target = echo().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = open(&lb).await;
    lb.apply(|snapshot| {
        snapshot.target_groups[0].attributes.upgrade_grace = Duration::from_secs(4);
        snapshot.target_groups[0].targets[0].draining = true;
    })
    .await;
    client.send("still").await;
    assert_eq!(client.take(5).await.unwrap(), b"still");
    lb.apply(|snapshot| snapshot.target_groups[0].targets.clear())
        .await;
    assert_eq!(client.end().await, Some(0), "closed, not reset");
    // Long before the delay of a minute.
    lb.until(|report| report.targets.is_empty()).await;
}

#[tokio::test]
async fn grace_is_no_longer_than_the_delay() {
    let target = echo().await;
    let lb = Lb::start(&[&target]).await;
    let mut client = open(&lb).await;
    lb.apply(|snapshot| {
        snapshot.target_groups[0].deregistration_delay = Duration::from_secs(1);
        snapshot.target_groups[0].attributes.upgrade_grace = Duration::from_secs(3600);
        snapshot.target_groups[0].targets.clear();
    })
    .await;
    assert!(client.is_closed().await);
    lb.until(|report| report.targets.is_empty()).await;
}

#[tokio::test]
async fn tunnel_in_full_flow_is_ended_without_a_reset() {
    let target = echo().await;
    let mut config = config();
    // Longer than a busy machine keeps the client from reading the end.
    config.timeouts.linger = Duration::from_secs(10);
    let lb = Lb::start_with(config, &[&target]).await;
    // What is on its way at the end differs; a reset must never be what comes.
    for _ in 0..5 {
        let (mut reading, mut writing) = open(&lb).await.stream.into_split();
        let flow =
            tokio::spawn(async move { while writing.write_all(&[b'z'; 4096]).await.is_ok() {} });
        let mut first = [0; 4096];
        reading.read_exact(&mut first).await.unwrap();
        lb.apply(|snapshot| {
            snapshot.target_groups[0].attributes.upgrade_grace = Duration::ZERO;
            snapshot.target_groups[0].targets[0].draining = true;
        })
        .await;
        let end = async { while reading.read(&mut first).await.unwrap() > 0 {} };
        timeout(PATIENCE, end).await.unwrap();
        flow.abort();
        drop(reading);
        lb.until_idle().await;
        lb.register(&[&target]).await;
        lb.until_target(&target, is_healthy).await;
    }
}

#[tokio::test]
async fn request_goes_on_when_tunnels_end() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let target = Target::scripted(move |mut conn, head| {
        let gate = Arc::clone(&opened);
        async move {
            if head.starts_with("GET /ws ") {
                conn.write("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    .await?;
                conn.until_closed().await;
                gate.add_permits(1);
                return Some(());
            }
            gate.acquire().await.unwrap().forget();
            conn.answer(200, "late").await
        }
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut tunnel = lb.connect().await;
    tunnel.send(UPGRADE).await;
    assert_eq!(tunnel.head().await.unwrap().status, 101);
    let mut client = lb.connect().await;
    client.send(get("/")).await;
    lb.until_target(&target, |target| target.in_flight == 2)
        .await;
    lb.apply(|snapshot| {
        snapshot.target_groups[0].attributes.upgrade_grace = Duration::ZERO;
        snapshot.target_groups[0].targets.clear();
    })
    .await;
    assert_eq!(tunnel.end().await, Some(0), "closed, not reset");
    // The target answers it only when it has seen the end of the tunnel.
    assert_eq!(client.reply().await.text(), "late");
    lb.until(|report| report.targets.is_empty()).await;
}

#[tokio::test]
async fn silent_tunnel_is_closed() {
    let target = echo().await;
    let timeouts = Timeouts {
        tunnel_idle: Duration::from_secs(1),
        ..Timeouts::default()
    };
    let lb = Lb::start_with(
        Config {
            timeouts,
            ..config()
        },
        &[&target],
    )
    .await;
    let mut client = open(&lb).await;
    assert!(client.is_closed().await);
    lb.until_idle().await;
}

#[tokio::test]
async fn shutdown_ends_tunnels_after_their_grace() {
    let target = echo().await;
    let lb = Lb::start(&[&target]).await;
    lb.apply(|snapshot| {
        snapshot.target_groups[0].attributes.upgrade_grace = Duration::from_secs(2);
    })
    .await;
    let mut client = open(&lb).await;
    let port = lb.port;
    let stopping = tokio::spawn(lb.lb.shutdown());
    wait_for("nothing is accepted any more", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
    client.send("still").await;
    assert_eq!(client.take(5).await.unwrap(), b"still");
    assert_eq!(client.end().await, Some(0), "closed, not reset");
    drop(client);
    stopping.await.unwrap();
}

#[tokio::test]
async fn grace_at_shutdown_leaves_time_to_part() {
    let target = echo().await;
    let mut config = config();
    config.timeouts.shutdown_drain = Duration::from_secs(2);
    let lb = Lb::start_with(config, &[&target]).await;
    let mut client = open(&lb).await;
    let stopping = tokio::spawn(lb.lb.shutdown());
    assert_eq!(client.end().await, Some(0), "closed, not reset");
    drop(client);
    stopping.await.unwrap();
}
