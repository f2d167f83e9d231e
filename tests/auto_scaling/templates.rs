//! Another version of the launch template, with another size and user data.

use hyper::Method;
use serde_json::{Value, json};

use super::fleet::{Fleet, instances};
use crate::support::compose::{docker, inspect};

const USER_DATA: &str = "#!/bin/sh -e\nprintf %s \"$MINICLOUD_INSTANCE_ID\" >/tmp/booted\n";

pub(super) async fn tell(fleet: &Fleet) {
    let story = fleet.begin("a new launch template version");
    fleet.set_desired(2).await;
    let outdated = fleet.until_settled(2).await;
    let version = json!({ "source_version": "$Latest", "launch_template_data": {
        "cpus": 0.25,
        "memory": "96MiB",
        "user_data": USER_DATA,
        "user_data_required": true,
    } });
    let path = "/v1/launch-templates/web/versions";
    let made = fleet.ask(Method::POST, path, &version).await;
    assert_eq!(made["version_number"], 2, "{made}");

    fleet.set_desired(4).await;
    let ids = fleet.until_settled(4).await;
    assert_eq!(ids[..2], outdated, "those that run stay");
    fleet.until_serving(&story, &ids).await;
    for (ids, nano_cpus, mebibytes) in [(&ids[..2], 500_000_000, 128), (&ids[2..], 250_000_000, 96)]
    {
        for id in ids {
            let inspected = inspect(&fleet.compose.container_of(id).await).await;
            let host = &inspected["HostConfig"];
            assert_eq!(host["NanoCpus"], nano_cpus, "{id}");
            assert_eq!(host["Memory"], mebibytes * 1024 * 1024, "{id}");
        }
    }
    for id in &ids[2..] {
        let container = fleet.compose.container_of(id).await;
        let booted = docker(&["exec", &container, "cat", "/tmp/booted"]).await;
        assert_eq!(
            booted, **id,
            "user data ran with the instance's environment"
        );
    }

    fleet.set_desired(2).await;
    assert_eq!(fleet.until_settled(2).await, ids[2..]);
    let group: Value = fleet.api.get("/v1/groups/web").await.unwrap();
    for instance in instances(&group) {
        assert_eq!(instance["launch_template"]["version"], "2", "{instance}");
    }
    story.end().await;
}
