//! An even spread, and a zone that goes.

use serde_json::Value;

use super::fleet::{Fleet, instances, zones};

pub(super) async fn tell(fleet: &Fleet) {
    let story = fleet.begin("three zones, then two");
    fleet.until_settled(3).await;
    assert_spread(fleet, &[("a", 1), ("b", 1), ("c", 1)]).await;
    fleet.set_desired(6).await;
    let before = fleet.until_settled(6).await;
    assert_spread(fleet, &[("a", 2), ("b", 2), ("c", 2)]).await;
    fleet.until_serving(&story, &before).await;

    fleet.reconfigure("[a, b, c]", "[a, b]");
    fleet
        .until_group("they have moved", |group| {
            let in_service = instances(group).filter(|one| one["lifecycle_state"] == "InService");
            let in_service = in_service.count();
            assert!(in_service >= 6, "{in_service} serve: {group}");
            in_service == 6 && zones(group).keys().eq(["a", "b"])
        })
        .await;
    let after = fleet.until_settled(6).await;
    assert_spread(fleet, &[("a", 3), ("b", 3)]).await;
    fleet.until_serving(&story, &after).await;
    story.end().await;
}

async fn assert_spread(fleet: &Fleet, expected: &[(&str, usize)]) {
    let group: Value = fleet.api.get("/v1/groups/web").await.unwrap();
    let zones = zones(&group);
    let zones: Vec<(&str, usize)> = zones.iter().map(|(zone, n)| (zone.as_str(), *n)).collect();
    assert_eq!(zones, expected);
}
