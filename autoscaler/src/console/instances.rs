use std::sync::Arc;

use askama::Template;
use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use futures_util::StreamExt;
use minicloud_lb_api::{TargetHealthDescription, TargetState};
use serde::Deserialize;
use tokio::time::{Duration, timeout};

use super::{
    Console,
    notice::Notice,
    page::{self, Page, Refusal, Section},
    session::Session,
    text,
};
use crate::{
    describe::{AutoScalingGroup, HealthStatus, Instance, View},
    instance::{InstanceId, LifecycleState},
    provider::LogRequest,
};

/// Lines of its log that a page shows.
const LOG_LINES: u32 = 100;
/// Bytes of them.
const LOG_BYTES: usize = 32 * 1024;
/// A log that is not there by then is not shown this time.
const LOG_TIMEOUT: Duration = Duration::from_secs(2);

/// An instance as a table has it.
pub(super) struct Row<'a> {
    pub(super) instance: &'a Instance,
    pub(super) is_seed: bool,
    /// A person has drained it.
    pub(super) is_standby: bool,
    pub(super) state_class: &'static str,
    pub(super) health: String,
    pub(super) health_class: &'static str,
    pub(super) image: &'a str,
    pub(super) cpu: String,
    /// Per cent, for a bar.
    pub(super) cpu_bar: Option<u32>,
    pub(super) age: String,
    /// How long its drain may still take.
    pub(super) drains: Option<String>,
}

impl<'a> Row<'a> {
    pub(super) fn of_group(view: &'a View, group: &'a AutoScalingGroup) -> Vec<Self> {
        let instances = group.instances.iter();
        instances
            .map(|instance| Self::new(view, group, instance))
            .collect()
    }

    fn new(view: &'a View, group: &'a AutoScalingGroup, instance: &'a Instance) -> Self {
        let unfit = targets_of(view, group, &instance.instance_id)
            .find(|target| target.target_health.state == TargetState::Unhealthy);
        let health = match (unfit, instance.health_status) {
            (Some(target), _) => target
                .target_health
                .description
                .clone()
                .unwrap_or_else(|| "Unhealthy target".to_owned()),
            (None, HealthStatus::Healthy) if instance.warming => "Healthy, warming up".to_owned(),
            (None, HealthStatus::Healthy) => "Healthy".to_owned(),
            (None, HealthStatus::Unhealthy) => "Unhealthy".to_owned(),
        };
        let is_fit = unfit.is_none() && instance.health_status == HealthStatus::Healthy;
        Self {
            is_seed: instance.managed_by.is_compose(),
            is_standby: instance.lifecycle_state.is_standby(),
            state_class: state_class(instance.lifecycle_state),
            health,
            health_class: if is_fit { "good" } else { "bad" },
            image: instance.image.as_deref().unwrap_or("child process"),
            cpu: text::percent(instance.cpu_utilization),
            cpu_bar: instance
                .cpu_utilization
                .map(|percent| percent.clamp(0.0, 100.0) as u32),
            age: text::span(instance.launch_time, view.time),
            drains: instance
                .draining_until
                .map(|until| text::span(view.time, until.max(view.time))),
            instance,
        }
    }
}

fn targets_of<'a>(
    view: &'a View,
    group: &'a AutoScalingGroup,
    id: &'a InstanceId,
) -> impl Iterator<Item = &'a TargetHealthDescription> {
    let named = |name: &str| group.target_group_names.iter().any(|one| one == name);
    let groups = view.target_groups.iter();
    groups
        .filter(move |one| named(&one.target_group_name))
        .flat_map(|group| &group.target_health_descriptions)
        .filter(move |target| target.target.id == id.as_str())
}

fn state_class(state: LifecycleState) -> &'static str {
    match state {
        LifecycleState::InService => "good",
        LifecycleState::Pending => "busy",
        LifecycleState::Terminating | LifecycleState::EnteringStandby | LifecycleState::Standby => {
            "leaving"
        }
        LifecycleState::Terminated => "gone",
    }
}

/// The instances of all groups.
struct InstancesPage;

#[derive(Template)]
#[template(path = "console/instances.html")]
struct Table<'a> {
    groups: Vec<(&'a str, Vec<Row<'a>>)>,
    read_only: bool,
}

pub(super) async fn list(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    headers: HeaderMap,
) -> Response {
    page::answer(console, session, headers, InstancesPage).await
}

impl Page for InstancesPage {
    fn title(&self) -> String {
        "Instances".to_owned()
    }

    fn place(&self) -> &'static str {
        "/instances"
    }

    async fn sections(&self, console: &Console, view: &View) -> Result<Vec<Section>, Refusal> {
        let groups = view.auto_scaling_groups.iter();
        let groups = groups.map(|group| {
            let name = group.auto_scaling_group_name.as_str();
            (name, Row::of_group(view, group))
        });
        let table = Table {
            groups: groups.collect(),
            read_only: console.api.read_only,
        };
        Ok(vec![Section::new("all-instances", &table)?])
    }
}

#[derive(Deserialize)]
pub(super) struct InstanceQuery {
    done: Option<Notice>,
}

/// One instance, with the last lines of its log.
struct InstancePage {
    id: InstanceId,
    done: Option<Notice>,
}

#[derive(Template)]
#[template(path = "console/instance_head.html")]
struct Head<'a> {
    row: Row<'a>,
    done: Option<&'static str>,
    read_only: bool,
}

#[derive(Template)]
#[template(path = "console/instance.html")]
struct Facts<'a> {
    row: Row<'a>,
    launch_time: String,
    targets: Vec<&'a TargetHealthDescription>,
}

#[derive(Template)]
#[template(path = "console/instance_log.html")]
struct Log {
    lines: Result<String, String>,
}

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named(id): page::Named<String>,
    page::Asked(InstanceQuery { done }): page::Asked<InstanceQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let id = id
        .parse()
        .map_err(|_| Refusal::not_found("instance", &id))?;
    let page = InstancePage { id, done };
    Ok(page::answer(console, session, headers, page).await)
}

/// # Errors
/// There is no such instance.
pub(super) fn find<'a>(
    view: &'a View,
    id: &InstanceId,
) -> Result<(&'a AutoScalingGroup, &'a Instance), Refusal> {
    let all = view.auto_scaling_groups.iter().flat_map(|group| {
        let instances = group.instances.iter();
        instances.map(move |instance| (&**group, instance))
    });
    let mut found = all.filter(|(_, instance)| instance.instance_id == *id);
    found
        .next()
        .ok_or_else(|| Refusal::not_found("instance", id.as_str()))
}

impl Page for InstancePage {
    fn title(&self) -> String {
        self.id.to_string()
    }

    fn place(&self) -> &'static str {
        "/instances"
    }

    fn head(&self, console: &Console, view: &View) -> Result<String, Refusal> {
        let (group, instance) = find(view, &self.id)?;
        let head = Head {
            row: Row::new(view, group, instance),
            done: self.done.map(Notice::as_str),
            read_only: console.api.read_only,
        };
        Ok(head.render()?)
    }

    async fn sections(&self, console: &Console, view: &View) -> Result<Vec<Section>, Refusal> {
        let (group, instance) = find(view, &self.id)?;
        let facts = Facts {
            row: Row::new(view, group, instance),
            launch_time: text::date(instance.launch_time),
            targets: targets_of(view, group, &self.id).collect(),
        };
        let log = Log {
            lines: log(console, &self.id).await,
        };
        Ok(vec![
            Section::new("facts", &facts)?,
            Section::new("log", &log)?,
        ])
    }
}

/// The last lines that it wrote; why there are none.
async fn log(console: &Console, id: &InstanceId) -> Result<String, String> {
    let sessions = &console.api.sessions;
    let _slot = sessions
        .log_slot()
        .map_err(|fault| fault.message().to_owned())?;
    let wanted = LogRequest {
        tail: LOG_LINES,
        follow: false,
    };
    let read = async {
        let mut stream = sessions.logs(id.clone(), wanted).await?;
        let mut written = Vec::new();
        while let Some(chunk) = stream.next().await {
            written.extend_from_slice(&chunk);
            if written.len() > 4 * LOG_BYTES {
                break;
            }
        }
        Ok::<_, crate::provider::ProviderError>(written)
    };
    let written = match timeout(LOG_TIMEOUT, read).await {
        Ok(Ok(written)) => written,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("The log did not come in time.".to_owned()),
    };
    let last = written.len().saturating_sub(LOG_BYTES);
    let text = String::from_utf8_lossy(&written[last..]);
    Ok(text
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect())
}
