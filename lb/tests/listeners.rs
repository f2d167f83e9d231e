//! Ports that come, go and are taken.

use std::{sync::Arc, time::Duration};

use minicloud_lb::{BindError, LoadBalancer, StartError};
use tokio::sync::watch;

use crate::harness::{Client, Lb, Target, config, free_port, get, listener, snapshot, wait_for};

#[tokio::test]
async fn taken_port_is_a_start_error() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let (_snapshots, receiver) = watch::channel(Arc::new(snapshot(lb.port, Vec::new())));
    let error = LoadBalancer::start(config(), receiver).unwrap_err();
    let StartError::Bind(BindError::PortInUse(address)) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(address.port(), lb.port);
    assert_eq!(
        lb.get("/").await.status,
        200,
        "the first one is not disturbed"
    );
}

#[tokio::test]
async fn listeners_come_and_go_without_touching_others() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut kept = lb.connect().await;
    kept.send(&get("/")).await;
    assert_eq!(kept.reply().await.status, 200);

    let second = loop {
        let port = free_port();
        lb.apply(|snapshot| {
            snapshot.listeners.truncate(1);
            snapshot.listeners.push(listener(port, "web"));
        })
        .await;
        if lb.lb.report().borrow().faults.is_empty() {
            break port;
        }
    };
    let mut client = Client::connect(second).await;
    client.send(&get("/")).await;
    assert_eq!(client.reply().await.status, 200);

    lb.apply(|snapshot| snapshot.listeners.truncate(1)).await;
    assert!(
        client.is_closed().await,
        "an idle connection of a closed listener ends"
    );
    wait_for("the port is closed", || {
        std::net::TcpStream::connect(("127.0.0.1", second)).is_err()
    })
    .await;
    kept.send(&get("/")).await;
    assert_eq!(kept.reply().await.status, 200);
}

#[tokio::test]
async fn port_taken_later_is_a_fault_until_it_is_free() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    lb.apply(|snapshot| snapshot.listeners.push(listener(port, "web")))
        .await;
    let report = lb.until(|report| !report.faults.is_empty()).await;
    assert!(
        report.faults[0].contains(&format!("127.0.0.1:{port} is in use")),
        "{:?}",
        report.faults
    );
    assert_eq!(lb.get("/").await.status, 200, "the rest is served");
    drop(taken);
    lb.until(|report| report.faults.is_empty()).await;
    let mut client = Client::connect(port).await;
    client.send(&get("/")).await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn listener_without_group_is_a_fault_and_503() {
    let lb = Lb::start(&[]).await;
    lb.apply(|snapshot| snapshot.listeners[0] = listener(snapshot.listeners[0].port, "nowhere"))
        .await;
    lb.until(|report| {
        report
            .faults
            .iter()
            .any(|fault| fault.contains("`nowhere`"))
    })
    .await;
    assert_eq!(lb.get("/").await.status, 503);
}

/// Patience is a listener's, and changes with it on live connections.
#[tokio::test]
async fn attributes_say_how_long_connections_may_stand_still() {
    let target = Target::scripted(|mut conn, mut head| async move {
        loop {
            if head.contains("/never") {
                conn.until_closed().await;
                return None;
            }
            conn.answer(200, "ok").await?;
            head = conn.head().await?;
        }
    })
    .await;
    let lb = Lb::start(&[&target]).await;
    let mut idle = lb.connect().await;
    idle.send(&get("/")).await;
    assert_eq!(idle.reply().await.status, 200);
    let mut waiting = lb.connect().await;
    waiting.send(&get("/never")).await;
    lb.until_target(&target, |target| target.in_flight == 1)
        .await;
    lb.apply(|snapshot| snapshot.listeners[0].attributes.idle_timeout = Duration::from_secs(1))
        .await;
    assert!(idle.is_closed().await);
    assert_eq!(waiting.reply().await.status, 504);

    lb.apply(|snapshot| {
        snapshot.listeners[0].attributes = Default::default();
        snapshot.listeners[0].attributes.client_keep_alive = Duration::from_secs(1);
    })
    .await;
    let mut busy = lb.connect().await;
    // It ends after a response or between two, as its age comes.
    let served = async {
        let mut count = 0;
        loop {
            busy.send(&get("/")).await;
            match busy.try_reply(true).await {
                Some(reply) if !reply.says_close() => count += 1,
                _ => return count,
            }
        }
    };
    let served = tokio::time::timeout(crate::harness::PATIENCE, served).await;
    assert!(served.unwrap() > 0);
}
