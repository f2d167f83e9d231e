//! `minicloud up` with nothing but this binary: instances are child processes.

use std::time::Duration;

use crate::{
    story::{self, Stress},
    support::{exposition, http, machine::Machine, up::Up, wait::until},
};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn group_grows_under_stress_and_shrinks_after_it() {
    let up = Up::start_on(Machine::alone().await);
    story::tell(up.api, up.address, Stress::Demo).await;
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_by_hand_goes_to_zero_and_back() {
    let up = Up::start().await;
    story::tell_capacity_by_hand(up.api, up.address).await;
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_names_itself_and_the_parts_show_metrics() {
    let up = Up::start().await;
    let id = up.api.until_settled(1, SOON).await.remove(0);
    let answer = http::get(up.address, "/").await.unwrap();
    assert!(answer.text().contains(&id), "{}", answer.text());
    let names = [
        "minicloud_group_in_service_instances",
        "minicloud_lb_requests_total",
        "container_cpu_usage_seconds_total",
        "node_memory_MemTotal_bytes",
    ];
    until("metrics of every part", SOON, || async {
        let metrics = http::get(up.api.0, "/metrics").await?.text();
        match names.iter().find(|name| !metrics.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(format!("{name} is missing in\n{metrics}")),
        }
    })
    .await;
    let text = http::get(up.api.0, "/metrics").await.unwrap().text();
    exposition::check(&text);
    let found = up.api.get("/v1/prometheus/sd").await.unwrap();
    let labels = &found[0]["labels"];
    assert_eq!(labels["__meta_minicloud_instance_id"], *id, "{found}");
    assert_eq!(labels["__meta_minicloud_lifecycle_state"], "InService");
    let target = found[0]["targets"][0].as_str().unwrap();
    let answer = http::get(target.parse().unwrap(), "/").await.unwrap();
    assert!(answer.text().contains(&id), "{}", answer.text());
    let decision = until("a decision", SOON, || up.api.get("/v1/groups/web/decision")).await;
    assert!(
        decision["reason"].is_string() && decision["inputs"]["target_value"] == 80.0,
        "{decision}"
    );
    up.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unhealthy_instance_is_replaced() {
    let up = Up::start().await;
    let sick = up.api.until_settled(1, SOON).await.remove(0);
    let answer = http::send(up.address, hyper::Method::POST, "/health/fail", "")
        .await
        .unwrap();
    assert!(answer.status.is_success(), "{}", answer.text());
    // 30 s of grace, two failed checks, a launch and a drain.
    until("a replacement", Duration::from_secs(120), || async {
        let in_service = up.api.instances("InService").await?;
        if in_service.iter().any(|id| *id != sick) {
            Ok(())
        } else {
            Err(format!("{in_service:?}"))
        }
    })
    .await;
    let left = up.api.until_settled(1, SOON).await;
    assert_ne!(left, [sick]);
    up.interrupt().await;
}
