//! By the clock: out, and in again.

use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fleet::{Fleet, SOON};
use crate::support::wait::until;

const LEAD: SignedDuration = SignedDuration::from_secs(3);

pub(super) async fn tell(fleet: &Fleet) {
    let story = fleet.begin("scheduled actions");
    schedule(fleet, "crowd", json!({ "desired_capacity": 3 })).await;
    let ids = fleet.until_settled(3).await;
    fleet.until_serving(&story, &ids).await;
    let launch = fleet.activity("Launching", &ids[2]).await;
    assert_cause(&launch, "min: 1, max: 3, desired: 3", "by crowd");

    schedule(
        fleet,
        "calm",
        json!({ "min_size": 1, "desired_capacity": 1 }),
    )
    .await;
    let left = fleet.until_settled(1).await;
    let gone = ids.iter().find(|id| !left.contains(id)).unwrap();
    let end = fleet.activity("Terminating", gone).await;
    assert_cause(&end, "min: 1, max: 3, desired: 1", "by calm");
    let actions = fleet.api.get("/v1/groups/web/scheduled-actions").await;
    let actions = &actions.unwrap()["scheduled_update_group_actions"];
    assert_eq!(*actions, json!([]), "what ran once is gone");
    story.end().await;
}

/// An action that runs once, a moment from now.
async fn schedule(fleet: &Fleet, name: &str, action: Value) {
    until("the action is taken", SOON, || {
        let mut action = action.clone();
        async move {
            let status = fleet.api.get("/v1/status").await?;
            let now: Timestamp = status["time"].as_str().unwrap().parse().unwrap();
            action["start_time"] = json!(now + LEAD);
            let path = format!("/v1/groups/web/scheduled-actions/{name}");
            match fleet.try_ask(Method::PUT, &path, &action).await {
                (status, _) if status.is_success() => Ok(()),
                (_, answer) => Err(answer.to_string()),
            }
        }
    })
    .await;
}

#[track_caller]
fn assert_cause(activity: &Value, constraints: &str, by: &str) {
    let cause = activity["cause"].as_str().unwrap();
    let said =
        format!("a scheduled action update of AutoScalingGroup constraints to {constraints}");
    assert!(cause.contains(&said) && cause.contains(by), "{cause}");
}
