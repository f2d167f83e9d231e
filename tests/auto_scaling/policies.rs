//! By step and simple policies, put through the API.

use hyper::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fleet::{Fleet, SOON};
use crate::support::wait::until;

/// Requests a minute and target: more than two instances see of the story's 6000, and less than
/// one does.
const BETWEEN: u32 = 4500;
const BEYOND_ALL: u32 = 1_000_000;
const COOLDOWN: SignedDuration = SignedDuration::from_secs(5);

pub(super) async fn tell_of_steps(fleet: &Fleet) {
    let story = fleet.begin("step scaling");
    fleet.set_max(2).await;
    let busy = |threshold: u32| {
        let steps = json!([{ "metric_interval_lower_bound": 0, "scaling_adjustment": 1 }]);
        step_policy(&steps, &alarm("GreaterThanThreshold", threshold))
    };
    put(fleet, "busy", &busy(BETWEEN)).await;
    let ids = fleet.until_settled(2).await;
    fleet.until_serving(&story, &ids).await;
    let launch = fleet.activity("Launching", &ids[1]).await;
    let cause = launch["cause"].as_str().unwrap();
    assert!(
        cause.contains("busy") && cause.contains("1 -> 2"),
        "{cause}"
    );
    until_alarm_was(fleet, "busy", "ALARM").await;

    // What was a crowd is not one any more.
    put(fleet, "busy", &busy(BEYOND_ALL)).await;
    until_alarm_was(fleet, "busy", "OK").await;
    let steps = json!([{ "metric_interval_upper_bound": 0, "scaling_adjustment": -1 }]);
    let calm = step_policy(&steps, &alarm("LessThanThreshold", BEYOND_ALL));
    put(fleet, "calm", &calm).await;
    let left = fleet.until_settled(1).await;
    let gone = ids.iter().find(|id| !left.contains(id)).unwrap();
    let end = fleet.activity("Terminating", gone).await;
    let cause = end["cause"].as_str().unwrap();
    assert!(
        cause.contains("calm") && cause.contains("2 -> 1"),
        "{cause}"
    );
    for name in ["busy", "calm"] {
        fleet.ask(Method::DELETE, &path(name), &Value::Null).await;
    }
    story.end().await;
}

pub(super) async fn tell_of_a_cooldown(fleet: &Fleet) {
    let story = fleet.begin("simple scaling with a cooldown");
    fleet.set_max(3).await;
    let policy = json!({ "simple_scaling": {
        "adjustment_type": "ChangeInCapacity",
        "scaling_adjustment": 1,
        "cooldown": COOLDOWN.as_secs(),
        "alarm": alarm("GreaterThanThreshold", BEYOND_ALL),
    } });
    put(fleet, "one-more", &policy).await;
    let (status, answer) = execute(fleet).await;
    assert!(status.is_success(), "{answer}");
    let (status, answer) = execute(fleet).await;
    assert_eq!(
        answer["error"]["code"], "ScalingActivityInProgress",
        "{status}"
    );
    until("the cooldown is over", SOON, || async {
        match execute(fleet).await {
            (status, _) if status.is_success() => Ok(()),
            (_, answer) => Err(answer.to_string()),
        }
    })
    .await;
    let ids = fleet.until_settled(3).await;
    fleet.until_serving(&story, &ids).await;
    let before = fleet.activity("Launching", &ids[1]).await;
    let after = fleet.activity("Launching", &ids[2]).await;
    let waited = time(&after["start_time"]).duration_since(time(&before["end_time"]));
    assert!(waited >= COOLDOWN, "{waited} after the first");
    fleet
        .ask(Method::DELETE, &path("one-more"), &Value::Null)
        .await;
    fleet.set_desired(1).await;
    fleet.until_settled(1).await;
    story.end().await;
}

impl Fleet {
    async fn set_max(&self, max: u32) {
        let body = json!({ "max_size": max });
        self.ask(Method::PATCH, "/v1/groups/web", &body).await;
    }
}

fn alarm(operator: &str, threshold: u32) -> Value {
    json!({
        "metric": "ALBRequestCountPerTarget",
        "comparison_operator": operator,
        "threshold": threshold,
        "period": 10,
        "evaluation_periods": 1,
    })
}

fn step_policy(steps: &Value, alarm: &Value) -> Value {
    json!({ "step_scaling": {
        "adjustment_type": "ChangeInCapacity",
        "step_adjustments": steps,
        "estimated_instance_warmup": 1,
        "alarm": alarm,
    } })
}

fn path(policy: &str) -> String {
    format!("/v1/groups/web/policies/{policy}")
}

async fn put(fleet: &Fleet, name: &str, policy: &Value) {
    fleet.ask(Method::PUT, &path(name), policy).await;
}

async fn execute(fleet: &Fleet) -> (StatusCode, Value) {
    let path = path("one-more") + "/execute";
    let body = json!({ "honor_cooldown": true });
    fleet.try_ask(Method::POST, &path, &body).await
}

/// Waits until the alarm has come into `state`, be it the one it is in or not.
async fn until_alarm_was(fleet: &Fleet, policy: &str, state: &str) {
    let path = format!("/v1/alarms/web%2F{policy}/history");
    until(&format!("{policy} was {state}"), SOON, || async {
        let history = fleet.api.get(&path).await?;
        let mut items = history["alarm_history_items"]
            .as_array()
            .into_iter()
            .flatten();
        let came = format!(" to {state}");
        let is_it = |item: &Value| item["history_summary"].as_str().unwrap().ends_with(&came);
        match items.any(is_it) {
            true => Ok(()),
            false => Err(history.to_string()),
        }
    })
    .await;
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
