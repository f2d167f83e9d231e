//! Versions of launch templates: what a group launches, and what is outdated by it.

use std::time::Duration;

use minicloud_autoscaler::{
    command::LaunchTemplateCommand as Asked,
    describe::ConditionKind,
    launch_template::{
        LaunchTemplateError, VersionSelector,
        describe::{
            CreateLaunchTemplate, CreateLaunchTemplateVersion, LaunchTemplateDescription,
            LaunchTemplateVersionDescription,
        },
    },
    provider::InstanceFault,
};
use serde_json::{Map, Value, json};

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

fn members(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

async fn create(
    cloud: &Cloud,
    name: &str,
) -> Result<LaunchTemplateDescription, LaunchTemplateError> {
    let create = CreateLaunchTemplate {
        launch_template_name: name.to_owned(),
        version_description: Some("first".to_owned()),
        launch_template_data: members(json!({ "process": { "command": ["api"] }, "port": 80 })),
    };
    cloud
        .ask_of_templates(|reply| Asked::Create { create, reply })
        .await
}

/// A version that is the latest one with another CPU quota.
async fn add_version(cloud: &Cloud, name: &str, cpus: f64) -> LaunchTemplateVersionDescription {
    let create = CreateLaunchTemplateVersion {
        source_version: Some(VersionSelector::Latest),
        version_description: None,
        launch_template_data: members(json!({ "cpus": cpus })),
    };
    let made = cloud.ask_of_templates(|reply| Asked::CreateVersion {
        name: name.to_owned(),
        create,
        reply,
    });
    made.await.unwrap()
}

async fn set_default(cloud: &Cloud, name: &str, default_version: VersionSelector) {
    let modified = cloud.ask_of_templates(|reply| Asked::Modify {
        name: name.to_owned(),
        default_version,
        reply,
    });
    modified.await.unwrap();
}

async fn delete(cloud: &Cloud, name: &str) -> Result<(), LaunchTemplateError> {
    let name = name.to_owned();
    let deleted = cloud
        .ask_of_templates(|reply| Asked::Delete { name, reply })
        .await;
    deleted.map(drop)
}

/// Versions of the instances that are there, lowest first.
fn versions(cloud: &Cloud) -> Vec<String> {
    let instances = cloud.group().instances.into_iter();
    let versions = instances.map(|it| it.launch_template.version.into());
    let mut versions: Vec<String> = versions.collect();
    versions.sort();
    versions
}

fn config_of(reference: &str) -> String {
    CONFIG.replace(
        "launch_template: web,",
        &format!("launch_template: {reference},"),
    )
}

#[tokio::test(start_paused = true)]
async fn new_version_is_launched_and_outdates_what_runs() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    assert_eq!(versions(&cloud), ["1"]);
    let made = add_version(&cloud, "web", 0.5).await;
    assert_eq!(made.version_number, 2);
    assert_eq!(made.launch_template_data["cpus"], 0.5);
    assert_eq!(made.launch_template_data["port"], 8080, "of the source");

    cloud.scale(2, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    assert_eq!(versions(&cloud), ["1", "2"]);
    let launched = cloud.provider.launched();
    assert_eq!(launched[1].launch_template.cpus, Some(0.5));

    // The outdated one goes first.
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.until_in_service(1, MINUTE).await;
    assert_eq!(versions(&cloud), ["2"]);
}

#[tokio::test(start_paused = true)]
async fn group_on_the_default_stays_until_another_is_made_it() {
    let cloud = Cloud::with_config(&config_of("{ name: web, version: $Default }")).await;
    cloud.until_in_service(1, SOON).await;
    add_version(&cloud, "web", 0.5).await;
    cloud.scale(2, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    assert_eq!(versions(&cloud), ["1", "1"]);

    set_default(&cloud, "web", VersionSelector::Latest).await;
    cloud.scale(1, 2, 1).await.unwrap();
    cloud.until_in_service(1, MINUTE).await;
    cloud.scale(2, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    assert_eq!(versions(&cloud), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn template_of_the_api_outlives_a_restart() {
    let mut cloud = Cloud::with_config(&config_of("api/v1")).await;
    let missing = |cloud: &Cloud| cloud.condition(ConditionKind::LaunchTemplateNotFound);
    cloud
        .until("it is told", SOON, |cloud| missing(cloud).is_some())
        .await;
    assert!(cloud.provider.launched().is_empty());

    let made = create(&cloud, "api/v1").await.unwrap();
    assert_eq!(made.created_by, "control-api");
    cloud.until_in_service(1, SOON).await;
    assert_eq!(missing(&cloud), None);
    add_version(&cloud, "api/v1", 2.0).await;

    cloud.kill().await;
    cloud.boot().await;
    let templates = cloud
        .ask_of_templates(|reply| Asked::Describe { reply })
        .await
        .unwrap();
    assert_eq!(templates.len(), 2, "{templates:?}");
    assert_eq!(templates[0].launch_template_id, made.launch_template_id);
    assert_eq!(templates[0].latest_version_number, 2);
    assert_eq!(templates[1].created_by, "configuration-file");
    cloud.scale(2, 2, 2).await.unwrap();
    cloud.until_in_service(2, SOON).await;
    assert_eq!(versions(&cloud), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn file_makes_a_version_only_of_what_it_changes() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    add_version(&cloud, "web", 0.25).await;
    let latest = async || {
        let templates = cloud
            .ask_of_templates(|reply| Asked::Describe { reply })
            .await
            .unwrap();
        templates[0].latest_version_number
    };
    let rewrite = |text: String| std::fs::write(cloud.config(), text).unwrap();
    rewrite(format!("{CONFIG}\n# the same\n"));
    tokio::time::sleep(SOON).await;
    assert_eq!(latest().await, 2, "what the API made stays the latest");
    rewrite(CONFIG.replace("cpus: 1,", "cpus: 0.75,"));
    tokio::time::sleep(SOON).await;
    assert_eq!(latest().await, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_is_not_deleted() {
    let cloud = Cloud::with_config(&config_of("{ name: api/v1, version: 2 }")).await;
    create(&cloud, "api/v1").await.unwrap();
    add_version(&cloud, "api/v1", 1.0).await;
    add_version(&cloud, "api/v1", 2.0).await;
    let delete_version = async |version| {
        let name = "api/v1".to_owned();
        let deleted = cloud.ask_of_templates(|reply| Asked::DeleteVersion {
            name,
            version,
            reply,
        });
        deleted.await.map_err(|error| error.code())
    };
    assert_eq!(delete_version(1).await, Err("OperationNotPermitted"));
    assert_eq!(delete_version(2).await, Err("ResourceInUse"));
    assert!(delete_version(3).await.is_ok());
    let missing = "InvalidLaunchTemplateId.VersionNotFound";
    assert_eq!(delete_version(3).await, Err(missing));

    let code = |refused: Result<(), LaunchTemplateError>| refused.unwrap_err().code();
    assert_eq!(code(delete(&cloud, "api/v1").await), "ResourceInUse");
    // Of the file: it would come back with the next change.
    assert_eq!(code(delete(&cloud, "web").await), "ResourceInUse");
    let missing = "InvalidLaunchTemplateName.NotFoundException";
    assert_eq!(code(delete(&cloud, "none").await), missing);
    let taken = create(&cloud, "api/v1").await.unwrap_err().code();
    assert_eq!(taken, "InvalidLaunchTemplateName.AlreadyExistsException");

    create(&cloud, "unused").await.unwrap();
    delete(&cloud, "unused").await.unwrap();
    let templates = cloud
        .ask_of_templates(|reply| Asked::Describe { reply })
        .await
        .unwrap();
    assert!(
        templates
            .iter()
            .all(|it| it.launch_template_name != "unused")
    );
}

#[tokio::test(start_paused = true)]
async fn group_without_its_template_disturbs_no_other() {
    let other = "  other: { launch_template: nowhere, min_size: 1, max_size: 2 }\ntarget_groups:";
    let cloud =
        Cloud::with_config(&CONFIG.replace("target_groups:\n", &format!("{other}\n"))).await;
    cloud.until_in_service(1, SOON).await;
    assert!(
        cloud
            .condition(ConditionKind::LaunchTemplateNotFound)
            .is_some()
    );
    assert!(cloud.group().conditions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn faults_of_instances_that_run_are_conditions_while_they_last() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    let id = cloud.in_service()[0].clone();
    let faults = vec![
        InstanceFault::UserData("user data failed with exit code 3".to_owned()),
        InstanceFault::QuotaNotEnforced("no cgroups are mounted".to_owned()),
    ];
    cloud.provider.set_faults(&id, faults);
    for (kind, says) in [
        (ConditionKind::UserDataFailed, "exit code 3"),
        (ConditionKind::QuotaNotEnforced, "no cgroups are mounted"),
    ] {
        let told = |cloud: &Cloud| cloud.condition(kind);
        cloud
            .until("it is told", SOON, |cloud| told(cloud).is_some())
            .await;
        assert!(told(&cloud).unwrap().contains(says));
    }
    assert_eq!(cloud.in_service(), std::slice::from_ref(&id), "it goes on");
    cloud.provider.set_faults(&id, Vec::new());
    cloud
        .until("nothing is wrong", SOON, |cloud| {
            cloud.group().conditions.is_empty()
        })
        .await;
}
