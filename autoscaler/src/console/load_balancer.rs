use std::{net::IpAddr, sync::Arc};

use askama::Template;
use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use minicloud_lb_api::{Listener, RequestFailure, TargetHealthDescription, TargetState};
use serde::Deserialize;

use super::{
    Console,
    page::{self, Page, Refusal, Section},
    rule_tester::{RuleQuestion, RuleVerdict},
    session::Session,
    text,
};
use crate::describe::{Queue, View};

/// Failed requests that are shown.
const FAILURES: usize = 20;
/// Characters of a method that is asked about, of a URL, and of an address.
const MAX_QUESTION: usize = 2048;

#[derive(Deserialize)]
pub(super) struct RuleQuery {
    #[serde(default)]
    url: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    source_ip: String,
}

/// Listeners, targets, and which rule takes a URL.
struct LoadBalancerPage(RuleQuery);

#[derive(Template)]
#[template(path = "console/rule_tester.html")]
struct Tester<'a> {
    query: &'a RuleQuery,
    verdict: Option<Result<RuleVerdict, String>>,
}

#[derive(Template)]
#[template(path = "console/targets.html")]
struct Targets<'a> {
    groups: Vec<TargetGroup<'a>>,
}

struct TargetGroup<'a> {
    name: &'a str,
    queue: Option<Queue>,
    targets: Vec<TargetRow<'a>>,
}

struct TargetRow<'a> {
    target: &'a TargetHealthDescription,
    state: String,
    class: &'static str,
    why: &'a str,
    /// How long its drain may still take.
    drains: Option<String>,
    is_instance: bool,
}

#[derive(Template)]
#[template(path = "console/listeners.html")]
struct Listeners<'a> {
    listeners: Vec<ListenerTable<'a>>,
}

struct ListenerTable<'a> {
    listener: &'a Listener,
    rules: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "console/request_failures.html")]
struct Failures<'a> {
    failures: Vec<&'a RequestFailure>,
}

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Asked(query): page::Asked<RuleQuery>,
    headers: HeaderMap,
) -> Response {
    page::answer(console, session, headers, LoadBalancerPage(query)).await
}

impl Page for LoadBalancerPage {
    fn title(&self) -> String {
        "Load balancer".to_owned()
    }

    fn place(&self) -> &'static str {
        "/load-balancer"
    }

    fn head(&self, console: &Console, _: &View) -> Result<String, Refusal> {
        let query = &self.0;
        let tester = Tester {
            verdict: (!query.url.is_empty()).then(|| test(console, query)),
            query,
        };
        Ok(tester.render()?)
    }

    async fn sections(&self, console: &Console, view: &View) -> Result<Vec<Section>, Refusal> {
        let groups = view.target_groups.iter().map(|group| TargetGroup {
            name: &group.target_group_name,
            queue: group.queue,
            targets: group
                .target_health_descriptions
                .iter()
                .map(|target| row(view, target))
                .collect(),
        });
        let link = &console.api.load_balancer;
        let snapshot = link.snapshots.borrow().clone();
        let listeners = snapshot.iter().flat_map(|snapshot| &snapshot.listeners);
        let received = link.reports.borrow().clone();
        let failures = received
            .iter()
            .flat_map(|received| &received.report.request_failures);
        Ok(vec![
            Section::new(
                "targets",
                &Targets {
                    groups: groups.collect(),
                },
            )?,
            Section::new(
                "listeners",
                &Listeners {
                    listeners: listeners.map(table).collect(),
                },
            )?,
            Section::new(
                "failures",
                &Failures {
                    failures: failures.take(FAILURES).collect(),
                },
            )?,
        ])
    }
}

fn test(console: &Console, query: &RuleQuery) -> Result<RuleVerdict, String> {
    let RuleQuery {
        url,
        method,
        source_ip,
    } = query;
    if [url, method, source_ip]
        .iter()
        .any(|text| text.len() > MAX_QUESTION)
    {
        return Err(format!("Too long: at most {MAX_QUESTION} characters."));
    }
    let source_ip: IpAddr = match source_ip.trim() {
        "" => IpAddr::from([127, 0, 0, 1]),
        text => text
            .parse()
            .map_err(|_| "The source address is no IP address: write it like 192.0.2.7.")?,
    };
    let snapshot = console.api.load_balancer.snapshots.borrow().clone();
    let snapshot = snapshot.ok_or("There are no rules yet: minicloud has just started.")?;
    let question = RuleQuestion {
        method: match method.trim() {
            "" => "GET".to_owned(),
            method => method.to_owned(),
        },
        url: url.trim().to_owned(),
        source_ip,
    };
    console.api.rule_tester.test(&snapshot.listeners, &question)
}

fn row<'a>(view: &View, target: &'a TargetHealthDescription) -> TargetRow<'a> {
    let health = &target.target_health;
    let groups = view.auto_scaling_groups.iter();
    let mut instances = groups.flat_map(|group| &group.instances);
    let instance = instances.find(|one| one.instance_id.as_str() == target.target.id);
    let until = instance.and_then(|one| one.draining_until);
    TargetRow {
        target,
        state: format!("{:?}", health.state),
        class: match health.state {
            TargetState::Healthy => "good",
            TargetState::Initial => "busy",
            TargetState::Draining => "leaving",
            TargetState::Unhealthy | TargetState::Unavailable => "bad",
            TargetState::Unused => "gone",
        },
        why: match (health.description.as_deref(), health.state) {
            (Some(why), _) => why,
            (None, TargetState::Healthy) => "passed",
            (None, _) => "-",
        },
        drains: until.map(|until| text::span(view.time, until.max(view.time))),
        is_instance: instance.is_some(),
    }
}

fn table(listener: &Listener) -> ListenerTable<'_> {
    let rules = listener.rules.iter().map(|rule| {
        let conditions: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
        let conditions = match conditions.is_empty() {
            true => "always".to_owned(),
            false => conditions.join(" and "),
        };
        (
            rule.priority.to_string(),
            conditions,
            rule.action.to_string(),
        )
    });
    let default = (
        "default".to_owned(),
        "otherwise".to_owned(),
        listener.default_action.to_string(),
    );
    ListenerTable {
        listener,
        rules: rules.chain([default]).collect(),
    }
}
