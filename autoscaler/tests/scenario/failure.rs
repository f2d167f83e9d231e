use std::time::Duration;

use minicloud_autoscaler::{
    describe::{ActivityStatus, ConditionKind},
    provider::fake::LaunchFault,
};

use super::cloud::Cloud;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn lost_instances_are_replaced() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let first = cloud.in_service()[0].clone();
    cloud.provider.exit(&first, "exit code 137");
    cloud
        .until("another one", SOON, |cloud| {
            cloud.in_service().iter().any(|id| *id != first)
        })
        .await;
    let second = cloud.in_service()[0].clone();
    cloud.provider.vanish(&second);
    cloud
        .until("a third", SOON, |cloud| {
            cloud.in_service().iter().any(|id| *id != second)
        })
        .await;
    cloud.until_in_service(1, SOON).await;
    assert_eq!(cloud.running().await.len(), 1);
    let causes: Vec<String> = cloud
        .group()
        .activities
        .iter()
        .map(|activity| activity.cause.clone())
        .collect();
    assert!(
        causes.iter().any(|cause| cause.contains("exit code 137")),
        "{causes:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn restarted_instance_is_the_same_instance() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let before = cloud.in_service();
    for _ in 0..5 {
        cloud.provider.exit(&before[0], "exit code 0");
        tokio::time::sleep(Duration::from_millis(1200)).await;
        cloud.provider.restart(&before[0]);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(cloud.in_service(), before);
    }
    assert_eq!(cloud.provider.launched().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unhealthy_instance_serves_until_its_replacement_does() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let sick = cloud.in_service()[0].clone();
    cloud.weather(|weather| weather.unhealthy.insert(sick.clone()));
    // Within the grace period nothing happens.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(cloud.in_service(), std::slice::from_ref(&sick));
    tokio::time::sleep(Duration::from_secs(12)).await;
    cloud
        .until("a replacement", SOON, |cloud| {
            assert!(!cloud.in_service().is_empty(), "nobody serves");
            cloud.in_service().iter().any(|id| *id != sick)
        })
        .await;
    cloud.until_in_service(1, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn unhealthy_instance_makes_room_where_max_size_leaves_none() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.scale(1, 1, 1).await.unwrap();
    let sick = cloud.in_service()[0].clone();
    cloud.weather(|weather| weather.unhealthy.insert(sick.clone()));
    cloud
        .until("a replacement", Duration::from_secs(60), |cloud| {
            assert!(
                cloud
                    .group()
                    .instances
                    .iter()
                    .filter(|i| i.lifecycle_state.as_str() != "Terminating")
                    .count()
                    <= 1
            );
            cloud.in_service().iter().any(|id| *id != sick)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn bad_image_backs_off_and_spares_what_serves() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let serving = cloud.in_service();
    let before = cloud.provider.calls().launch;
    cloud.provider.fail_launches(1000, LaunchFault::Template);
    cloud.scale(2, 2, 2).await.unwrap();
    tokio::time::sleep(Duration::from_secs(300)).await;
    let tried = cloud.provider.calls().launch - before;
    assert_eq!(tried, 5, "1, 2, 4, 8 s apart, then suspended");
    assert_eq!(cloud.in_service(), serving);
    let condition = cloud.condition(ConditionKind::LaunchSuspended).unwrap();
    assert!(condition.contains("not on this engine"), "{condition}");
    let failed = cloud
        .group()
        .activities
        .iter()
        .filter(|a| a.status_code == ActivityStatus::Failed)
        .count();
    assert_eq!(failed, 5);

    cloud.provider.clear_launch_faults();
    // Whoever repaired it says so by asking again.
    cloud.scale(2, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    assert_eq!(cloud.condition(ConditionKind::LaunchSuspended), None);
}

#[tokio::test(start_paused = true)]
async fn image_that_falls_over_in_service_does_not_loop() {
    let cloud = Cloud::start().await;
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for id in cloud.in_service() {
            cloud.provider.exit(&id, "exit code 1");
        }
    }
    let launched = cloud.provider.launched().len();
    assert!((5..=7).contains(&launched), "{launched} launches in 10 min");
    assert!(cloud.condition(ConditionKind::LaunchSuspended).is_some());
    // Mended: the next try stays, and the group is as good as new.
    cloud.until_in_service(1, Duration::from_secs(700)).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(cloud.condition(ConditionKind::LaunchSuspended), None);
    assert_eq!(cloud.condition(ConditionKind::LaunchFailing), None);
}

#[tokio::test(start_paused = true)]
async fn instance_that_never_passes_is_a_failed_launch() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.weather(|weather| weather.never_healthy = true);
    cloud.scale(2, 2, 2).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(cloud.in_service().len(), 1);
    assert!(
        cloud.provider.calls().launch <= 7,
        "{:?}",
        cloud.provider.calls()
    );
    assert!(cloud.running().await.len() <= 2);
    cloud.weather(|weather| weather.never_healthy = false);
    cloud.scale(2, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn engine_away_changes_nothing_and_is_noticed() {
    let cloud = Cloud::start().await;
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    let before = cloud.provider.calls();
    cloud.provider.unreachable_for(Duration::from_secs(600));
    tokio::time::sleep(Duration::from_secs(500)).await;
    let condition = cloud.condition(ConditionKind::ProviderUnavailable).unwrap();
    assert!(condition.contains("unreachable"), "{condition}");
    assert_eq!(
        cloud.in_service().len(),
        2,
        "idle for long, and still nothing scaled in"
    );
    let asked = cloud.provider.calls().list - before.list;
    // The fake agent asks as well, once a second.
    assert!(asked < 500 + 100, "{asked} lists in 500 s");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(cloud.condition(ConditionKind::ProviderUnavailable), None);
    assert_eq!(cloud.provider.launched().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn slow_engine_is_waited_for() {
    let cloud = Cloud::start().await;
    cloud.provider.set_latency(Duration::from_secs(4));
    cloud.until_in_service(1, Duration::from_secs(60)).await;
    assert_eq!(cloud.provider.launched().len(), 1);
}

/// With one event taken in a pass, an ended call could wait for many slow passes.
#[tokio::test(start_paused = true)]
async fn slow_engine_starves_no_event() {
    let cloud = Cloud::start().await;
    cloud.provider.set_latency(Duration::from_millis(800));
    for _ in 0..30 {
        cloud.scale(0, 2, 2).await.unwrap();
        cloud.until_in_service(2, SOON).await;
        cloud.scale(0, 2, 0).await.unwrap();
        cloud.until_in_service(0, SOON).await;
    }
}

#[tokio::test(start_paused = true)]
async fn silent_agent_holds_the_group_and_shows() {
    for load in [1.0, 99.0] {
        let cloud = Cloud::start().await;
        cloud.scale(1, 2, 2).await.unwrap();
        cloud.until_in_service(2, SOON).await;
        let ids = cloud.in_service();
        cloud.weather(|weather| weather.cpu.extend(ids.into_iter().map(|id| (id, load))));
        tokio::time::sleep(Duration::from_secs(60)).await;
        cloud.weather(|weather| weather.agent_silent = true);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(cloud.condition(ConditionKind::MetricsStale).is_some());
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(cloud.in_service().len(), 2, "at {load} %");
        cloud.weather(|weather| weather.agent_silent = false);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(cloud.condition(ConditionKind::MetricsStale), None);
    }
}

#[tokio::test(start_paused = true)]
async fn silent_balancer_fails_nothing() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.weather(|weather| weather.balancer_silent = true);
    cloud.scale(1, 2, 2).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    // Nobody can say that the new one is healthy, or that it is not.
    assert_eq!(
        (cloud.in_service().len(), cloud.group().instances.len()),
        (1, 2)
    );
    assert!(
        cloud
            .condition(ConditionKind::LoadBalancerUnreachable)
            .is_some()
    );
    cloud.weather(|weather| weather.balancer_silent = false);
    cloud.until_in_service(2, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_hour_shakes_nothing() {
    let cloud = Cloud::start().await;
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    // All of it stops for an hour, as under SIGSTOP: the provider hangs, the agent is silent.
    cloud.provider.set_hanging(true);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    cloud.provider.set_hanging(false);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        cloud.in_service().len(),
        2,
        "no scale-in without a whole window"
    );
    assert_eq!(cloud.provider.launched().len(), 2);
}
