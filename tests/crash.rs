//! `kill -9` of each part, at each step: no orphan, no double, and the client never notices.

use std::{os::unix::process::ExitStatusExt, time::Duration};

use rustix::process::Signal;

use crate::support::{http, roles::Roles, traffic::Traffic, wait::until};

const SOON: Duration = Duration::from_secs(60);

/// Crashes the autoscaler at `step` while it takes the group from `from` to `to` instances.
async fn crash_at(step: &str, from: u32, to: u32) {
    let mut roles = Roles::start().await;
    let (code, _, error) = roles
        .api
        .run(&[
            "scale",
            "web",
            "--min",
            "1",
            "--max",
            "2",
            "--desired",
            &from.to_string(),
        ])
        .await;
    assert_eq!(code, 0, "{error}");
    roles.api.until_settled(from as usize, SOON).await;
    let mut old = roles.autoscaler.take().unwrap();
    old.kill().await;
    roles.start_autoscaler(&["--crash-at", step]);
    roles.api.until_settled(from as usize, SOON).await;
    let traffic = Traffic::start(roles.address(), 200);

    let body = format!("{{\"desired_capacity\": {to}}}");
    // The crash may come before the answer does.
    let _ = http::send(roles.api.0, hyper::Method::PATCH, "/v1/groups/web", &body).await;
    let status = roles.autoscaler.as_mut().unwrap().exited(SOON).await;
    assert_eq!(
        status.signal(),
        Some(9),
        "{step}:\n{}",
        roles.autoscaler.as_ref().unwrap().log()
    );
    let crashed_with = roles.running();
    assert!(
        !crashed_with.is_empty() && crashed_with.len() <= 2,
        "{step}: {crashed_with:?}"
    );

    roles.start_autoscaler(&[]);
    let settled = roles.api.until_settled(to as usize, SOON).await;
    let mut expected = settled.clone();
    expected.sort();
    assert_eq!(
        roles.running(),
        expected,
        "{step}: what runs is what is in service"
    );
    // Every instance ever launched is in the history: one for each that was asked for.
    let launches = launches(&roles).await;
    assert_eq!(launches, from.max(to) as usize, "{step}");
    traffic.stop().await.assert_none_failed();
    roles.stop().await;
}

async fn launches(roles: &Roles) -> usize {
    let answer = roles.api.get("/v1/groups/web/activities").await.unwrap();
    let activities = answer["activities"].as_array().unwrap();
    activities
        .iter()
        .filter(|activity| {
            activity["description"]
                .as_str()
                .unwrap()
                .starts_with("Launching")
        })
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscaler_killed_in_a_scale_out_finishes_it() {
    for step in ["launch-recorded", "launched", "in-service-recorded"] {
        crash_at(step, 1, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscaler_killed_in_a_drain_finishes_it() {
    for step in [
        "deregistration-recorded",
        "deregistration-published",
        "drained",
        "terminated",
    ] {
        crash_at(step, 2, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn balancer_serves_from_its_own_snapshot_while_the_autoscaler_is_away() {
    let mut roles = Roles::start().await;
    roles.until_serving().await;
    roles.autoscaler.as_mut().unwrap().kill().await;
    roles.lb.as_mut().unwrap().kill().await;
    roles.start_lb();
    roles.until_serving().await;
    let traffic = Traffic::start(roles.address(), 200);
    tokio::time::sleep(Duration::from_secs(3)).await;
    roles.start_autoscaler(&[]);
    roles.api.until_settled(1, SOON).await;
    traffic.stop().await.assert_none_failed();
    assert_eq!(launches(&roles).await, 1);
    roles.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscaler_and_agent_killed_under_load_cost_no_request() {
    let mut roles = Roles::start().await;
    roles.until_serving().await;
    let before = roles.running();
    let traffic = Traffic::start(roles.address(), 200);
    for _ in 0..3 {
        roles.autoscaler.as_mut().unwrap().kill().await;
        roles.agent.as_mut().unwrap().kill().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        roles.start_agent();
        roles.start_autoscaler(&[]);
        roles.api.until_settled(1, SOON).await;
    }
    traffic.stop().await.assert_none_failed();
    assert_eq!(roles.running(), before, "killed or doubled");
    roles.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_agent_shows_and_nothing_scales_in() {
    let roles = Roles::start().await;
    roles
        .api
        .run(&["scale", "web", "--min", "1", "--max", "2", "--desired", "2"])
        .await;
    roles.api.until_settled(2, SOON).await;
    roles.agent.as_ref().unwrap().signal(Signal::STOP);
    until("a condition", SOON, || async {
        let group = roles.api.get("/v1/groups/web").await?;
        let kinds = group["conditions"]
            .as_array()
            .ok_or("none")?
            .iter()
            .map(|condition| condition["type"].clone());
        if kinds.into_iter().any(|kind| kind == "MetricsStale") {
            Ok(())
        } else {
            Err(group["conditions"].to_string())
        }
    })
    .await;
    let (_, status, _) = roles.api.run(&["status"]).await;
    assert!(status.contains("agent"), "{status}");
    assert_eq!(roles.api.instances("InService").await.unwrap().len(), 2);
    roles.agent.as_ref().unwrap().signal(Signal::CONT);
    until("no condition", SOON, || async {
        let group = roles.api.get("/v1/groups/web").await?;
        if group["conditions"] == serde_json::json!([]) {
            Ok(())
        } else {
            Err(group["conditions"].to_string())
        }
    })
    .await;
    roles.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_minicloud_wakes_without_flapping() {
    let roles = Roles::start().await;
    roles
        .api
        .run(&["scale", "web", "--min", "1", "--max", "2", "--desired", "2"])
        .await;
    roles.api.until_settled(2, SOON).await;
    let before = roles.running();
    let parts = [&roles.autoscaler, &roles.lb, &roles.agent].map(|role| role.as_ref().unwrap());
    parts.iter().for_each(|role| role.signal(Signal::STOP));
    tokio::time::sleep(Duration::from_secs(60)).await;
    parts.iter().for_each(|role| role.signal(Signal::CONT));
    roles.until_serving().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(roles.api.until_settled(2, SOON).await.len(), 2);
    assert_eq!(roles.running(), before);
    roles.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_instance_is_replaced() {
    let roles = Roles::start().await;
    roles
        .api
        .run(&["scale", "web", "--min", "2", "--max", "2", "--desired", "2"])
        .await;
    roles.api.until_settled(2, SOON).await;
    let traffic = Traffic::start(roles.address(), 200);
    let victim = roles.running().remove(0);
    for (pid, id) in crate::support::child::marked_processes(&roles.state_dir()) {
        if id == victim {
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            rustix::process::kill_process(pid, Signal::KILL).unwrap();
        }
    }
    until("a replacement", SOON, || async {
        let in_service = roles.api.instances("InService").await?;
        if in_service.len() == 2 && !in_service.contains(&victim) {
            Ok(())
        } else {
            Err(format!("{in_service:?}"))
        }
    })
    .await;
    traffic.stop().await.assert_only_posts_in_flight_failed();
    roles.stop().await;
}
