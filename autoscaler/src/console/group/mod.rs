pub(super) mod charts;

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;

use self::charts::Window;
use super::{
    Console,
    activities::Line,
    instances::Row,
    notice::Notice,
    page::{self, Page, Refusal, Section},
    session::Session,
    text,
};
use crate::{
    describe::{AutoScalingGroup, ScheduledUpdateGroupAction, View},
    explain::explain,
    metric_statistics::Resolution,
    policy::alarm::StateValue,
    scaling_policy::PolicyKind,
};

/// Activities that are repeated; all of them have a page.
const ACTIVITIES: usize = 8;

/// How far back charts reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum Range {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[default]
    #[serde(rename = "15m")]
    QuarterHour,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
}

impl Range {
    const ALL: [Self; 4] = [Self::FiveMinutes, Self::QuarterHour, Self::Hour, Self::Day];

    fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::QuarterHour => "15m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    fn span(self) -> Duration {
        Duration::from_secs(match self {
            Self::FiveMinutes => 300,
            Self::QuarterHour => 900,
            Self::Hour => 3600,
            Self::Day => 86_400,
        })
    }

    fn resolution(self) -> Resolution {
        match self.span() <= Resolution::High.reach() {
            true => Resolution::High,
            false => Resolution::Standard,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct GroupQuery {
    #[serde(default)]
    range: Range,
    done: Option<Notice>,
}

/// One group over time.
struct GroupPage {
    name: String,
    range: Range,
    done: Option<Notice>,
}

#[derive(Template)]
#[template(path = "console/group_head.html")]
struct Head<'a> {
    name: &'a str,
    ranges: Vec<(&'static str, bool)>,
    done: Option<&'static str>,
    read_only: bool,
    /// A refresh is under way.
    refreshes: bool,
}

#[derive(Template)]
#[template(path = "console/group_figures.html")]
struct Figures<'a> {
    group: &'a AutoScalingGroup,
    in_service: u32,
    cpu: String,
    target: Option<String>,
    rate: String,
    p50: String,
    p99: String,
    in_flight: u64,
    queue_length: u64,
    healthy: u32,
    hosts: u32,
}

#[derive(Template)]
#[template(path = "console/group_charts.html")]
struct Charts {
    charts: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/group_why.html")]
struct Why<'a> {
    because: Vec<String>,
    alarms: Vec<AlarmRow<'a>>,
    policies: Vec<PolicyRow<'a>>,
    scheduled: &'a [ScheduledUpdateGroupAction],
}

struct AlarmRow<'a> {
    name: &'a str,
    state: StateValue,
    rule: String,
    reason: &'a str,
}

struct PolicyRow<'a> {
    name: &'a str,
    enabled: bool,
    summary: String,
    said: &'a str,
}

#[derive(Template)]
#[template(path = "console/group_instances.html")]
struct Instances<'a> {
    rows: Vec<Row<'a>>,
    read_only: bool,
}

#[derive(Template)]
#[template(path = "console/group_activities.html")]
struct Activities<'a> {
    name: &'a str,
    lines: Vec<Line<'a>>,
}

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named(name): page::Named<String>,
    page::Asked(GroupQuery { range, done }): page::Asked<GroupQuery>,
    headers: HeaderMap,
) -> Response {
    let page = GroupPage { name, range, done };
    page::answer(console, session, headers, page).await
}

/// Where its page is.
pub(super) fn address(name: &str) -> String {
    format!("/groups/{}", page::path_segment(name))
}

/// # Errors
/// There is none of that name.
pub(super) fn find<'a>(view: &'a View, name: &str) -> Result<&'a AutoScalingGroup, Refusal> {
    let mut groups = view.auto_scaling_groups.iter();
    let group = groups.find(|group| group.auto_scaling_group_name == name);
    group
        .map(Arc::as_ref)
        .ok_or_else(|| Refusal::not_found("group", name))
}

impl Page for GroupPage {
    fn title(&self) -> String {
        self.name.clone()
    }

    fn place(&self) -> &'static str {
        "/"
    }

    fn head(&self, console: &Console, view: &View) -> Result<String, Refusal> {
        let group = find(view, &self.name)?;
        let ranges = Range::ALL.into_iter();
        let head = Head {
            name: &self.name,
            ranges: ranges
                .map(|range| (range.as_str(), range == self.range))
                .collect(),
            done: self.done.map(Notice::as_str),
            read_only: console.api.read_only,
            refreshes: group.instance_refresh.is_some(),
        };
        Ok(head.render()?)
    }

    async fn sections(&self, console: &Console, view: &View) -> Result<Vec<Section>, Refusal> {
        let group = find(view, &self.name)?;
        let span = self.range.span();
        let statistics = &console.api.statistics;
        let known =
            statistics.of_group(&self.name, self.range.resolution(), Some(view.time - span));
        let (points, period) = known.map_or_else(Default::default, |known| {
            (known.datapoints, known.period_seconds as f64)
        });
        let window = Window {
            points: &points,
            now: view.time,
            span: span.as_secs_f64(),
            period,
        };
        let charts = [
            window.capacity(group),
            window.cpu(group),
            window.requests(),
            window.response_time(),
        ];
        let charts: Result<Vec<_>, _> = charts.iter().map(|chart| chart.to_html()).collect();
        let lines = group.activities.iter().take(ACTIVITIES);
        Ok(vec![
            Section::new("figures", &figures(console, group))?,
            Section::new("charts", &Charts { charts: charts? })?,
            Section::new("why", &why(view, group))?,
            Section::new(
                "instances",
                &Instances {
                    rows: Row::of_group(view, group),
                    read_only: console.api.read_only,
                },
            )?,
            Section::new(
                "activities",
                &Activities {
                    name: &self.name,
                    lines: lines.map(|one| Line::new(one, view.time)).collect(),
                },
            )?,
        ])
    }
}

fn figures<'a>(console: &Console, group: &'a AutoScalingGroup) -> Figures<'a> {
    let latest = console
        .api
        .statistics
        .latest(&group.auto_scaling_group_name);
    let latest = latest.as_deref();
    let requests = latest.and_then(|point| point.requests);
    let of = |value: fn(&crate::metric_statistics::Datapoint) -> u32| latest.map_or(0, value);
    let healthy = of(|point| point.healthy_host_count);
    Figures {
        group,
        in_service: of(|point| point.group_in_service_instances),
        cpu: text::percent(group.cpu_utilization),
        target: charts::cpu_target(group).map(|target| text::percent(Some(target))),
        rate: text::rate(requests.map(|requests| requests.rate())),
        p50: text::seconds(requests.and_then(|requests| requests.response_time_p50)),
        p99: text::seconds(requests.and_then(|requests| requests.response_time_p99)),
        in_flight: latest.map_or(0, |point| point.in_flight),
        queue_length: latest.map_or(0, |point| point.queue_length),
        healthy,
        hosts: healthy + of(|point| point.un_healthy_host_count),
    }
}

fn why<'a>(view: &View, group: &'a AutoScalingGroup) -> Why<'a> {
    let alarms = group.alarms.iter().map(|alarm| AlarmRow {
        name: &alarm.alarm_name,
        state: alarm.state_value,
        rule: format!(
            "{:?} {} {} {} for {} of {} x {} s",
            alarm.statistic,
            alarm.metric_name,
            alarm.comparison_operator,
            alarm.threshold,
            alarm.datapoints_to_alarm,
            alarm.evaluation_periods,
            alarm.period
        ),
        reason: &alarm.state_reason,
    });
    let said = |policy: &str| {
        let decision = group.decision.as_ref()?;
        let mut policies = decision.policies.iter();
        let own = policies.find(|one| one.policy_name == policy)?;
        Some(own.reason.as_str())
    };
    let policies = group.scaling_policies.iter().map(|policy| PolicyRow {
        name: &policy.name,
        enabled: policy.enabled,
        summary: summary(&policy.kind),
        said: said(&policy.name).unwrap_or("-"),
    });
    Why {
        because: explain(view, group).because,
        alarms: alarms.collect(),
        policies: policies.collect(),
        scheduled: &group.scheduled_actions,
    }
}

fn summary(kind: &PolicyKind) -> String {
    match kind {
        PolicyKind::TargetTracking(tracking) => {
            let scale_in = match tracking.disable_scale_in {
                true => ", never in",
                false => "",
            };
            format!(
                "keeps {} near {}{scale_in}",
                tracking.metric, tracking.target_value
            )
        }
        PolicyKind::StepScaling(step) => {
            let steps = step.step_adjustments.len();
            format!("{steps} step(s) by {}", step.alarm.metric)
        }
        PolicyKind::SimpleScaling(simple) => format!(
            "{:+} by {}, then a cooldown",
            simple.scaling_adjustment, simple.alarm.metric
        ),
    }
}
