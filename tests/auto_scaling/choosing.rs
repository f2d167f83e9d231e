//! Which instance goes, which stays, which comes back.

use hyper::{Method, header::SET_COOKIE};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::fleet::{Fleet, SOON, has_condition, instances};
use crate::support::{
    http::{self, Answer},
    wait::until,
};

/// More than `LeastBusy` takes for noise.
const HELD: usize = 12;
const SLOW: &str = "/slow?ms=12000";

type Held = Vec<JoinHandle<Result<Answer, String>>>;

/// `LeastBusy` takes the newest, unless that is the one at work.
pub(super) async fn tell_of_work(fleet: &Fleet) {
    let story = fleet.begin("an idle instance goes");
    let ids = fleet.until_settled(3).await;
    let held = hold(fleet, &ids[2]).await;
    fleet.set_desired(2).await;
    let left = fleet.until_settled(2).await;
    assert!(left.contains(&ids[2]), "{left:?} of {ids:?}");
    all_answered(held).await;
    story.end().await;
}

pub(super) async fn tell_of_a_recall(fleet: &Fleet) {
    let story = fleet.begin("a draining instance is put back");
    let before = fleet.until_settled(2).await;
    let launched = launches(fleet).await;
    // Whichever goes has to drain.
    let mut held = hold(fleet, &before[0]).await;
    held.extend(hold(fleet, &before[1]).await);
    fleet.set_desired(1).await;
    until("one drains", SOON, || async {
        match fleet.api.instances("Terminating").await?.len() {
            1 => Ok(()),
            count => Err(format!("{count} do")),
        }
    })
    .await;
    fleet.set_desired(2).await;
    assert_eq!(fleet.until_settled(2).await, before);
    assert_eq!(launches(fleet).await, launched, "none in its place");
    all_answered(held).await;
    story.end().await;
}

pub(super) async fn tell_of_protection(fleet: &Fleet) {
    let story = fleet.begin("protected instances stay");
    fleet.set_desired(3).await;
    let ids = fleet.until_settled(3).await;
    protect(fleet, &ids[1..], true).await;
    fleet.set_desired(1).await;
    assert_eq!(fleet.until_settled(2).await, ids[1..]);
    let is_held_back = |group: &Value| has_condition(group, "ProtectedFromScaleIn");
    let group = fleet.until_group("it is said", is_held_back).await;
    assert_eq!(group["desired_capacity"], 1);
    assert_eq!(fleet.until_settled(2).await, ids[1..], "both still serve");
    protect(fleet, &ids[2..], false).await;
    assert_eq!(fleet.until_settled(1).await, ids[1..2]);
    let is_as_wanted = |group: &Value| !is_held_back(group);
    fleet
        .until_group("nothing is held back", is_as_wanted)
        .await;
    protect(fleet, &ids[1..2], false).await;
    story.end().await;
}

/// What `LeastBusy` would keep: the oldest.
pub(super) async fn tell_of_age(fleet: &Fleet) {
    let story = fleet.begin("the oldest instance goes");
    fleet.reconfigure("[LeastBusy]", "[OldestInstance]");
    let is_in_force = |group: &Value| group["termination_policies"] == json!(["OldestInstance"]);
    fleet.until_group("the file is in force", is_in_force).await;
    fleet.set_desired(2).await;
    let ids = fleet.until_settled(2).await;
    fleet.until_serving(&story, &ids).await;
    fleet.set_desired(1).await;
    assert_eq!(fleet.until_settled(1).await, ids[1..]);
    story.end().await;
}

/// Slow requests that one instance holds, as the control API sees it too.
async fn hold(fleet: &Fleet, id: &str) -> Held {
    let address = fleet.compose.address;
    let cookie = until("a cookie of the instance", SOON, || async {
        let answer = http::get(address, "/").await?;
        let cookie = answer.headers.get(SET_COOKIE).ok_or("no cookie")?;
        match answer.instance() {
            Some(instance) if instance == id => Ok(cookie.to_str().unwrap().to_owned()),
            other => Err(format!("{other:?} answers")),
        }
    })
    .await;
    let held = (0..HELD).map(|_| {
        let cookie = cookie.clone();
        tokio::spawn(async move { http::get_with_cookie(address, SLOW, &cookie).await })
    });
    let held = held.collect();
    fleet
        .until_group("it holds them", |group| {
            let mut instances = instances(group).filter(|instance| instance["instance_id"] == id);
            instances.any(|instance| instance["in_flight"].as_u64() >= Some(HELD as u64))
        })
        .await;
    held
}

async fn all_answered(held: Held) {
    for request in held {
        let answer = request.await.unwrap().unwrap();
        assert!(answer.status.is_success(), "{}", answer.text());
    }
}

async fn protect(fleet: &Fleet, ids: &[String], protected: bool) {
    let body = json!({ "instance_ids": ids, "protected_from_scale_in": protected });
    let path = "/v1/groups/web/instances/protection";
    fleet.ask(Method::PUT, path, &body).await;
}

async fn launches(fleet: &Fleet) -> usize {
    let activities = fleet.activities().await;
    let launches = activities.iter().filter(|activity| {
        let description = activity["description"].as_str().unwrap();
        description.starts_with("Launching")
    });
    launches.count()
}
