//! Draining, shutting down: what is live ends well, nothing new begins.

use std::{sync::Arc, time::Duration};

use minicloud_lb_api::TargetState;
use tokio::sync::Semaphore;

use crate::harness::{Lb, Target, get, wait_for};

/// Answers when a permit is there.
async fn gated() -> (Target, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let target = Target::scripted(move |mut conn, _| {
        let gate = Arc::clone(&opened);
        async move {
            loop {
                gate.acquire().await.unwrap().forget();
                conn.answer(200, "late").await?;
                conn.head().await?;
            }
        }
    })
    .await;
    (target, gate)
}

#[tokio::test]
async fn draining_target_finishes_and_gets_nothing_new() {
    let (old, gate) = gated().await;
    let new = Target::plain().await;
    let lb = Lb::start(&[&old]).await;
    let mut live = lb.connect().await;
    live.send(&get("/")).await;
    wait_for("the request is there", || old.requests() == 1).await;

    old.set_draining();
    lb.register(&[&old, &new]).await;
    lb.until_target(&new, crate::harness::is_healthy).await;
    lb.until_target(&old, |target| {
        target.target_health.state == TargetState::Draining && target.in_flight == 1
    })
    .await;
    for _ in 0..10 {
        assert_eq!(lb.get("/").await.text(), new.address.to_string());
    }
    assert_eq!(old.requests(), 1);
    gate.add_permits(1);
    let last = live.reply().await;
    assert_eq!((last.text(), last.says_close()), ("late", true));
    assert!(live.is_closed().await);
    lb.until_target(&old, |target| target.in_flight == 0).await;
    assert!(!lb.get("/").await.says_close());
}

#[tokio::test]
async fn idle_connections_to_a_draining_target_are_closed() {
    let target = Target::scripted(|mut conn, _| async move {
        conn.answer(200, "ok").await?;
        conn.until_closed().await;
        conn.state
            .requests
            .fetch_add(100, std::sync::atomic::Ordering::SeqCst);
        Some(())
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    assert_eq!(lb.get("/").await.status, 200);
    target.set_draining();
    lb.register(&[&target]).await;
    wait_for("the pooled connection is closed", || {
        target.requests() == 101
    })
    .await;
}

#[tokio::test]
async fn request_is_cut_only_when_the_delay_is_over() {
    let (target, gate) = gated().await;
    let lb = Lb::start(&[&target]).await;
    let mut first = lb.connect().await;
    first.send(&get("/")).await;
    wait_for("the request is there", || target.requests() == 1).await;
    // Gone from the snapshot at once, without a word of draining.
    lb.register(&[]).await;
    lb.until_target(&target, |target| {
        target.target_health.state == TargetState::Draining
    })
    .await;
    gate.add_permits(1);
    assert_eq!(
        first.reply().await.text(),
        "late",
        "not cut: the delay is a minute"
    );
    lb.until(|report| report.targets.is_empty()).await;

    lb.apply(|snapshot| snapshot.target_groups[0].deregistration_delay = Duration::ZERO)
        .await;
    lb.register(&[&target]).await;
    lb.until_target(&target, crate::harness::is_healthy).await;
    let mut second = lb.connect().await;
    second.send(&get("/")).await;
    wait_for("the request is there", || target.requests() == 2).await;
    lb.register(&[]).await;
    assert_eq!(second.reply().await.status, 502, "cut");
    lb.until(|report| report.targets.is_empty()).await;
}

#[tokio::test]
async fn shutdown_lets_requests_end() {
    let (target, gate) = gated().await;
    let lb = Lb::start(&[&target]).await;
    let mut idle = lb.connect().await;
    gate.add_permits(1);
    idle.send(&get("/")).await;
    assert_eq!(idle.reply().await.status, 200);
    let mut live = lb.connect().await;
    live.send(&get("/")).await;
    wait_for("the request is there", || target.requests() == 2).await;
    let port = lb.port;
    let stopping = tokio::spawn(lb.lb.shutdown());
    assert!(idle.is_closed().await);
    wait_for("nothing is accepted any more", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    })
    .await;
    gate.add_permits(1);
    let reply = live.reply().await;
    assert_eq!(
        (reply.text(), reply.headers["connection"].as_str()),
        ("late", "close")
    );
    drop(live);
    stopping.await.unwrap();
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let (target, _gate) = gated().await;
    let mut config = crate::harness::config();
    config.timeouts.shutdown_drain = Duration::from_millis(100);
    let lb = Lb::start_with(config, &[&target]).await;
    let mut live = lb.connect().await;
    live.send(&get("/")).await;
    wait_for("the request is there", || target.requests() == 1).await;
    lb.lb.shutdown().await;
    assert!(live.is_closed().await);
}
