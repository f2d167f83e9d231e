//! The balancer alone: a file, no autoscaler anywhere.

use std::{net::SocketAddr, time::Duration};

use rustix::process::Signal;

use crate::support::{
    child::Minicloud, free_port, http, machine::Machine, traffic::Traffic, wait::until, write,
};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn balancer_serves_a_files_targets() {
    let _machine = Machine::shared().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let targets = [free_port(), free_port()];
    let mut apps: Vec<Minicloud> = targets.iter().map(|port| app(*port, &dir)).collect();
    let config = dir.path().join("lb.yaml");
    write(
        &config,
        &format!(
            "version: 1\ntarget_groups:\n  web: {{ targets: [\"127.0.0.1:{}\", \"127.0.0.1:{}\"], health_check: {{ path: /health }} }}\nload_balancers:\n  lb: {{ listeners: [ {{ port: {port}, default_action: {{ forward: web }} }} ] }}\n",
            targets[0], targets[1]
        ),
    );
    let admin = format!("127.0.0.1:{admin}");
    let arguments = [
        "lb",
        "--config",
        config.to_str().unwrap(),
        "--threads",
        "2",
        "--admin",
        &admin,
    ];
    let mut lb = Minicloud::spawn(&arguments, &dir.path().join("lb.log"));
    let (address, admin): (SocketAddr, SocketAddr) = (
        SocketAddr::from(([127, 0, 0, 1], port)),
        admin.parse().unwrap(),
    );

    until("both healthy", SOON, || async {
        let answer = http::get(admin, "/v1/target-groups/web/targets").await?;
        if answer.text().matches("\"healthy\"").count() == 2 {
            Ok(())
        } else {
            Err(answer.text())
        }
    })
    .await;
    let traffic = Traffic::start(address, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let tally = traffic.stop().await;
    tally.assert_none_failed();
    let metrics = http::get(admin, "/metrics").await.unwrap().text();
    assert!(metrics.contains("minicloud_lb_requests_total"), "{metrics}");

    // One of two targets dies: it is noticed, and a GET never fails.
    apps[0].kill().await;
    for _ in 0..50 {
        let answer = http::get(address, "/").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    until("one unhealthy", SOON, || async {
        let answer = http::get(admin, "/v1/target-groups/web/targets").await?;
        if answer.text().contains("\"unhealthy\"") {
            Ok(())
        } else {
            Err(answer.text())
        }
    })
    .await;
    lb.signal(Signal::TERM);
    assert!(lb.exited(SOON).await.success(), "{}", lb.log());
}

fn app(port: u16, dir: &tempfile::TempDir) -> Minicloud {
    let log = dir.path().join(format!("app-{port}.log"));
    // The app is told by its environment; `env` keeps the harness free of a special case.
    Minicloud::spawn_with(
        &["sample-app"],
        &[
            ("PORT", &port.to_string()),
            ("BIND", "127.0.0.1"),
            ("MINICLOUD_INSTANCE_ID", &format!("i-{port:08x}")),
        ],
        &log,
    )
}
