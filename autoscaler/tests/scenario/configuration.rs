//! Configurations that are planned, reviewed and applied.

use std::time::Duration;

use minicloud_autoscaler::{
    change_set::ChangeSet,
    command::CommandError,
    describe::{ConditionKind, ConfigurationSource},
};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(15);

fn three() -> String {
    CONFIG
        .replace("max_size: 2", "max_size: 5")
        .replace("desired_capacity: 1", "desired_capacity: 3")
}

async fn plan_and_apply(cloud: &Cloud, text: &str) -> ChangeSet {
    let planned = cloud.plan(text).await.unwrap();
    let applied = cloud.apply(text, &planned.fingerprint).await.unwrap();
    assert_eq!(applied, planned);
    applied
}

#[tokio::test(start_paused = true)]
async fn planning_changes_nothing_and_applying_what_was_planned() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let before = cloud.in_service();
    let planned = cloud.plan(&three()).await.unwrap();
    assert_eq!(planned.counts(), [0, 1, 0]);
    assert_eq!(planned.changes[0].instances.launched, 2);
    tokio::time::sleep(SOON).await;
    assert_eq!(cloud.in_service(), before);
    assert_eq!(cloud.view().configuration.source, ConfigurationSource::File);
    cloud.apply(&three(), &planned.fingerprint).await.unwrap();
    cloud.until_in_service(3, SOON).await;
    assert!(cloud.in_service().contains(&before[0]), "it goes on");
    let in_force = cloud.view().configuration.clone();
    assert_eq!(in_force.source, ConfigurationSource::Applied);
    assert!(in_force.applied_at.is_some());
    let again = cloud.plan(&three()).await.unwrap();
    assert!(again.is_empty(), "{again}");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_reviewed_is_refused() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let planned = cloud.plan(&three()).await.unwrap();
    // Somebody else was faster.
    cloud.scale(1, 4, 2).await.unwrap();
    let refused = cloud.apply(&three(), &planned.fingerprint).await;
    assert!(matches!(refused, Err(CommandError::PlanOutdated)));
    // Another text under the same review.
    let planned = cloud.plan(&three()).await.unwrap();
    let other = three().replace("max_size: 5", "max_size: 6");
    let refused = cloud.apply(&other, &planned.fingerprint).await;
    assert!(matches!(refused, Err(CommandError::PlanOutdated)));
    assert_eq!(cloud.group().max_size, 4);
    // The file, of which the loop has not heard yet.
    let file = CONFIG.replace("target_value: 80", "target_value: 70");
    std::fs::write(cloud.config(), file).unwrap();
    let refused = cloud.apply(&three(), &planned.fingerprint).await;
    assert!(matches!(refused, Err(CommandError::PlanOutdated)));
    let planned = cloud.plan(&three()).await.unwrap();
    cloud.apply(&three(), &planned.fingerprint).await.unwrap();
    cloud.until_in_service(3, SOON).await;
}

#[tokio::test(start_paused = true)]
async fn applied_configuration_holds_over_restarts_until_the_file_changes() {
    let mut cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    plan_and_apply(&cloud, &three()).await;
    cloud.until_in_service(3, SOON).await;
    let instances = cloud.in_service();
    cloud.kill().await;
    cloud.boot().await;
    cloud.until_in_service(3, SOON).await;
    assert_eq!(cloud.in_service(), instances, "adopted, none launched anew");
    // Written again as it is, it says nothing new.
    std::fs::write(cloud.config(), CONFIG).unwrap();
    tokio::time::sleep(SOON).await;
    assert_eq!(
        cloud.view().configuration.source,
        ConfigurationSource::Applied
    );
    // A bad file is not in force, so what was applied is.
    std::fs::write(cloud.config(), "version: 9\n").unwrap();
    cloud
        .until("the file is refused", SOON, |cloud| {
            cloud.condition(ConditionKind::ConfigInvalid).is_some()
        })
        .await;
    assert_eq!(
        cloud.view().configuration.source,
        ConfigurationSource::Applied
    );
    let smaller = CONFIG.replace("max_size: 2", "max_size: 1");
    std::fs::write(cloud.config(), &smaller).unwrap();
    cloud
        .until("the file changed last", SOON, |cloud| {
            cloud.group().max_size == 1
        })
        .await;
    assert_eq!(cloud.view().configuration.source, ConfigurationSource::File);
    cloud.until_in_service(1, Duration::from_secs(60)).await;
    cloud.kill().await;
    cloud.boot().await;
    assert_eq!(
        cloud.view().configuration.source,
        ConfigurationSource::File,
        "what was applied before is forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn file_that_changed_while_nobody_watched_wins() {
    let mut cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    plan_and_apply(&cloud, &three()).await;
    cloud.until_in_service(3, SOON).await;
    cloud.kill().await;
    std::fs::write(cloud.config(), format!("{CONFIG}# touched\n")).unwrap();
    cloud.boot().await;
    cloud.until_in_service(1, Duration::from_secs(60)).await;
    assert_eq!(cloud.view().configuration.source, ConfigurationSource::File);
}

#[tokio::test(start_paused = true)]
async fn applying_the_file_itself_puts_the_file_in_force() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    plan_and_apply(&cloud, &three()).await;
    cloud.until_in_service(3, SOON).await;
    plan_and_apply(&cloud, CONFIG).await;
    cloud
        .until("the file is in force", SOON, |cloud| {
            cloud.view().configuration.source == ConfigurationSource::File
        })
        .await;
}
