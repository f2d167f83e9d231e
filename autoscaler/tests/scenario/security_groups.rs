//! Who may reach what, as files and instances come and go.

use std::time::Duration;

use minicloud_lb_api::IpPermission;

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
