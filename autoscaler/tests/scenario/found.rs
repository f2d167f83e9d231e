//! What [`super::random`] has found, each as the shortest story that shows it.

use std::time::Duration;

use minicloud_autoscaler::{Crash, CrashPoint, provider::fake::LaunchFault};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(20);

/// Every instance that was told to end got no more requests for a second before.
fn ended_after_a_drain(cloud: &Cloud, how_many: usize) {
    let signals = cloud.provider.signals();
    assert_eq!(signals.len(), how_many);
    for signal in signals {
        let deregistered = cloud.deregistered(&signal.instance_id);
        let at = deregistered.expect("it had been routed to").unwrap();
        let waited = signal.at - at;
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
    }
}

fn without_the_group() -> String {
    let start = CONFIG.find("auto_scaling_groups").unwrap();
    let end = CONFIG.find("target_groups:\n").unwrap();
    format!("{}{}", &CONFIG[..start], &CONFIG[end..])
}

#[tokio::test(start_paused = true)]
async fn launch_that_fails_its_checks_is_drained() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.weather(|weather| weather.never_healthy = true);
    cloud.scale(1, 2, 2).await.unwrap();
    // With no healthy target at all it may have got requests.
    cloud
        .until("one is told to end", Duration::from_secs(60), |cloud| {
            !cloud.provider.signals().is_empty()
        })
        .await;
    ended_after_a_drain(&cloud, 1);
}

#[tokio::test(start_paused = true)]
async fn launch_that_never_answers_stays_in_service() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.provider.fail_launches(1, LaunchFault::AnswerHangs);
    cloud.scale(2, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    let serving = cloud.in_service();
    // The call is given up after two minutes.
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(cloud.in_service(), serving);
    ended_after_a_drain(&cloud, 0);
}

#[tokio::test(start_paused = true)]
async fn crash_leaves_no_activity_open() {
    for point in CrashPoint::ALL {
        let mut cloud = Cloud::start().await;
        cloud.until_in_service(1, SOON).await;
        cloud.kill().await;
        cloud.crash_at = Some(Crash::Loop(point));
        cloud.boot().await;
        // Out and in: one of them comes to the point.
        let _ = cloud.scale(1, 2, 2).await;
        for desired in [1, 2] {
            tokio::time::sleep(SOON).await;
            if !cloud.is_running() {
                cloud.kill().await;
                cloud.boot().await;
            }
            cloud.scale(1, 2, desired).await.unwrap();
        }
        tokio::time::sleep(SOON).await;
        if !cloud.is_running() {
            cloud.kill().await;
            cloud.boot().await;
        }
        cloud.until_in_service(2, SOON).await;
        let activities = cloud.group().activities;
        let open = activities
            .iter()
            .find(|activity| activity.end_time.is_none());
        assert_eq!(open, None, "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn group_removed_while_nothing_ran_is_drained() {
    let mut cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.kill().await;
    cloud.edit(&without_the_group());
    cloud.boot().await;
    cloud
        .until("the group is gone", SOON, |cloud| {
            cloud.view().auto_scaling_groups.is_empty()
        })
        .await;
    ended_after_a_drain(&cloud, 1);
}

#[tokio::test(start_paused = true)]
async fn intent_that_is_not_wanted_any_more_is_not_launched() {
    let mut cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    cloud.kill().await;
    cloud.crash_at = Some(Crash::Loop(CrashPoint::LaunchRecorded));
    cloud.boot().await;
    let _ = cloud.scale(1, 2, 2).await;
    cloud
        .until("it crashes", SOON, |cloud| !cloud.is_running())
        .await;
    cloud.kill().await;
    cloud.edit(&without_the_group());
    cloud.boot().await;
    cloud
        .until("the group is gone", SOON, |cloud| {
            cloud.view().auto_scaling_groups.is_empty()
        })
        .await;
    assert_eq!(cloud.provider.calls().launch, 1);
    ended_after_a_drain(&cloud, 1);
}

#[tokio::test(start_paused = true)]
async fn least_drain_begins_when_the_balancer_is_told() {
    let mut cloud = Cloud::with_config(&CONFIG.replace("delay: 30s", "delay: 1s")).await;
    cloud.scale(0, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    // What is decided is published once a slow provider has answered.
    cloud.provider.set_latency(Duration::from_millis(1500));
    cloud.scale(0, 2, 1).await.unwrap();
    cloud.until_in_service(1, Duration::from_secs(60)).await;
    ended_after_a_drain(&cloud, 1);
    // And after a restart with the first snapshot, not with the process.
    cloud.kill().await;
    cloud.crash_at = Some(Crash::Loop(CrashPoint::DeregistrationRecorded));
    cloud.boot().await;
    let _ = cloud.scale(0, 2, 0).await;
    cloud
        .until("it crashes", SOON, |cloud| !cloud.is_running())
        .await;
    cloud.kill().await;
    cloud.boot().await;
    cloud.until_in_service(0, Duration::from_secs(60)).await;
    ended_after_a_drain(&cloud, 2);
}

#[tokio::test(start_paused = true)]
async fn delay_of_nothing_leaves_the_least_drain() {
    let cloud = Cloud::with_config(&CONFIG.replace("delay: 30s", "delay: 0s")).await;
    cloud.until_in_service(1, SOON).await;
    cloud.scale(0, 2, 0).await.unwrap();
    cloud.until_in_service(0, SOON).await;
    ended_after_a_drain(&cloud, 1);
}
