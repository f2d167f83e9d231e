//! Somebody else removes, stops and starts instances of a group, in each mode.

use std::time::Duration;

use minicloud_autoscaler::{
    command::{Command, CommandError},
    describe::ConditionKind,
    foreign_change::Resolution,
    instance::InstanceId,
    provider::{InstanceProvider, LaunchRequest},
};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(15);

/// Bounds 1 to 4, two in service, wanted and steady.
async fn cloud(mode: &str) -> Cloud {
    let keys = format!("min_size: 1, foreign_changes: {mode},");
    let cloud = Cloud::with_config(&CONFIG.replace("min_size: 1,", &keys)).await;
    cloud.scale(1, 4, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    cloud
}

/// A container with the group's labels that the group did not launch.
async fn start_another(cloud: &Cloud) -> InstanceId {
    let id: InstanceId = "i-0badcafe".parse().unwrap();
    let request = LaunchRequest {
        instance_id: id.clone(),
        index: 9,
        ..cloud.provider.launched()[0].clone()
    };
    cloud.provider.launch(&request).await.unwrap();
    id
}

async fn resolve(cloud: &Cloud, resolution: Resolution) -> Result<(), CommandError> {
    cloud
        .ask(|reply| Command::ResolveForeignChanges {
            name: "web".to_owned(),
            resolution,
            reply,
        })
        .await
}

fn desired(cloud: &Cloud) -> u32 {
    cloud.group().desired_capacity
}

fn causes(cloud: &Cloud) -> Vec<String> {
    cloud
        .group()
        .activities
        .iter()
        .map(|a| (**a).clone())
        .map(|a| a.cause)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn reverting_group_goes_back_to_what_it_wants() {
    let cloud = cloud("revert").await;
    cloud.provider.vanish(&cloud.in_service()[0]);
    cloud
        .until("a replacement", SOON, |cloud| {
            cloud.provider.launched().len() == 3
        })
        .await;
    cloud.until_in_service(2, SOON).await;
    start_another(&cloud).await;
    cloud
        .until("three", SOON, |cloud| cloud.group().instances.len() == 3)
        .await;
    cloud.until_in_service(2, SOON).await;
    assert_eq!(desired(&cloud), 2);
    resolve(&cloud, Resolution::Adopt).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn adopting_group_follows_within_its_bounds() {
    let mut cloud = cloud("adopt").await;
    let removed = cloud.in_service()[0].clone();
    cloud.provider.vanish(&removed);
    cloud.until_in_service(1, SOON).await;
    assert_eq!((desired(&cloud), cloud.provider.launched().len()), (1, 2));
    let cause = causes(&cloud).remove(0);
    assert!(
        cause.ends_with(&format!(
            "instance {removed} was removed by somebody else, shrinking the capacity from 2 to 1"
        )),
        "{cause}"
    );

    // At min_size it is replaced, and so is one that does not run: that may be a crash.
    cloud.provider.vanish(&cloud.in_service()[0]);
    cloud
        .until("a replacement", SOON, |cloud| {
            cloud.provider.launched().len() == 3
        })
        .await;
    cloud.until_in_service(1, SOON).await;
    cloud.scale(1, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    cloud.provider.exit(&cloud.in_service()[0], "exit code 0");
    cloud
        .until("a replacement", SOON, |cloud| {
            cloud.provider.launched().len() == 5
        })
        .await;
    cloud.until_in_service(2, SOON).await;

    // One that is removed while nobody looks.
    cloud.scale(1, 3, 2).await.unwrap();
    cloud.kill().await;
    let listed = cloud.provider.list().await.unwrap();
    cloud.provider.vanish(&listed[0].instance_id);
    cloud.boot().await;
    cloud.until_in_service(1, SOON).await;
    assert_eq!(desired(&cloud), 1);

    let another = start_another(&cloud).await;
    cloud.until_in_service(2, SOON).await;
    assert_eq!(desired(&cloud), 2);
    assert!(cloud.in_service().contains(&another));
}

#[tokio::test(start_paused = true)]
async fn lost_store_is_no_change_by_somebody_else() {
    for mode in ["adopt", "report"] {
        let mut cloud = cloud(mode).await;
        cloud.kill().await;
        cloud.lose_the_store();
        cloud.boot().await;
        // The file wants one.
        cloud.until_in_service(1, SOON).await;
        assert_eq!(
            (desired(&cloud), cloud.provider.launched().len()),
            (1, 2),
            "{mode}"
        );
        assert_eq!(
            cloud.condition(ConditionKind::ForeignChange),
            None,
            "{mode}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn reporting_group_waits_for_a_word() {
    let mut cloud = cloud("report").await;
    let [removed, stopped] = &cloud.in_service()[..] else {
        panic!("two");
    };
    let (removed, stopped) = (removed.clone(), stopped.clone());
    cloud.provider.vanish(&removed);
    cloud.provider.exit(&stopped, "exit code 0");
    let another = start_another(&cloud).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    cloud.kill().await;
    cloud.boot().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((desired(&cloud), cloud.provider.launched().len()), (2, 3));
    let condition = cloud.condition(ConditionKind::ForeignChange).unwrap();
    for part in [
        format!("{removed} was removed"),
        format!("{stopped} does not run (exit code 0)"),
        format!("{another} was started"),
    ] {
        assert!(condition.contains(&part), "{condition}");
    }
    assert!(
        !cloud
            .group()
            .instances
            .iter()
            .any(|one| one.instance_id == another)
    );

    // Undone by who did it.
    cloud.provider.restart(&stopped);
    cloud.provider.vanish(&another);
    cloud
        .until("only one is left to say", SOON, |cloud| {
            cloud
                .condition(ConditionKind::ForeignChange)
                .is_some_and(|told| !told.contains("does not run") && !told.contains("started"))
        })
        .await;
    resolve(&cloud, Resolution::Revert).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    assert_eq!((desired(&cloud), cloud.provider.launched().len()), (2, 4));
    assert_eq!(cloud.condition(ConditionKind::ForeignChange), None);
    assert!(cloud.in_service().contains(&stopped));
}

#[tokio::test(start_paused = true)]
async fn reported_changes_are_adopted_or_reverted() {
    for resolution in [Resolution::Adopt, Resolution::Revert] {
        let cloud = cloud("report").await;
        let removed = cloud.in_service()[0].clone();
        cloud.provider.vanish(&removed);
        let another = start_another(&cloud).await;
        let both = |cloud: &Cloud| {
            let told = cloud.condition(ConditionKind::ForeignChange);
            told.is_some_and(|told| told.contains("removed") && told.contains("started"))
        };
        cloud.until("both are told", SOON, both).await;
        resolve(&cloud, resolution).await.unwrap();
        cloud.until_in_service(2, SOON).await;
        assert_eq!(desired(&cloud), 2);
        let serves = cloud.in_service().contains(&another);
        assert_eq!(serves, resolution == Resolution::Adopt, "{resolution:?}");
        assert_eq!(cloud.running().await.len(), 2);
        assert_eq!(cloud.condition(ConditionKind::ForeignChange), None);
    }
}

#[tokio::test(start_paused = true)]
async fn scaling_in_takes_what_is_gone_already() {
    let cloud = cloud("report").await;
    let [gone, kept] = &cloud.in_service()[..] else {
        panic!("two");
    };
    cloud.provider.vanish(gone);
    cloud
        .until("it is told", SOON, |cloud| {
            cloud.condition(ConditionKind::ForeignChange).is_some()
        })
        .await;
    cloud.scale(1, 4, 1).await.unwrap();
    cloud.until_in_service(1, SOON).await;
    assert_eq!(cloud.in_service(), std::slice::from_ref(kept));
}
