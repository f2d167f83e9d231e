mod access;
mod actions;
mod live;
mod pages;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header, request},
    response::Response,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    api::{self, Token, tests as fixture},
    command::Command,
    describe::{Activity, Condition, View},
    now::{Clock, VirtualClock},
};

const HOST: &str = "localhost:8090";
const ORIGIN: &str = "http://localhost:8090";
const PAGES: [&str; 6] = [
    "/",
    "/groups/web?range=5m",
    "/instances",
    "/instances/i-0123abcd",
    "/load-balancer",
    "/activities",
];

fn get(path: &str) -> request::Builder {
    Request::get(path).header(header::HOST, HOST)
}

fn empty(request: request::Builder) -> Request<Body> {
    request.body(Body::empty()).unwrap()
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
    Request::post(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, ORIGIN)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(fields.collect::<Vec<_>>().join("&")))
        .unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> Response {
    router.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn page(router: &Router, path: &str) -> (StatusCode, String) {
    let response = send(router, empty(get(path))).await;
    (response.status(), text(response).await)
}

/// The token of a page's form.
fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The API under test, with something to tell of each kind; `change` alters its view.
fn console(access: Access, change: impl FnOnce(&mut View)) -> (Router, fixture::Loop) {
    with(access, change, |_| {})
}

fn with(
    access: Access,
    change: impl FnOnce(&mut View),
    api_change: impl FnOnce(&mut Api),
) -> (Router, fixture::Loop) {
    let (mut api, core) = fixture::api();
    api_change(Arc::get_mut(&mut api).unwrap());
    let mut view = fixture::view();
    change(&mut view);
    let clock = VirtualClock::starting_at(view.time);
    api.statistics.look(&view, clock.now());
    core.view.send_replace(Arc::new(view));
    (api::router(api, access), core)
}

/// Puts `text` wherever something from outside is told.
fn tell_everywhere(view: &mut View, text: &str) {
    let activity: Activity = serde_json::from_value(json!({
        "activity_id": text, "auto_scaling_group_name": text, "description": text, "cause": text,
        "start_time": "2026-01-01T00:00:00Z", "status_code": "Failed", "progress": 50,
        "status_message": format!("{text}!"),
    }))
    .unwrap();
    let condition: Condition = serde_json::from_value(json!({
        "type": "AdoptionRejected", "since": "2026-01-01T00:00:00Z", "message": text,
    }))
    .unwrap();
    let target = serde_json::from_value(json!({
        "target_group": "web", "in_flight": 0, "request_count": 0,
        "target": { "id": "i-0123abcd", "address": text, "port": 1 },
        "target_health": { "state": "unhealthy", "description": text },
    }))
    .unwrap();
    let group = Arc::make_mut(&mut view.auto_scaling_groups[0]);
    Arc::make_mut(&mut group.activities).push_front(Arc::new(activity));
    group.conditions.push(condition.clone());
    group.availability_zones.push(text.to_owned());
    let instance = &mut group.instances[0];
    instance.availability_zone = text.into();
    instance.image = Some(text.to_owned());
    instance.address = Some(text.into());
    instance.launch_template.launch_template_name = text.into();
    view.conditions.push(condition);
    let targets = Arc::make_mut(&mut view.target_groups[0]);
    targets.target_health_descriptions.push(target);
}
