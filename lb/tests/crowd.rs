//! How many connections one client may have open.

use std::net::Ipv4Addr;

use minicloud_lb_api::Snapshot;
use tokio::net::TcpSocket;

use crate::harness::{Client, Lb, Target, get, wait_for};

const REJECTED: &str =
    r#"minicloud_lb_connections_rejected_total{reason="max_connections_per_client"}"#;

/// A client at another address of this machine.
async fn connect_from(lb: &Lb, last: u8) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    let own = Ipv4Addr::new(127, 0, 0, last);
    socket.bind((own, 0).into()).unwrap();
    let balancer = (Ipv4Addr::LOCALHOST, lb.port).into();
    Client::over(socket.connect(balancer).await.unwrap())
}

/// Whether the connection is one that is served, which stays open.
async fn is_served(client: &mut Client) -> bool {
    // Into a connection that is closed already it cannot be written.
    let asked = client.try_send(&get("/")).await;
    asked
        && client
            .try_reply(true)
            .await
            .is_some_and(|reply| reply.status == 200)
}

fn limit(most: u32) -> impl FnOnce(&mut Snapshot) {
    move |snapshot| snapshot.listeners[0].attributes.max_connections_per_client = Some(most)
}

#[tokio::test]
async fn client_has_so_many_connections_over_all_workers() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    lb.apply(limit(3)).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = connect_from(&lb, 2).await;
        assert!(is_served(&mut client).await);
        open.push(client);
    }
    for refused in 1..=4 {
        assert!(!is_served(&mut connect_from(&lb, 2).await).await);
        assert_eq!(lb.metric(REJECTED), refused);
    }
    assert!(
        is_served(&mut connect_from(&lb, 3).await).await,
        "another client"
    );
    assert!(is_served(&mut open[0]).await, "those before go on");
    open.pop();
    wait_for("the place is free", || {
        lb.metric("minicloud_lb_connections") == 2
    })
    .await;
    assert!(is_served(&mut connect_from(&lb, 2).await).await);
}

#[tokio::test]
async fn proxies_are_not_limited() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    lb.apply(limit(1)).await;
    lb.apply(|snapshot| {
        snapshot.listeners[0].attributes.trusted_networks = vec!["127.0.0.2/32".parse().unwrap()];
    })
    .await;
    let mut open = Vec::new();
    for last in [2, 2, 2, 3] {
        let mut client = connect_from(&lb, last).await;
        assert!(is_served(&mut client).await);
        open.push(client);
    }
    assert!(!is_served(&mut connect_from(&lb, 3).await).await);
}

#[tokio::test]
async fn new_limit_closes_nothing_and_counts_what_is_open() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = connect_from(&lb, 2).await;
        assert!(is_served(&mut client).await);
        open.push(client);
    }
    lb.apply(limit(2)).await;
    for client in &mut open {
        assert!(is_served(client).await);
    }
    assert!(!is_served(&mut connect_from(&lb, 2).await).await);
    lb.apply(limit(4)).await;
    assert!(is_served(&mut connect_from(&lb, 2).await).await);
}
