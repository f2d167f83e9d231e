//! Instance refreshes from beginning to end.

use std::{collections::BTreeSet, time::Duration};

use minicloud_autoscaler::{
    busy::BusyAnswer,
    command::CommandError,
    describe::ConditionKind,
    instance::InstanceId,
    instance_refresh::{
        InstanceRefresh, InstanceRefreshStatus as Status, RefreshPreferences,
        ScaleInProtectedInstances,
    },
    provider::fake::LaunchFault,
};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

async fn start(cloud: &Cloud, preferences: RefreshPreferences) -> InstanceRefresh {
    cloud.start_refresh("web", preferences).await.unwrap()
}

async fn cancel(cloud: &Cloud) -> Result<InstanceRefresh, CommandError> {
    cloud.cancel_refresh("web").await
}

fn refresh(cloud: &Cloud) -> InstanceRefresh {
    cloud.group().instance_refreshes[0].clone()
}

/// Lets time pass until the newest refresh has ended.
async fn ended(cloud: &Cloud, within: Duration) -> InstanceRefresh {
    let is_over = |cloud: &Cloud| !refresh(cloud).status.is_active();
    cloud.until("the refresh has ended", within, is_over).await;
    refresh(cloud)
}

/// Lets time pass until the newest refresh has ended; never fewer than `least` in service and
/// never more than `most` there meanwhile.
async fn ended_within_bounds(cloud: &Cloud, least: usize, most: usize) -> InstanceRefresh {
    let is_over = |cloud: &Cloud| {
        let (serving, there) = (cloud.in_service().len(), cloud.group().instances.len());
        assert!(serving >= least, "{serving} in service");
        assert!(there <= most, "{there} instances");
        !refresh(cloud).status.is_active()
    };
    cloud
        .until("the refresh has ended", 20 * MINUTE, is_over)
        .await;
    refresh(cloud)
}

fn ids(cloud: &Cloud) -> BTreeSet<InstanceId> {
    cloud.in_service().into_iter().collect()
}

async fn cloud_of(min: u32, max: u32, desired: u32) -> Cloud {
    let cloud = Cloud::start().await;
    // Neither so hot that it grows nor so cool that it shrinks.
    cloud.weather(|weather| weather.cpu_of_others = Some(62.0));
    cloud.scale(min, max, desired).await.unwrap();
    cloud.until_in_service(desired as usize, MINUTE).await;
    cloud
}

/// The next version of the template.
fn edit(cloud: &mut Cloud) {
    cloud.edit(&CONFIG.replace("image: web,", "image: web-2,"));
}

fn versions(cloud: &Cloud) -> BTreeSet<String> {
    let instances = cloud.group().instances.into_iter();
    instances
        .map(|it| it.launch_template.version.into())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn group_of_one_at_its_maximum_is_never_without_service() {
    let cloud = cloud_of(1, 1, 1).await;
    let before = ids(&cloud);
    let begun = start(&cloud, RefreshPreferences::default()).await;
    assert_eq!(
        (begun.status, begun.instances_to_update),
        (Status::Pending, 1)
    );
    assert_eq!(
        begun.preferences.instance_warmup,
        Some(cloud.group().default_instance_warmup as u32)
    );
    let refresh = ended_within_bounds(&cloud, 1, 2).await;
    assert_eq!(
        (refresh.status, refresh.percentage_complete),
        (Status::Successful, 100)
    );
    assert_eq!(refresh.instances_to_update, 0);
    assert!(refresh.end_time > Some(refresh.start_time));
    assert!(ids(&cloud).is_disjoint(&before));
    assert_eq!(cloud.running().await.len(), 1);
    let activities = cloud.group().activities;
    let caused = activities
        .iter()
        .filter(|it| it.cause.contains("in response to an instance refresh"));
    assert_eq!(caused.count(), 2, "a launch and an end");
}

#[tokio::test(start_paused = true)]
async fn each_of_three_is_replaced_once_by_the_new_version() {
    let mut cloud = cloud_of(3, 3, 3).await;
    let before = ids(&cloud);
    edit(&mut cloud);
    cloud
        .until("the version is known", SOON, |cloud| {
            cloud.group().launch_template.version == "2"
        })
        .await;
    let begun = start(&cloud, RefreshPreferences::default()).await;
    assert_eq!(begun.desired_configuration.launch_template.version, "2");
    let refresh = ended_within_bounds(&cloud, 3, 4).await;
    assert_eq!(refresh.status, Status::Successful);
    assert!(ids(&cloud).is_disjoint(&before));
    assert_eq!(versions(&cloud), ["2".to_owned()].into());
    assert_eq!(cloud.provider.launched().len(), 6, "one for each");
}

#[tokio::test(start_paused = true)]
async fn matching_instances_are_skipped() {
    let mut cloud = cloud_of(1, 2, 1).await;
    let matching = RefreshPreferences {
        skip_matching: true,
        ..RefreshPreferences::default()
    };
    let begun = start(&cloud, matching.clone()).await;
    assert_eq!(begun.instances_to_update, 0);
    assert_eq!(ended(&cloud, SOON).await.status, Status::Successful);
    assert_eq!(cloud.provider.launched().len(), 1);

    edit(&mut cloud);
    cloud
        .until("the version is known", SOON, |cloud| {
            cloud.group().launch_template.version == "2"
        })
        .await;
    cloud.scale(2, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    assert_eq!(start(&cloud, matching).await.instances_to_update, 1);
    ended(&cloud, 5 * MINUTE).await;
    assert_eq!(versions(&cloud), ["2".to_owned()].into());
    assert_eq!(cloud.provider.launched().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn less_in_service_means_no_more_than_the_group_wants() {
    let cloud = cloud_of(4, 4, 4).await;
    let preferences = RefreshPreferences {
        min_healthy_percentage: 50,
        max_healthy_percentage: 100,
        ..RefreshPreferences::default()
    };
    let before = ids(&cloud);
    start(&cloud, preferences).await;
    let live = |cloud: &Cloud| {
        let group = cloud.group();
        group
            .instances
            .iter()
            .filter(|it| it.lifecycle_state.as_str() != "Terminating")
            .count()
    };
    cloud
        .until("the refresh has ended", 10 * MINUTE, |cloud| {
            assert!(cloud.in_service().len() >= 2 && live(cloud) <= 4);
            !refresh(cloud).status.is_active()
        })
        .await;
    assert_eq!(refresh(&cloud).status, Status::Successful);
    assert!(ids(&cloud).is_disjoint(&before));
    assert_eq!(cloud.provider.launched().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn old_one_stays_until_the_new_one_is_warm() {
    let cloud = cloud_of(1, 2, 1).await;
    let before = ids(&cloud);
    let preferences = RefreshPreferences {
        instance_warmup: Some(300),
        ..RefreshPreferences::default()
    };
    start(&cloud, preferences).await;
    cloud
        .until("both serve", MINUTE, |cloud| ids(cloud).len() == 2)
        .await;
    tokio::time::sleep(4 * MINUTE).await;
    assert!(ids(&cloud).is_superset(&before), "not yet warm");
    assert_eq!(ended(&cloud, 3 * MINUTE).await.status, Status::Successful);
}

#[tokio::test(start_paused = true)]
async fn launches_that_fail_end_the_refresh_and_not_the_service() {
    let cloud = cloud_of(2, 2, 2).await;
    let before = ids(&cloud);
    cloud.provider.fail_launches(100, LaunchFault::Failed);
    start(&cloud, RefreshPreferences::default()).await;
    let refresh = ended_within_bounds(&cloud, 2, 3).await;
    assert_eq!(refresh.status, Status::Failed);
    let reason = refresh.status_reason.unwrap();
    assert!(
        reason.contains("launches keep failing")
            && reason.contains("2 instance(s) were not replaced"),
        "{reason}"
    );
    assert_eq!(refresh.percentage_complete, 0);
    assert_eq!(cloud.provider.calls().launch, 2 + 5, "bounded");
    cloud.provider.clear_launch_faults();
    cloud.until_in_service(2, MINUTE).await;
    assert_eq!(ids(&cloud), before);

    // Whoever asks again has mended it.
    start(&cloud, RefreshPreferences::default()).await;
    assert_eq!(
        ended_within_bounds(&cloud, 2, 3).await.status,
        Status::Successful
    );
    assert_eq!(cloud.condition(ConditionKind::LaunchFailing), None);
}

#[tokio::test(start_paused = true)]
async fn version_that_is_never_healthy_fails_and_the_old_ones_serve() {
    let mut cloud = cloud_of(2, 2, 2).await;
    let before = ids(&cloud);
    edit(&mut cloud);
    cloud.weather(|weather| weather.never_healthy = true);
    tokio::time::sleep(SOON).await;
    start(&cloud, RefreshPreferences::default()).await;
    let refresh = ended_within_bounds(&cloud, 2, 3).await;
    assert_eq!(refresh.status, Status::Failed, "{refresh:?}");
    cloud.until_in_service(2, 2 * MINUTE).await;
    assert_eq!(ids(&cloud), before);
}

#[tokio::test(start_paused = true)]
async fn version_that_does_not_stay_healthy_fails() {
    let replaced = "health_check_grace_period: 30s, health_check_type: ELB";
    let config = CONFIG.replace("health_check_grace_period: 30s", replaced);
    let cloud = Cloud::with_config(&config).await;
    cloud.weather(|weather| weather.cpu_of_others = Some(62.0));
    cloud.until_in_service(1, MINUTE).await;
    let before = ids(&cloud);
    start(
        &cloud,
        RefreshPreferences {
            instance_warmup: Some(60),
            ..RefreshPreferences::default()
        },
    )
    .await;
    let is_over = |cloud: &Cloud| {
        // Each passes its first checks and no more.
        let new = ids(cloud).difference(&before).cloned().collect::<Vec<_>>();
        cloud.weather(|weather| weather.unhealthy.extend(new));
        assert!(ids(cloud).is_superset(&before));
        !refresh(cloud).status.is_active()
    };
    cloud
        .until("the refresh has ended", 30 * MINUTE, is_over)
        .await;
    let refresh = refresh(&cloud);
    assert_eq!(refresh.status, Status::Failed);
    assert_eq!(cloud.provider.launched().len(), 1 + 5, "{refresh:?}");
    cloud.until_in_service(1, MINUTE).await;
    assert_eq!(ids(&cloud), before);
}

#[tokio::test(start_paused = true)]
async fn instance_at_work_is_waited_for() {
    let group = "desired_capacity: 1, busy_check: { path: /busy },";
    let cloud = Cloud::with_config(&CONFIG.replace("desired_capacity: 1,", group)).await;
    cloud.weather(|weather| weather.cpu_of_others = Some(62.0));
    cloud.until_in_service(1, MINUTE).await;
    let before = cloud.in_service();
    let busy = BusyAnswer::Busy { lasts: None };
    cloud.weather(|weather| weather.busy.insert(before[0].clone(), busy));
    start(&cloud, RefreshPreferences::default()).await;
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!(cloud.in_service(), before);
    assert_eq!(
        cloud.provider.launched().len(),
        1,
        "nothing is launched in vain"
    );
    assert!(refresh(&cloud).status_reason.unwrap().contains("busy"));
    cloud.weather(|weather| weather.busy.clear());
    assert_eq!(ended(&cloud, 5 * MINUTE).await.status, Status::Successful);
    assert!(!ids(&cloud).contains(&before[0]));
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_moment_it_goes_on_where_it_was() {
    for moment in 0..24 {
        let mut cloud = cloud_of(2, 3, 2).await;
        let before = ids(&cloud);
        let begun = start(&cloud, RefreshPreferences::default()).await;
        tokio::time::sleep(Duration::from_millis(1_300 * moment)).await;
        cloud.kill().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        cloud.boot().await;
        let refresh = ended(&cloud, 10 * MINUTE).await;
        assert_eq!(refresh.status, Status::Successful, "{moment}");
        assert_eq!(refresh.instance_refresh_id, begun.instance_refresh_id);
        assert_eq!(cloud.group().instance_refreshes.len(), 1);
        cloud.until_in_service(2, MINUTE).await;
        assert!(ids(&cloud).is_disjoint(&before), "{moment}");
        assert_eq!(cloud.provider.launched().len(), 4, "{moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_refresh_finishes_what_it_began() {
    let cloud = cloud_of(3, 3, 3).await;
    let before = ids(&cloud);
    let none = cancel(&cloud).await.unwrap_err();
    assert!(
        matches!(none, CommandError::ActiveInstanceRefreshNotFound(_)),
        "{none}"
    );
    start(&cloud, RefreshPreferences::default()).await;
    let again = cloud
        .start_refresh("web", RefreshPreferences::default())
        .await;
    assert!(
        matches!(again, Err(CommandError::InstanceRefreshInProgress { .. })),
        "{again:?}"
    );
    cloud
        .until("the first takes over", MINUTE, |cloud| {
            cloud.group().instances.len() == 4
        })
        .await;
    assert_eq!(cancel(&cloud).await.unwrap().status, Status::Cancelling);
    let refresh = ended_within_bounds(&cloud, 3, 4).await;
    assert_eq!(
        (refresh.status, refresh.instances_to_update),
        (Status::Cancelled, 2)
    );
    assert_eq!(refresh.percentage_complete, 33);
    cloud.until_in_service(3, MINUTE).await;
    assert_eq!(ids(&cloud).intersection(&before).count(), 2);
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(cloud.provider.launched().len(), 4, "no more is begun");
}

#[tokio::test(start_paused = true)]
async fn group_scales_both_ways_meanwhile() {
    let cloud = cloud_of(1, 6, 3).await;
    let before = ids(&cloud);
    start(&cloud, RefreshPreferences::default()).await;
    let has_begun = |cloud: &Cloud| cloud.group().instances.len() == 4;
    cloud.until("it has begun", MINUTE, has_begun).await;
    cloud.scale(1, 6, 5).await.unwrap();
    let has_grown = |cloud: &Cloud| ids(cloud).len() >= 5;
    cloud.until("it has grown", MINUTE, has_grown).await;
    assert!(refresh(&cloud).status.is_active());
    cloud.scale(1, 6, 3).await.unwrap();
    let refresh = ended_within_bounds(&cloud, 3, 6).await;
    assert_eq!(refresh.status, Status::Successful);
    cloud.until_in_service(3, MINUTE).await;
    assert!(ids(&cloud).is_disjoint(&before));
}

#[tokio::test(start_paused = true)]
async fn what_shrinks_loses_those_first_that_are_not_replaced() {
    let cloud = cloud_of(1, 4, 4).await;
    let before = ids(&cloud);
    start(&cloud, RefreshPreferences::default()).await;
    let two_are_done = |cloud: &Cloud| refresh(cloud).instances_to_update == 2;
    cloud.until("half is done", 5 * MINUTE, two_are_done).await;
    cloud.scale(1, 4, 2).await.unwrap();
    let refresh = ended_within_bounds(&cloud, 2, 5).await;
    assert_eq!(refresh.status, Status::Successful);
    cloud.until_in_service(2, MINUTE).await;
    assert!(ids(&cloud).is_disjoint(&before));
    assert_eq!(
        cloud.provider.launched().len(),
        4 + 2,
        "no more than were needed"
    );
}

#[tokio::test(start_paused = true)]
async fn protected_instances_are_refreshed_ignored_or_waited_for() {
    use ScaleInProtectedInstances::{Ignore, Refresh, Wait};
    for preference in [Refresh, Ignore, Wait] {
        let cloud = cloud_of(2, 2, 2).await;
        let before = ids(&cloud);
        let protected: Vec<InstanceId> = before.iter().take(1).cloned().collect();
        cloud.protect(&protected, true).await.unwrap();
        let preferences = RefreshPreferences {
            scale_in_protected_instances: preference,
            ..RefreshPreferences::default()
        };
        start(&cloud, preferences).await;
        if preference == Wait {
            let waits = |cloud: &Cloud| {
                let reason = refresh(cloud).status_reason.unwrap_or_default();
                reason.contains("protected") && reason.contains(protected[0].as_str())
            };
            cloud.until("it waits", 10 * MINUTE, waits).await;
            tokio::time::sleep(50 * MINUTE).await;
            assert!(refresh(&cloud).status.is_active());
            cloud.protect(&protected, false).await.unwrap();
        }
        let refresh = ended(&cloud, 20 * MINUTE).await;
        assert_eq!(refresh.status, Status::Successful, "{preference:?}");
        let stayed = usize::from(preference == Ignore);
        assert_eq!(
            ids(&cloud).intersection(&before).count(),
            stayed,
            "{preference:?}"
        );
        assert_eq!(refresh.instances_to_update, stayed);
    }
}

#[tokio::test(start_paused = true)]
async fn protection_that_stays_for_an_hour_fails_the_refresh() {
    let cloud = cloud_of(1, 1, 1).await;
    let before = cloud.in_service();
    cloud.protect(&before, true).await.unwrap();
    start(&cloud, RefreshPreferences::default()).await;
    tokio::time::sleep(59 * MINUTE).await;
    assert!(refresh(&cloud).status.is_active());
    let refresh = ended(&cloud, 2 * MINUTE).await;
    assert_eq!(refresh.status, Status::Failed);
    assert!(
        refresh
            .status_reason
            .unwrap()
            .contains("protected from scale-in")
    );
    assert_eq!(cloud.in_service(), before);
    assert_eq!(cloud.provider.launched().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn group_removed_from_the_file_cancels_its_refresh() {
    let mut cloud = cloud_of(1, 1, 1).await;
    start(&cloud, RefreshPreferences::default()).await;
    let others = CONFIG.replace(
        "  web: { launch_template: web, min_size",
        "  api: { launch_template: web, min_size",
    );
    cloud.edit(&others);
    let is_gone = |cloud: &Cloud| {
        let view = cloud.view();
        view.auto_scaling_groups
            .iter()
            .all(|it| it.auto_scaling_group_name != "web")
    };
    cloud.until("it is gone", 5 * MINUTE, is_gone).await;
    cloud.edit(CONFIG);
    cloud
        .until("it is back", SOON, |cloud| !is_gone(cloud))
        .await;
    let refresh = refresh(&cloud);
    assert_eq!(refresh.status, Status::Cancelled);
    assert!(refresh.status_reason.unwrap().contains("removed"));
}
