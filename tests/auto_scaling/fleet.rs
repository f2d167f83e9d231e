//! A Compose project whose group `web` scales by what a story does and by nothing else.

use std::{collections::BTreeMap, time::Duration};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{api::Api, compose::Compose, http, traffic::Traffic, wait::until, write};

/// A busy machine launches, checks and drains several instances within it.
pub(super) const SOON: Duration = Duration::from_secs(120);
const REQUESTS_PER_SECOND: u32 = 100;

pub(super) struct Shape {
    /// Minimum, desired capacity, maximum.
    pub(super) sizes: (u32, u32, u32),
    pub(super) availability_zones: &'static str,
}

pub(super) struct Fleet {
    pub(super) compose: Compose,
    pub(super) api: Api,
}

/// Traffic from the beginning of a story to its end.
pub(super) struct Story {
    name: &'static str,
    traffic: Traffic,
}

impl Fleet {
    /// With its desired capacity in service.
    pub(super) async fn start(shape: Shape) -> Self {
        let compose = Compose::up(|example| configured(&example, &shape)).await;
        let api = compose.api;
        let fleet = Self { compose, api };
        fleet.until_settled(shape.sizes.1).await;
        fleet
    }

    pub(super) async fn end(self) {
        self.compose.down().await;
    }

    pub(super) fn begin(&self, name: &'static str) -> Story {
        let traffic = Traffic::start(self.compose.address, REQUESTS_PER_SECOND);
        Story { name, traffic }
    }

    /// What the control API answers to a request that it must grant.
    pub(super) async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_ask(method, path, body).await;
        assert!(status.is_success(), "{path}: {status}: {answer}");
        answer
    }

    pub(super) async fn try_ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let body = body.to_string();
        let answer = http::send(self.api.0, method, path, &body).await.unwrap();
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status, body)
    }

    pub(super) async fn set_desired(&self, desired: u32) {
        let body = json!({ "desired_capacity": desired });
        self.ask(Method::PATCH, "/v1/groups/web", &body).await;
    }

    pub(super) async fn until_settled(&self, count: u32) -> Vec<String> {
        self.api.until_settled(count as usize, SOON).await
    }

    /// Writes `to` in place of `from` into the configuration file.
    pub(super) fn reconfigure(&self, from: &str, to: &str) {
        let path = self.compose.config.path().join("minicloud.yaml");
        write(
            &path,
            &replaced(&std::fs::read_to_string(&path).unwrap(), from, to),
        );
    }

    /// Waits until the group is as it should be; the group.
    pub(super) async fn until_group(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        until(what, SOON, || async {
            let group = self.api.get("/v1/groups/web").await?;
            match is(&group) {
                true => Ok(group),
                false => Err(group.to_string()),
            }
        })
        .await
    }

    /// Waits until each of `ids` has answered a request.
    pub(super) async fn until_serving(&self, story: &Story, ids: &[String]) {
        until("all of them serve", SOON, || async {
            let served = story.traffic.tally().served;
            match ids.iter().find(|id| !served.contains_key(*id)) {
                None => Ok(()),
                Some(id) => Err(format!("{id} does not, of {served:?}")),
            }
        })
        .await;
    }

    /// Newest first.
    pub(super) async fn activities(&self) -> Vec<Value> {
        let answer = self.api.get("/v1/groups/web/activities").await.unwrap();
        answer["activities"].as_array().unwrap().clone()
    }

    /// The activity that launched (`Launching`) or ended (`Terminating`) an instance last.
    pub(super) async fn activity(&self, kind: &str, id: &str) -> Value {
        let activities = self.activities().await;
        let is_wanted = |activity: &&Value| {
            let description = activity["description"].as_str().unwrap();
            activity["instance_id"] == id && description.starts_with(kind)
        };
        let found = activities.iter().find(is_wanted);
        found
            .unwrap_or_else(|| panic!("no activity {kind} {id} in {activities:#?}"))
            .clone()
    }
}

impl Story {
    pub(super) async fn end(self) {
        let tally = self.traffic.stop().await;
        eprintln!(
            "{}: {} of {} requests failed; served by {} instances",
            self.name,
            tally.failures.len(),
            tally.sent,
            tally.served.len()
        );
        tally.assert_none_failed();
    }
}

/// How many of the instances are in each zone.
pub(super) fn zones(group: &Value) -> BTreeMap<String, usize> {
    let mut zones = BTreeMap::new();
    for instance in instances(group) {
        let zone = instance["availability_zone"].as_str().unwrap();
        *zones.entry(zone.to_owned()).or_default() += 1;
    }
    zones
}

pub(super) fn instances(group: &Value) -> impl Iterator<Item = &Value> {
    group["instances"].as_array().into_iter().flatten()
}

pub(super) fn has_condition(group: &Value, kind: &str) -> bool {
    let mut conditions = group["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == kind)
}

/// The example with quick health checks, that a busy machine does not fail, and no policy.
fn configured(example: &str, shape: &Shape) -> String {
    let (min, desired, max) = shape.sizes;
    let zones = shape.availability_zones;
    let text = replaced(
        example,
        "min_size: 1\n    max_size: 2\n    desired_capacity: 1\n    availability_zones: [a, b]",
        &format!(
            "min_size: {min}\n    max_size: {max}\n    desired_capacity: {desired}\n    availability_zones: {zones}"
        ),
    );
    let text = replaced(
        &text,
        "scaling_policies: [ { name: cpu80, target_tracking: { metric: ASGAverageCPUUtilization, target_value: 80 } } ]",
        "termination_policies: [LeastBusy]",
    );
    let text = replaced(
        &text,
        "interval: 5s, timeout: 2s, healthy_threshold: 2, unhealthy_threshold: 2",
        "interval: 1s, timeout: 1s, healthy_threshold: 2, unhealthy_threshold: 10",
    );
    // For stories that must reach one instance among several.
    replaced(
        &text,
        "deregistration_delay: 30s",
        "deregistration_delay: 30s, stickiness: lb_cookie",
    )
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no `{from}` in\n{text}");
    text.replace(from, to)
}
