//! Who may reach a listener, over sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use minicloud_lb_api::{IpPermission, Snapshot};
use tokio::{io::AsyncReadExt, net::TcpSocket, time::timeout};

use crate::harness::{Client, Lb, PATIENCE, Target, config, get, snapshot, wait_for};

const REFUSED: &str = "minicloud_lb_connections_refused_by_security_group_total";

/// A client of this machine at `own` that connects to `to`.
async fn connect(lb: &Lb, own: IpAddr, to: IpAddr) -> Client {
    let socket = match to {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    }
    .unwrap();
    socket.bind(SocketAddr::new(own, 0)).unwrap();
    let stream = socket.connect(SocketAddr::new(to, lb.port)).await;
    Client::over(stream.unwrap())
}

async fn connect_from(lb: &Lb, last: u8) -> Client {
    let own = Ipv4Addr::new(127, 0, 0, last).into();
    connect(lb, own, Ipv4Addr::LOCALHOST.into()).await
}

async fn is_served(client: &mut Client) -> bool {
    let asked = client.try_send(&get("/")).await;
    asked
        && client
            .try_reply(true)
            .await
            .is_some_and(|reply| reply.status == 200)
}

/// Opens the listener to these networks, all of them on its own port.
fn open_to(networks: &[&str]) -> impl FnOnce(&mut Snapshot) {
    let ip_ranges: Vec<_> = networks.iter().map(|it| it.parse().unwrap()).collect();
    move |snapshot| {
        let listener = &mut snapshot.listeners[0];
        listener.attributes.ip_permissions = Some(vec![IpPermission {
            from_port: listener.port,
            to_port: listener.port,
            ip_ranges,
        }]);
    }
}

#[tokio::test]
async fn only_admitted_sources_are_served() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    assert!(is_served(&mut connect_from(&lb, 2).await).await, "no group");
    lb.apply(open_to(&["127.0.0.2/31", "::1/128"])).await;
    for (last, expected) in [(1, false), (2, true), (3, true), (4, false)] {
        let mut client = connect_from(&lb, last).await;
        assert_eq!(is_served(&mut client).await, expected, "127.0.0.{last}");
    }
    assert_eq!(lb.metric(REFUSED), 2);
    assert_eq!(
        lb.metric(r#"minicloud_lb_connections_rejected_total{reason="max_connections"}"#),
        0
    );
}

#[tokio::test]
async fn refused_connection_is_closed_before_a_byte_is_read() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    lb.apply(open_to(&["10.0.0.0/8"])).await;
    let socket = TcpSocket::new_v4().unwrap();
    let address = (Ipv4Addr::LOCALHOST, lb.port).into();
    let mut stream = socket.connect(address).await.unwrap();
    // Nothing is sent: who waited for a head would wait for long.
    let mut answer = Vec::new();
    let closed = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert_eq!(closed.expect("it is closed at once").unwrap_or(0), 0);
    wait_for("no place is taken", || {
        lb.metric("minicloud_lb_connections") == 0 && lb.metric(REFUSED) == 1
    })
    .await;
}

#[tokio::test]
async fn ports_that_a_rule_does_not_cover_are_shut() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    lb.apply(|snapshot| {
        let listener = &mut snapshot.listeners[0];
        listener.attributes.ip_permissions = Some(vec![IpPermission {
            from_port: listener.port.saturating_add(1),
            to_port: u16::MAX,
            ip_ranges: vec!["0.0.0.0/0".parse().unwrap()],
        }]);
    })
    .await;
    assert!(!is_served(&mut connect_from(&lb, 2).await).await);
}

#[tokio::test]
async fn change_concerns_new_connections_only() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    let mut before = connect_from(&lb, 2).await;
    assert!(is_served(&mut before).await);
    lb.apply(open_to(&[])).await;
    assert!(!is_served(&mut connect_from(&lb, 2).await).await);
    assert!(is_served(&mut before).await, "it goes on");
    lb.apply(open_to(&["127.0.0.2/32"])).await;
    assert!(is_served(&mut connect_from(&lb, 2).await).await);
    lb.apply(|snapshot| snapshot.listeners[0].attributes.ip_permissions = None)
        .await;
    assert!(is_served(&mut connect_from(&lb, 4).await).await);
}

#[tokio::test]
async fn both_families_and_addresses_mapped_from_one_to_the_other() {
    let target = Target::plain().await;
    let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    if std::net::TcpListener::bind((v6, 0)).is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let mut config = config();
    config.bind = vec![v4.into(), v6.into()];
    let registered = vec![target.registration()];
    let lb = Lb::start_snapshot(config, |port| snapshot(port, registered.clone())).await;
    lb.until_target(&target, crate::harness::is_healthy).await;
    let mapped: IpAddr = v4.to_ipv6_mapped().into();
    for (networks, of_v4, of_v6) in [
        (&["0.0.0.0/0"][..], true, false),
        (&["::/0"], false, true),
        (&["127.0.0.0/8", "::1/128"], true, true),
        (&["fd00::/8", "10.0.0.0/8"], false, false),
    ] {
        lb.apply(open_to(networks)).await;
        for (own, to, expected) in [
            (v4.into(), v4.into(), of_v4),
            (v6.into(), v6.into(), of_v6),
            // An IPv6 socket's way to an IPv4 listener.
            (mapped, mapped, of_v4),
        ] {
            let mut client = connect(&lb, own, to).await;
            assert_eq!(is_served(&mut client).await, expected, "{networks:?} {own}");
        }
    }
}
