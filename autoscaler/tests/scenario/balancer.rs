//! What the balancer sees and the autoscaler acts on, and the other way round.

use std::{collections::BTreeSet, time::Duration};

use minicloud_autoscaler::describe::{ConditionKind, HealthStatus};
use minicloud_lb_api::{Condition, Target};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn anomalous_instance_serves_until_its_replacement_does() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    let failing = cloud.in_service()[0].clone();
    cloud.weather(|weather| weather.anomalous.insert(failing.clone()));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(cloud.group().instances.len(), 1, "not condemned yet");
    cloud
        .until("a second one is launched", SOON, |cloud| {
            assert!(cloud.in_service().contains(&failing), "nobody serves");
            cloud.group().instances.len() == 2
        })
        .await;
    let instances = cloud.group().instances;
    let old = instances.iter().find(|i| i.instance_id == failing).unwrap();
    assert_eq!(old.health_status, HealthStatus::Unhealthy);
    // Requests are kept from it, so it seems well: the replacement goes on.
    cloud.weather(|weather| weather.anomalous.clear());
    cloud
        .until("a replacement", SOON, |cloud| {
            assert!(!cloud.in_service().is_empty(), "nobody serves");
            cloud.in_service().iter().any(|id| *id != failing)
        })
        .await;
    cloud.until_in_service(1, SOON).await;
    assert_ne!(cloud.in_service(), [failing]);
    assert_eq!(cloud.provider.launched().len(), 2);
    let causes: Vec<_> = cloud
        .group()
        .activities
        .iter()
        .map(|a| a.cause.clone())
        .collect();
    assert!(
        causes
            .iter()
            .any(|cause| cause.contains("ELB system health check failure: anomaly")),
        "{causes:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn anomaly_that_passes_replaces_nothing() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    let only = cloud.in_service();
    for _ in 0..10 {
        cloud.weather(|weather| weather.anomalous.extend(only.clone()));
        tokio::time::sleep(Duration::from_secs(8)).await;
        cloud.weather(|weather| weather.anomalous.clear());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(
        (cloud.in_service(), cloud.provider.launched().len()),
        (only, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_request_wakes_a_group_of_none() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.scale(0, 2, 0).await.unwrap();
    cloud.until_in_service(0, SOON).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(cloud.provider.launched().len(), 1, "nothing waits");

    cloud.weather(|weather| weather.queue_length = 3);
    let woken = cloud
        .until("one in service", SOON, |cloud| {
            cloud.in_service().len() == 1
        })
        .await;
    assert!(woken <= Duration::from_secs(5), "{woken:?}");
    let cause = cloud.group().activities[0].cause.clone();
    assert!(
        cause.contains("3 requests wait in the queue of target group web, changing the desired capacity from 0 to 1"),
        "{cause}"
    );
    let queue = cloud.view().target_groups[0].queue.unwrap();
    assert_eq!((queue.length, queue.wait_seconds), (3, 1.5));

    // More than one is for the policies to want.
    tokio::time::sleep(Duration::from_secs(60)).await;
    cloud.weather(|weather| weather.queue_length = 0);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cloud.group().desired_capacity, 1, "no policy goes to zero");
}

#[tokio::test(start_paused = true)]
async fn group_of_none_stays_where_it_may_have_none() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.scale(0, 0, 0).await.unwrap();
    cloud.until_in_service(0, SOON).await;
    cloud.weather(|weather| weather.queue_length = 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.group().instances, []);
}

#[tokio::test(start_paused = true)]
async fn served_target_group_wakes_no_other_group() {
    let group = "  old: { launch_template: web, min_size: 0, max_size: 2, target_groups: [web] }\n";
    let config = CONFIG.replace("target_groups:\n", &format!("{group}target_groups:\n"));
    let cloud = Cloud::with_config(&config).await;
    cloud.until_in_service(1, SOON).await;
    cloud.weather(|weather| weather.queue_length = 5);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let view = cloud.view();
    let old = view
        .auto_scaling_groups
        .iter()
        .find(|g| g.auto_scaling_group_name == "old");
    // The group that serves it grows instead.
    assert_eq!(old.unwrap().desired_capacity, 0);
    assert_eq!(old.unwrap().instances, []);
}

#[tokio::test(start_paused = true)]
async fn loads_reach_the_balancer_now_and_then() {
    let algorithm = "target_groups:\n  web: { load_balancing_algorithm_type: cpu_headroom, ";
    let cloud = Cloud::with_config(&CONFIG.replace("target_groups:\n  web: { ", algorithm)).await;
    cloud.until_in_service(1, SOON).await;
    let busy = cloud.in_service()[0].clone();
    cloud.weather(|weather| weather.cpu.insert(busy, 42.0));
    tokio::time::sleep(Duration::from_secs(15)).await;
    let mut versions = BTreeSet::new();
    let mut samples = BTreeSet::new();
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let snapshot = cloud.snapshot();
        let [
            Target {
                load: Some(load), ..
            },
        ] = &*snapshot.target_groups[0].targets
        else {
            panic!("{snapshot:#?}");
        };
        assert_eq!(load.cpu_utilization_percent, 42);
        versions.insert(snapshot.version);
        samples.insert(load.sample);
    }
    assert!((6..=7).contains(&versions.len()), "{versions:?} in 30 s");
    assert_eq!(samples.len(), versions.len());

    cloud.weather(|weather| weather.agent_silent = true);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(cloud.snapshot().target_groups[0].targets[0].load, None);
}

#[tokio::test(start_paused = true)]
async fn loads_are_told_to_those_who_ask() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let before = cloud.snapshot();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.snapshot(), before);
}

#[tokio::test(start_paused = true)]
async fn bad_rule_changes_nothing_while_it_lasts() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let rule = |path: &str| {
        let rules = format!(
            "rules: [ {{ priority: 1, conditions: [ path_pattern: {path} ], action: {{ forward: web }} }} ]"
        );
        CONFIG.replace(
            "port: 8080, default",
            &format!("port: 8080, {rules}, default"),
        )
    };
    std::fs::write(cloud.config(), rule("/a")).unwrap();
    cloud
        .until("the rule is in force", SOON, |cloud| {
            !cloud.snapshot().listeners[0].rules.is_empty()
        })
        .await;
    let good = cloud.snapshot();

    std::fs::write(cloud.config(), rule("{ regex_values: \"(\" }")).unwrap();
    cloud
        .until("the file is refused", SOON, |cloud| {
            cloud.condition(ConditionKind::ConfigInvalid).is_some()
        })
        .await;
    let message = cloud.condition(ConditionKind::ConfigInvalid).unwrap();
    assert!(
        message.contains("regex_values: not a regular expression"),
        "{message}"
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.snapshot(), good);

    std::fs::write(cloud.config(), rule("/longer")).unwrap();
    cloud
        .until("the mended file is in force", SOON, |cloud| {
            cloud.condition(ConditionKind::ConfigInvalid).is_none()
        })
        .await;
    let rules = cloud.snapshot().listeners[0].rules.clone();
    let Condition::PathPattern(patterns) = &rules[0].conditions[0] else {
        panic!("{rules:#?}");
    };
    assert_eq!(patterns.values, ["/longer"]);
    assert_eq!(cloud.provider.launched().len(), 1);
}
