//! The instances are replaced by an instance refresh.

use hyper::Method;
use serde_json::json;

use super::fleet::Fleet;

const PATH: &str = "/v1/groups/web/instance-refreshes";

pub(super) async fn tell(fleet: &Fleet) {
    let story = fleet.begin("an instance refresh");
    fleet.set_desired(2).await;
    let before = fleet.until_settled(2).await;
    fleet.until_serving(&story, &before).await;
    let preferences = json!({ "preferences": { "instance_warmup": 1 } });
    let begun = fleet.ask(Method::POST, PATH, &preferences).await;
    assert_eq!(begun["instances_to_update"], 2, "{begun}");
    let (status, refused) = fleet.try_ask(Method::POST, PATH, &preferences).await;
    assert_eq!(status, 409, "{refused}");
    assert_eq!(refused["error"]["code"], "InstanceRefreshInProgress");

    let is_over = |group: &serde_json::Value| group["instance_refresh"].is_null();
    fleet.until_group("the refresh has ended", is_over).await;
    let ended = fleet.api.get(PATH).await.unwrap();
    assert_eq!(ended["instance_refreshes"][0]["status"], "Successful");
    let after = fleet.until_settled(2).await;
    assert!(before.iter().all(|id| !after.contains(id)), "{after:?}");
    fleet.until_serving(&story, &after).await;
    for (kind, ids) in [("Launching", &after), ("Terminating", &before)] {
        for id in ids {
            let activity = fleet.activity(kind, id).await;
            let cause = activity["cause"].as_str().unwrap();
            assert!(
                cause.contains("in response to an instance refresh"),
                "{cause}"
            );
        }
    }
    story.end().await;
}
