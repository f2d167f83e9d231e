//! Who may reach what, as files and instances come and go.

use std::time::Duration;

use minicloud_autoscaler::{
    command::LaunchTemplateCommand,
    describe::ConditionKind,
    launch_template::{
        LaunchTemplateError, VersionSelector, describe::CreateLaunchTemplateVersion,
    },
};
use minicloud_lb_api::IpPermission;
use serde_json::json;

use super::cloud::{CONFIG, Cloud};

const SOON: Duration = Duration::from_secs(15);

/// The listener is open to the instances of `web`, and to one network.
fn guarded() -> String {
    let groups = r#"
security_groups:
  edge: { ingress: [ { from_port: 8080, cidr: 10.9.0.0/16 }, { from_port: 1, to_port: 9000, source_security_group: web } ] }
  web: { ingress: [ { from_port: 8080, source_security_group: edge } ] }
  db: { ingress: [ { from_port: 5432, source_security_group: web } ] }
"#;
    let config = CONFIG
        .replace(
            "port: 8080 }\nauto",
            "port: 8080, security_groups: [web] }\nauto",
        )
        .replace("exercise-lb: {", "exercise-lb: { security_groups: [edge],");
    config + groups
}

fn permissions(cloud: &Cloud) -> Option<Vec<IpPermission>> {
    cloud.snapshot().listeners[0]
        .attributes
        .ip_permissions
        .clone()
}

fn networks(cloud: &Cloud) -> Vec<String> {
    let permissions = permissions(cloud).unwrap_or_default();
    let ranges = permissions.iter().flat_map(|it| &it.ip_ranges);
    ranges.map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn listener_is_guarded_as_the_file_says() {
    let cloud = Cloud::start().await;
    cloud.until_in_service(1, SOON).await;
    assert_eq!(permissions(&cloud), None);
    let instances = cloud.in_service();
    std::fs::write(cloud.config(), guarded()).unwrap();
    cloud
        .until("the listener is guarded", SOON, |cloud| {
            permissions(cloud).is_some_and(|permissions| permissions.len() == 2)
        })
        .await;
    assert_eq!(cloud.in_service(), instances, "nothing is restarted");
    std::fs::write(cloud.config(), CONFIG).unwrap();
    cloud
        .until("it is open again", SOON, |cloud| {
            permissions(cloud).is_none()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn members_are_let_in_while_they_are_there() {
    let cloud = Cloud::with_config(&guarded()).await;
    cloud.until_in_service(1, SOON).await;
    let address = cloud.group().instances[0].address.clone().unwrap();
    let (host, _) = address.rsplit_once(':').unwrap();
    let expected = ["10.9.0.0/16".to_owned(), format!("{host}/32")];
    cloud
        .until("members are let in", SOON, |cloud| {
            networks(cloud) == expected
        })
        .await;
    cloud.scale(0, 2, 0).await.unwrap();
    cloud
        .until("nobody is left", Duration::from_secs(60), |cloud| {
            networks(cloud) == ["10.9.0.0/16"]
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn groups_keep_their_ids_and_instances_join_their_networks() {
    let mut cloud = Cloud::with_config(&guarded()).await;
    cloud.until_in_service(1, SOON).await;
    let groups = cloud.view().security_groups.clone();
    let id = |name: &str| {
        let mut groups = groups.iter();
        let group = groups.find(|group| group.group_name == name);
        group.unwrap().group_id.clone()
    };
    assert_eq!(id("web").len(), "sg-".len() + 17);
    let launched = cloud.provider.launched();
    assert_eq!(launched[0].networks, [id("web"), id("db"), id("edge")]);
    cloud.kill().await;
    cloud.boot().await;
    cloud
        .until("they are the same", SOON, |cloud| {
            cloud.view().security_groups == groups
        })
        .await;
}

async fn add_version(cloud: &Cloud, security_group: &str) -> Result<(), LaunchTemplateError> {
    let data = json!({ "security_groups": [security_group] });
    let create = CreateLaunchTemplateVersion {
        source_version: Some(VersionSelector::Latest),
        version_description: None,
        launch_template_data: data.as_object().unwrap().clone(),
    };
    let made = cloud.ask_of_templates(|reply| LaunchTemplateCommand::CreateVersion {
        name: "web".to_owned(),
        create,
        reply,
    });
    made.await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn version_in_a_group_that_is_gone_launches_nothing() {
    let cloud = Cloud::with_config(&guarded()).await;
    cloud.until_in_service(1, SOON).await;
    let unknown = add_version(&cloud, "dbs").await.unwrap_err();
    assert!(
        unknown.to_string().contains("did you mean db?"),
        "{unknown}"
    );
    add_version(&cloud, "db").await.unwrap();
    let without: Vec<_> = guarded().lines().map(str::to_owned).collect();
    let without = without.iter().filter(|line| !line.starts_with("  db:"));
    let without = without.cloned().collect::<Vec<_>>().join("\n");
    std::fs::write(cloud.config(), without).unwrap();
    cloud
        .until("it is told", SOON, |cloud| {
            let told = cloud.condition(ConditionKind::LaunchTemplateNotFound);
            told.is_some_and(|told| told.contains("security group `db`"))
        })
        .await;
    cloud.scale(1, 2, 2).await.unwrap();
    tokio::time::sleep(SOON).await;
    assert_eq!(cloud.provider.launched().len(), 1, "and keeps what it has");
    std::fs::write(cloud.config(), guarded()).unwrap();
    cloud.until_in_service(2, SOON).await;
    let db = cloud.view().security_groups.iter().find_map(|group| {
        let is_db = group.group_name == "db";
        is_db.then(|| group.group_id.clone())
    });
    assert_eq!(cloud.provider.launched()[1].networks[..1], [db.unwrap()]);
}
