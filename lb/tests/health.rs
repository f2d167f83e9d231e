//! Who is checked, who serves.

use std::time::Duration;

use minicloud_lb_api::{HealthCheckProtocol, HealthReason, TargetState};

use crate::harness::{Lb, Target, config, free_port, get, group, is_healthy, snapshot, wait_for};

#[tokio::test]
async fn unhealthy_target_serves_no_more_until_it_recovers() {
    let (a, b) = (Target::plain().await, Target::plain().await);
    let lb = Lb::start(&[&a, &b]).await;
    a.set_unhealthy(true);
    lb.until_target(&a, |target| {
        target.target_health.reason == Some(HealthReason::ResponseCodeMismatch)
    })
    .await;
    let before = a.requests();
    for _ in 0..6 {
        assert_eq!(lb.get("/").await.status, 200);
    }
    assert_eq!(a.requests(), before);
    assert_eq!(
        lb.metric(&format!(
            "minicloud_target_healthy{{group=\"web\",instance_id=\"{}\"}}",
            a.id()
        )),
        0
    );
    a.set_unhealthy(false);
    lb.until_target(&a, is_healthy).await;
    assert_eq!(
        lb.metric(&format!(
            "minicloud_target_healthy{{group=\"web\",instance_id=\"{}\"}}",
            a.id()
        )),
        1
    );
}

#[tokio::test]
async fn all_unhealthy_fails_open() {
    let (a, b) = (Target::plain().await, Target::plain().await);
    let lb = Lb::start(&[&a, &b]).await;
    for target in [&a, &b] {
        target.set_unhealthy(true);
        lb.until_target(target, |target| {
            target.target_health.state == TargetState::Unhealthy
        })
        .await;
    }
    for _ in 0..4 {
        assert_eq!(lb.get("/").await.status, 200);
    }
    assert_eq!(lb.metric(r#"minicloud_lb_fail_open_total{group="web"}"#), 4);
    assert!(a.requests() > 0 && b.requests() > 0);
    lb.until_idle().await;
}

#[tokio::test]
async fn new_target_serves_soon_after_its_port_opens() {
    let old = Target::plain().await;
    let lb = Lb::start(&[&old]).await;
    let address = ([127, 0, 0, 1], free_port()).into();
    let booting = minicloud_lb_api::Target {
        id: "booting".into(),
        address: std::net::SocketAddr::to_string(&address),
        availability_zone: Some("b".into()),
        draining: false,
        load: None,
    };
    // Its interval is an hour: only the fast checks can notice it.
    lb.apply(|snapshot| {
        snapshot.target_groups[0].health_check.interval = Duration::from_secs(3600);
        snapshot.target_groups[0].targets.push(booting);
    })
    .await;
    lb.until(|report| {
        let mut targets = report.targets.iter();
        targets
            .any(|target| target.target_health.reason == Some(HealthReason::InitialHealthChecking))
    })
    .await;
    assert_eq!(
        lb.get("/").await.text(),
        old.address.to_string(),
        "initial targets serve nothing"
    );
    let _booted = Target::scripted_at(address, |mut conn, _| async move {
        conn.answer(200, "new").await
    })
    .await;
    let report = lb
        .until(|report| report.targets.iter().all(is_healthy))
        .await;
    assert_eq!(report.targets.len(), 2);
}

#[tokio::test]
async fn frozen_target_fails_its_checks_by_time() {
    // A listener whose connections the kernel takes and nobody reads.
    let frozen = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = frozen.local_addr().unwrap().to_string();
    let registration = minicloud_lb_api::Target {
        id: "frozen".into(),
        address,
        availability_zone: None,
        draining: false,
        load: None,
    };
    let lb = Lb::start_snapshot(config(), |port| {
        let mut snapshot = snapshot(port, vec![registration.clone()]);
        snapshot.target_groups[0].health_check.timeout = Duration::from_millis(100);
        snapshot
    })
    .await;
    lb.until(|report| report.targets[0].target_health.reason == Some(HealthReason::Timeout))
        .await;
}

#[tokio::test]
async fn without_target_it_is_503() {
    let lb = Lb::start(&[]).await;
    let reply = lb.get("/").await;
    assert_eq!(
        (reply.status, reply.headers["retry-after"].as_str()),
        (503, "1")
    );
    assert_eq!(
        lb.metric(r#"minicloud_lb_no_healthy_target_total{group="web"}"#),
        1
    );
    let mut client = lb.connect().await;
    for _ in 0..2 {
        client.send(&get("/")).await;
        assert_eq!(client.reply().await.status, 503, "the connection is kept");
    }
    lb.until_idle().await;
}

#[tokio::test]
async fn only_initial_targets_is_503() {
    let closed = minicloud_lb_api::Target {
        id: "closed".into(),
        address: format!("127.0.0.1:{}", free_port()),
        availability_zone: None,
        draining: false,
        load: None,
    };
    let lb = Lb::start_snapshot(config(), |port| {
        let mut snapshot = snapshot(port, vec![closed.clone()]);
        snapshot.target_groups[0].health_check.interval = Duration::from_secs(3600);
        snapshot
    })
    .await;
    assert_eq!(lb.get("/").await.status, 503);
}

#[tokio::test]
async fn unused_group_is_not_checked_until_it_is_used() {
    let (used, spare) = (Target::plain().await, Target::plain().await);
    let lb = Lb::start(&[&used]).await;
    lb.apply(|snapshot| {
        snapshot
            .target_groups
            .push(group("spare", vec![spare.registration()]))
    })
    .await;
    lb.until_target(&spare, |target| {
        target.target_health.reason == Some(HealthReason::NotInUse)
    })
    .await;
    let before = used.checks();
    wait_for("others are checked meanwhile", || {
        used.checks() > before + 3
    })
    .await;
    assert_eq!(spare.checks(), 0);
    lb.apply(|snapshot| {
        snapshot.listeners[0].default_action = minicloud_lb_api::Action::forward("spare")
    })
    .await;
    lb.until_target(&spare, is_healthy).await;
    lb.until_target(&used, |target| {
        target.target_health.state == TargetState::Unused
    })
    .await;
    assert_eq!(lb.get("/").await.text(), spare.address.to_string());
}

#[tokio::test]
async fn restarted_balancer_answers_its_first_request() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    lb.lb.shutdown().await;
    for _ in 0..10 {
        let lb =
            Lb::start_snapshot(config(), |port| snapshot(port, vec![target.registration()])).await;
        assert_eq!(lb.get("/").await.status, 200);
        lb.lb.shutdown().await;
    }
}

/// Serves one target whose checks are of TCP, and take up to `limit`.
async fn tcp_checked(address: std::net::SocketAddr, limit: Duration) -> Lb {
    let registration = minicloud_lb_api::Target {
        id: "raw".into(),
        address: address.to_string(),
        availability_zone: None,
        draining: false,
        load: None,
    };
    Lb::start_snapshot(config(), |port| {
        let mut snapshot = snapshot(port, vec![registration.clone()]);
        let check = &mut snapshot.target_groups[0].health_check;
        check.protocol = HealthCheckProtocol::Tcp;
        check.timeout = limit;
        snapshot
    })
    .await
}

#[tokio::test]
async fn tcp_check_wants_a_connection_and_no_more() {
    // A listener whose connections the kernel takes and nobody reads.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let lb = tcp_checked(address, Duration::from_secs(10)).await;
    lb.until(|report| report.targets.iter().all(is_healthy))
        .await;
    drop(silent);
    let report = lb
        .until(|report| report.targets[0].target_health.state == TargetState::Unhealthy)
        .await;
    let health = &report.targets[0].target_health;
    assert_eq!(
        (health.reason, health.description.as_deref()),
        (
            Some(HealthReason::FailedHealthChecks),
            Some("Health checks failed")
        )
    );
}

#[tokio::test]
async fn tcp_check_times_out_where_nothing_is_accepted() {
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    full.bind(&any.into()).unwrap();
    full.listen(1).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    // The kernel takes a few, then is silent.
    let wait = Duration::from_millis(200);
    let fill = || std::net::TcpStream::connect_timeout(&address, wait);
    let _held: Vec<_> = std::iter::from_fn(|| fill().ok()).collect();
    let lb = tcp_checked(address, Duration::from_millis(100)).await;
    let report = lb
        .until(|report| report.targets[0].target_health.state == TargetState::Unhealthy)
        .await;
    let health = &report.targets[0].target_health;
    assert_eq!(
        (health.reason, health.description.as_deref()),
        (Some(HealthReason::Timeout), Some("Request timed out"))
    );
}

#[tokio::test]
async fn protocol_of_checks_changes_while_they_run() {
    let target = Target::plain().await;
    let lb = Lb::start(&[&target]).await;
    target.set_unhealthy(true);
    lb.until_target(&target, |target| {
        target.target_health.reason == Some(HealthReason::ResponseCodeMismatch)
    })
    .await;
    let change = |protocol| {
        lb.apply(move |snapshot| snapshot.target_groups[0].health_check.protocol = protocol)
    };
    change(HealthCheckProtocol::Tcp).await;
    lb.until_target(&target, is_healthy).await;
    change(HealthCheckProtocol::Http).await;
    lb.until_target(&target, |target| !is_healthy(target)).await;
}

#[tokio::test]
async fn own_zone_serves_while_it_can() {
    let (far, near) = (Target::plain().await, Target::plain().await);
    let config = minicloud_lb::Config {
        availability_zone: Some("b".into()),
        ..config()
    };
    let lb = Lb::start_with(config, &[&far, &near]).await;
    lb.apply(|snapshot| {
        let group = &mut snapshot.target_groups[0];
        for (target, zone) in group.targets.iter_mut().zip(["a", "b"]) {
            target.availability_zone = Some(zone.into());
        }
        group.attributes.cross_zone = false;
    })
    .await;
    for _ in 0..6 {
        assert_eq!(lb.get("/").await.text(), near.address.to_string());
    }
    near.set_unhealthy(true);
    lb.until_target(&near, |target| !is_healthy(target)).await;
    assert_eq!(lb.get("/").await.text(), far.address.to_string());
    near.set_unhealthy(false);
    lb.until_target(&near, is_healthy).await;
    lb.apply(|snapshot| snapshot.target_groups[0].attributes.cross_zone = true)
        .await;
    for target in [&far, &near] {
        let before = target.requests();
        for _ in 0..2 {
            assert_eq!(lb.get("/").await.status, 200);
        }
        assert_eq!(target.requests(), before + 1, "each has its turn");
    }
}
