//! Scheduled actions on hours and days of virtual time.

use std::time::Duration;

use jiff::SignedDuration;
use minicloud_autoscaler::{
    Shutdown,
    command::{Command, CommandError},
    describe::ActivityStatus,
    schedule::ScheduledActionSpec,
};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
/// Longer than any wait for what is due below.
const WHILE: Duration = Duration::from_secs(660);

/// The clock begins at midnight.
async fn cloud(actions: &str) -> Cloud {
    Cloud::with_config(&config(actions)).await
}

/// Without a policy, which would shrink what a schedule grows.
fn config(actions: &str) -> String {
    let (before, policies) = CONFIG.split_once("scaling_policies").unwrap();
    let (_, after) = policies.split_once("] }\n").unwrap();
    format!("{before}scheduled_actions: [ {actions} ] }}\n{after}")
}

fn capacity(cloud: &Cloud) -> (u32, u32, u32) {
    let group = cloud.group();
    (group.min_size, group.max_size, group.desired_capacity)
}

async fn put(cloud: &Cloud, name: &str, action: ScheduledActionSpec) -> Result<(), CommandError> {
    cloud
        .ask(|reply| Command::PutScheduledUpdateGroupAction {
            auto_scaling_group: "web".to_owned(),
            name: name.to_owned(),
            action,
            reply,
        })
        .await
}

async fn delete(cloud: &Cloud, name: &str) -> Result<(), CommandError> {
    cloud
        .ask(|reply| Command::DeleteScheduledAction {
            auto_scaling_group: "web".to_owned(),
            name: name.to_owned(),
            reply,
        })
        .await
}

#[tokio::test(start_paused = true)]
async fn group_grows_and_shrinks_by_the_clock() {
    let cloud = cloud(
        "{ name: morning, recurrence: '5 0 * * *', min_size: 2, desired_capacity: 9 }, \
         { name: evening, recurrence: '10 0 * * *', min_size: 0, desired_capacity: 0 }",
    )
    .await;
    cloud.until_in_service(1, SOON).await;
    let before = tokio::time::Instant::now();
    cloud
        .until("the morning", WHILE, |cloud| capacity(cloud) == (2, 2, 2))
        .await;
    let passed = before.elapsed();
    let due = Duration::from_secs(300);
    assert!(passed <= due && passed > due - 2 * SOON, "{passed:?}");
    cloud.until_in_service(2, SOON).await;
    let cause = cloud.group().activities[0].cause.clone();
    assert!(
        cause.contains(
            "a scheduled action update of AutoScalingGroup constraints to min: 2, max: 2, desired: 2 changing the desired capacity from 1 to 2, by morning due at 2026-01-01T00:05:00Z"
        ),
        "{cause}"
    );
    let shown = &cloud.group().scheduled_actions[1];
    assert_eq!(shown.scheduled_action_name, "morning");
    assert_eq!(shown.last_time.unwrap().to_string(), "2026-01-01T00:05:00Z");
    assert_eq!(shown.next_times[0].to_string(), "2026-01-02T00:05:00Z");
    cloud.until_in_service(0, WHILE).await;
    assert_eq!(capacity(&cloud), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn missed_action_runs_once_after_a_restart() {
    let mut cloud = cloud("{ name: up, recurrence: '0 * * * *', desired_capacity: 2 }").await;
    cloud.until_in_service(1, SOON).await;
    cloud.kill().await;
    tokio::time::sleep(5 * HOUR / 2).await;
    cloud.boot().await;
    cloud.until_in_service(2, SOON).await;
    let last = |cloud: &Cloud| cloud.group().scheduled_actions[0].last_time;
    assert_eq!(last(&cloud).unwrap().to_string(), "2026-01-01T02:00:00Z");
    // What is changed by hand now stays through another restart: it has run.
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.shut_down(Shutdown::Keep).await;
    cloud.boot().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(capacity(&cloud), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn action_missed_by_days_does_not_run() {
    let mut cloud =
        cloud("{ name: once, start_time: 2026-01-01T06:00:00Z, desired_capacity: 2 }").await;
    cloud.until_in_service(1, SOON).await;
    cloud.kill().await;
    tokio::time::sleep(31 * HOUR).await;
    cloud.boot().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(capacity(&cloud), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn clock_set_back_repeats_nothing() {
    let cloud = cloud("{ name: up, recurrence: '5 0 * * *', desired_capacity: 2 }").await;
    cloud.until_in_service(2, WHILE).await;
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.clock.shift(SignedDuration::from_mins(-10));
    tokio::time::sleep(WHILE).await;
    assert_eq!(capacity(&cloud), (1, 2, 1));
    // The machine slept: the next day's runs as soon as it wakes.
    cloud.clock.shift(SignedDuration::from_hours(24));
    cloud.until_in_service(2, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn provider_that_is_silent_holds_up_no_schedule() {
    let cloud = cloud("{ name: up, recurrence: '5 0 * * *', desired_capacity: 2 }").await;
    cloud.until_in_service(1, SOON).await;
    cloud.provider.set_unreachable(true);
    cloud
        .until("its time", WHILE, |cloud| capacity(cloud).2 == 2)
        .await;
    cloud.provider.set_unreachable(false);
    cloud.until_in_service(2, 2 * SOON).await;
}

#[tokio::test(start_paused = true)]
async fn bounds_that_cross_fail_with_an_activity() {
    let cloud = cloud("{ name: wide, recurrence: '5 0 * * *', min_size: 5 }").await;
    let failed = |cloud: &Cloud| {
        let activities = cloud.group().activities;
        let activities = activities.iter().map(|a| (**a).clone());
        activities
            .filter(|activity| activity.status_code == ActivityStatus::Failed)
            .map(|activity| activity.status_message.unwrap())
            .collect::<Vec<_>>()
    };
    cloud
        .until("it fails", WHILE, |cloud| !failed(cloud).is_empty())
        .await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        failed(&cloud),
        ["min_size 5 is above max_size 2: let the action set both"]
    );
    assert_eq!(capacity(&cloud), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn actions_of_the_api_persist_until_they_ran() {
    let mut cloud = cloud("").await;
    cloud.until_in_service(1, SOON).await;
    let once = ScheduledActionSpec {
        start_time: Some("2026-01-01T00:05:00Z".parse().unwrap()),
        desired_capacity: Some(2),
        ..ScheduledActionSpec::default()
    };
    put(&cloud, "once", once.clone()).await.unwrap();
    let twin = put(&cloud, "twin", once.clone()).await;
    assert!(
        matches!(twin, Err(CommandError::AlreadyExists(_))),
        "{twin:?}"
    );
    put(&cloud, "once", once.clone()).await.unwrap();
    cloud.kill().await;
    cloud.boot().await;
    cloud.until_in_service(2, WHILE).await;
    assert!(cloud.group().scheduled_actions.is_empty(), "it is done");
    let past = put(&cloud, "once", once).await.unwrap_err().to_string();
    assert!(
        past.starts_with("start_time: 2026-01-01T00:05:00Z is past"),
        "{past}"
    );
}

#[tokio::test(start_paused = true)]
async fn action_deleted_through_the_api_stays_so_until_the_file_changes_it() {
    let mut cloud = cloud("{ name: up, recurrence: '5 0 * * *', desired_capacity: 2 }").await;
    delete(&cloud, "up").await.unwrap();
    let again = delete(&cloud, "up").await;
    assert!(matches!(
        again,
        Err(CommandError::ScheduledActionNotFound { .. })
    ));
    cloud.kill().await;
    cloud.boot().await;
    assert!(cloud.group().scheduled_actions.is_empty());
    tokio::time::sleep(WHILE).await;
    assert_eq!(capacity(&cloud), (1, 2, 1));
    let later = config("{ name: up, recurrence: '20 0 * * *', desired_capacity: 2 }");
    std::fs::write(cloud.config(), later).unwrap();
    cloud.until_in_service(2, WHILE).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_has_125_at_the_most() {
    let cloud = cloud("").await;
    let daily = |minute: u32| ScheduledActionSpec {
        recurrence: Some(format!("{} {} * * *", minute % 60, minute / 60)),
        desired_capacity: Some(1),
        ..ScheduledActionSpec::default()
    };
    for minute in 0..125 {
        put(&cloud, &minute.to_string(), daily(minute))
            .await
            .unwrap();
    }
    let beyond = put(&cloud, "beyond", daily(125)).await;
    assert!(
        matches!(beyond, Err(CommandError::LimitExceeded(_))),
        "{beyond:?}"
    );
    put(&cloud, "7", daily(125)).await.unwrap();
}
