use std::sync::Arc;

use askama::Template;
use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use jiff::Timestamp;

use super::{
    Console,
    group::charts::{self, Window},
    page::{self, Page, Refusal, Section},
    session::Session,
    text,
};
use crate::{
    describe::{AutoScalingGroup, LoadBalancer, View},
    metric_statistics::Resolution,
};

/// So far back a card's line reaches.
const SPAN: f64 = 300.0;

/// All groups at a glance.
pub(super) struct Overview;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Cards<'a> {
    load_balancers: &'a [LoadBalancer],
    groups: Vec<Card<'a>>,
}

struct Card<'a> {
    name: &'a str,
    adopts: Option<&'a str>,
    min: u32,
    max: u32,
    desired: u32,
    in_service: u32,
    pips: Vec<Pip>,
    cpu: String,
    target: Option<String>,
    line: String,
    rate: String,
    errors: String,
    has_errors: bool,
    p99: String,
    healthy: u32,
    hosts: u32,
    last: Option<LastActivity<'a>>,
}

/// A place of the group's maximum.
struct Pip {
    class: &'static str,
}

struct LastActivity<'a> {
    ago: String,
    time: Timestamp,
    description: &'a str,
    cause: &'a str,
}

/// Places that are drawn; beyond, the numbers alone tell.
const MAX_PIPS: u32 = 40;

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    headers: HeaderMap,
) -> Response {
    page::answer(console, session, headers, Overview).await
}

impl Page for Overview {
    fn title(&self) -> String {
        "Overview".to_owned()
    }

    fn place(&self) -> &'static str {
        "/"
    }

    async fn sections(&self, console: &Console, view: &View) -> Result<Vec<Section>, Refusal> {
        let groups = view.auto_scaling_groups.iter();
        let groups: Result<Vec<_>, Refusal> =
            groups.map(|group| card(console, view, group)).collect();
        let cards = Cards {
            load_balancers: &view.load_balancers,
            groups: groups?,
        };
        Ok(vec![Section::new("groups", &cards)?])
    }
}

fn card<'a>(
    console: &Console,
    view: &View,
    group: &'a AutoScalingGroup,
) -> Result<Card<'a>, Refusal> {
    let name = group.auto_scaling_group_name.as_str();
    let start = view.time - std::time::Duration::from_secs(SPAN as u64);
    let statistics = &console.api.statistics;
    let known = statistics.of_group(name, Resolution::High, Some(start));
    let (points, period) = known.map_or_else(Default::default, |known| {
        (known.datapoints, known.period_seconds as f64)
    });
    let window = Window {
        points: &points,
        now: view.time,
        span: SPAN,
        period,
    };
    let latest = points.last();
    let requests = latest.and_then(|point| point.requests);
    let errors = requests.map(|requests| requests.responses_per_second[4]);
    let (in_service, healthy, unhealthy) = latest.map_or((0, 0, 0), |point| {
        (
            point.group_in_service_instances,
            point.healthy_host_count,
            point.un_healthy_host_count,
        )
    });
    let target = charts::cpu_target(group);
    Ok(Card {
        name,
        adopts: group.adopts.as_ref().map(|of| of.service.as_str()),
        min: group.min_size,
        max: group.max_size,
        desired: group.desired_capacity,
        in_service,
        pips: pips(group, in_service),
        cpu: text::percent(group.cpu_utilization),
        target: target.map(|target| text::percent(Some(target))),
        line: window.cpu_line(group).to_spark()?,
        rate: text::rate(requests.map(|requests| requests.rate())),
        errors: text::rate(errors),
        has_errors: errors.is_some_and(|errors| errors > 0.0),
        p99: text::seconds(requests.and_then(|requests| requests.response_time_p99)),
        healthy,
        hosts: healthy + unhealthy,
        last: group.activities.front().map(|activity| LastActivity {
            ago: text::span(activity.start_time, view.time),
            time: activity.start_time,
            description: &activity.description,
            cause: &activity.cause,
        }),
    })
}

fn pips(group: &AutoScalingGroup, in_service: u32) -> Vec<Pip> {
    let most = group.max_size.max(in_service).min(MAX_PIPS);
    let places = 1..=most;
    places
        .map(|place| Pip {
            class: match place {
                _ if place <= in_service && place > group.desired_capacity => "leaving",
                _ if place <= in_service => "serving",
                _ if place <= group.desired_capacity => "wanted",
                _ => "free",
            },
        })
        .collect()
}
