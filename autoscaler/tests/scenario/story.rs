use std::time::Duration;

use minicloud_autoscaler::{
    Shutdown,
    command::CapacityUpdate,
    describe::{ActivityStatus, ConditionKind},
};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(240);

#[tokio::test(start_paused = true)]
async fn group_grows_under_stress_and_shrinks_after_it() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let stressed = cloud.in_service()[0].clone();

    cloud.weather(|weather| weather.cpu.insert(stressed.clone(), 100.0));
    let out = cloud.until_in_service(2, SOON).await;
    assert!(out <= Duration::from_secs(9), "{out:?}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        cloud.in_service().len(),
        2,
        "half of the group idles: {:#?}",
        cloud.group().decision
    );

    cloud.weather(|weather| weather.cpu.clear());
    let back = cloud.until_in_service(1, LATER).await;
    assert!(back >= Duration::from_secs(100), "{back:?}");
    assert_eq!(cloud.in_service(), [stressed]);
    assert_eq!(cloud.running().await.len(), 1);

    let activities = cloud.group().activities;
    assert_eq!(activities.len(), 3, "{activities:#?}");
    assert!(activities.iter().all(
        |activity| activity.status_code == ActivityStatus::Successful && activity.progress == 100
    ));
    assert!(
        activities[1].cause.contains("1 x 100.0 / 80 = 1.25 -> 2"),
        "{}",
        activities[1].cause
    );
    assert!(
        activities[0].cause.contains("scale in 2 -> 1"),
        "{}",
        activities[0].cause
    );
}

#[tokio::test(start_paused = true)]
async fn scaling_in_by_hand_spares_the_stressed_instance() {
    let cloud = Cloud::start().await;
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    // The newest would go; now it is the busy one.
    let newest = cloud
        .group()
        .instances
        .into_iter()
        .max_by_key(|i| (i.launch_time, i.instance_id.clone()))
        .unwrap();
    cloud.weather(|weather| weather.cpu.insert(newest.instance_id.clone(), 70.0));
    tokio::time::sleep(Duration::from_secs(60)).await;
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.until_in_service(1, SOON).await;
    assert_eq!(cloud.in_service(), [newest.instance_id]);
}

#[tokio::test(start_paused = true)]
async fn capacity_by_hand_goes_to_zero_and_back() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.scale(0, 0, 0).await.unwrap();
    cloud.until_in_service(0, SOON).await;
    assert_eq!(cloud.running().await, []);
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.until_in_service(1, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn capacity_out_of_range_changes_nothing() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    for (min, max, desired) in [(2, 1, 1), (1, 2, 3), (1, 2, 0), (0, 100_000, 1)] {
        cloud.scale(min, max, desired).await.unwrap_err();
    }
    let group = cloud.group();
    assert_eq!(
        (group.min_size, group.max_size, group.desired_capacity),
        (1, 2, 1)
    );
    // Like AWS: what is not given moves into the new bounds.
    cloud
        .update(CapacityUpdate {
            min_size: Some(2),
            ..CapacityUpdate::default()
        })
        .await
        .unwrap();
    cloud.until_in_service(2, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_requests_up_to_the_delay() {
    let cloud = Cloud::start().await;
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    cloud.weather(|weather| weather.in_flight = 3);
    cloud.scale(1, 2, 1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(cloud.running().await.len(), 2, "requests are in flight");
    let rest = cloud.until_in_service(1, Duration::from_secs(15)).await;
    assert!(rest >= Duration::from_secs(8), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn file_and_api_are_merged_three_ways() {
    let mut cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.scale(1, 3, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;

    // A change elsewhere in the file leaves what the API changed.
    std::fs::write(
        cloud.config(),
        CONFIG.replace("deregistration_delay: 30s", "deregistration_delay: 5s"),
    )
    .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        (cloud.group().max_size, cloud.group().desired_capacity),
        (3, 2)
    );
    cloud.kill().await;
    cloud.boot().await;
    cloud.until_in_service(2, SOON).await;
    assert_eq!(cloud.group().max_size, 3);

    // A change of that very value wins.
    std::fs::write(cloud.config(), CONFIG.replace("max_size: 2", "max_size: 4")).unwrap();
    cloud
        .until("max_size 4", SOON, |cloud| cloud.group().max_size == 4)
        .await;
    assert_eq!(cloud.group().desired_capacity, 2);
}

#[tokio::test(start_paused = true)]
async fn bad_file_while_running_leaves_the_old_in_force() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    std::fs::write(cloud.config(), CONFIG.replace("min_size: 1", "min_size: 9")).unwrap();
    cloud
        .until("a condition", SOON, |cloud| {
            cloud.condition(ConditionKind::ConfigInvalid).is_some()
        })
        .await;
    let fault = cloud.condition(ConditionKind::ConfigInvalid).unwrap();
    assert!(fault.contains("min_size 9 is above max_size 2"), "{fault}");
    assert_eq!(cloud.group().min_size, 1);
    std::fs::write(cloud.config(), CONFIG.replace("max_size: 2", "max_size: 3")).unwrap();
    cloud
        .until("no condition", SOON, |cloud| {
            cloud.condition(ConditionKind::ConfigInvalid).is_none()
        })
        .await;
    assert_eq!(cloud.group().max_size, 3);
}

#[tokio::test(start_paused = true)]
async fn group_taken_out_of_the_file_is_drained_and_gone() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let mut without = CONFIG.to_owned();
    let start = without.find("auto_scaling_groups").unwrap();
    let end = without.find("target_groups:\n").unwrap();
    without.replace_range(start..end, "");
    std::fs::write(cloud.config(), without).unwrap();
    cloud
        .until("no group", SOON, |cloud| {
            cloud.view().auto_scaling_groups.is_empty()
        })
        .await;
    assert_eq!(cloud.running().await, []);
}

#[tokio::test(start_paused = true)]
async fn shutdown_terminates_or_keeps_as_told() {
    let mut cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.shut_down(Shutdown::Keep).await;
    assert_eq!(cloud.running().await.len(), 1);
    cloud.boot().await;
    cloud.until_in_service(1, SOON).await;
    assert_eq!(
        cloud.provider.launched().len(),
        1,
        "the instance was adopted"
    );
    cloud.shut_down(Shutdown::Terminate).await;
    assert_eq!(cloud.running().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_steady_group_asks_nothing_of_the_provider() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let before = cloud.provider.calls();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let after = cloud.provider.calls();
    assert_eq!(
        (before.launch, before.terminate),
        (after.launch, after.terminate)
    );
}
