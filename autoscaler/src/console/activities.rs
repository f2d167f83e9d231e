use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Console,
    page::{self, Page, Refusal, Section},
    session::Session,
    text,
};
use crate::{
    api::Fault,
    describe::{Activity, ActivityStatus, View},
};

/// Activities of one page.
const LINES: usize = 50;

/// An activity as a list has it.
pub(super) struct Line<'a> {
    pub(super) activity: &'a Activity,
    pub(super) status: String,
    pub(super) class: &'static str,
    pub(super) date: String,
    pub(super) ago: String,
    /// How long it took, or has taken.
    pub(super) took: String,
}

impl<'a> Line<'a> {
    pub(super) fn new(activity: &'a Activity, now: Timestamp) -> Self {
        Self {
            status: format!("{:?}", activity.status_code),
            class: match activity.status_code {
                ActivityStatus::Successful => "good",
                ActivityStatus::Failed => "bad",
                ActivityStatus::Cancelled => "gone",
                ActivityStatus::PreInService
                | ActivityStatus::InProgress
                | ActivityStatus::WaitingForELBConnectionDraining => "busy",
            },
            date: text::date(activity.start_time),
            ago: text::span(activity.start_time, now),
            took: text::span(activity.start_time, activity.end_time.unwrap_or(now)),
            activity,
        }
    }

    /// What went wrong, where the description does not say so already.
    pub(super) fn message(&self) -> Option<&str> {
        let message = self.activity.status_message.as_deref()?;
        (message != self.activity.description).then_some(message)
    }
}

#[derive(Deserialize)]
pub(super) struct ActivityQuery {
    /// Of this group; of all where absent or empty.
    #[serde(default)]
    group: String,
    /// Of the page before.
    next: Option<String>,
}

/// Six weeks of what was done, newest first.
struct ActivitiesPage {
    group: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "console/activities_head.html")]
struct Head<'a> {
    groups: Vec<(&'a str, bool)>,
}

#[derive(Template)]
#[template(path = "console/activities.html")]
struct List<'a> {
    lines: Vec<Line<'a>>,
    group: &'a str,
    /// With a link to what is older.
    next: Option<String>,
    is_first: bool,
}

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Asked(ActivityQuery { group, next }): page::Asked<ActivityQuery>,
    headers: HeaderMap,
) -> Response {
    page::answer(console, session, headers, ActivitiesPage { group, next }).await
}

impl Page for ActivitiesPage {
    fn title(&self) -> String {
        "Activities".to_owned()
    }

    fn place(&self) -> &'static str {
        "/activities"
    }

    fn head(&self, _: &Console, view: &View) -> Result<String, Refusal> {
        let groups = view.auto_scaling_groups.iter();
        let names = groups.map(|group| group.auto_scaling_group_name.as_str());
        let head = Head {
            groups: names.map(|name| (name, name == self.group)).collect(),
        };
        Ok(head.render()?)
    }

    async fn sections(&self, console: &Console, view: &View) -> Result<Vec<Section>, Refusal> {
        let history = console.api.history.clone();
        let wanted = match self.group.is_empty() {
            true => None,
            false => Some(vec![self.group.clone()]),
        };
        let next = self.next.clone();
        let read = tokio::task::spawn_blocking(move || {
            history.page(wanted.as_deref(), LINES, next.as_deref())
        });
        let page = read
            .await
            .map_err(|_| Fault::loop_gone())?
            .map_err(Fault::from)?;
        // The loop writes what happens now in its own time; the view has the newest progress.
        let newest = view.auto_scaling_groups.iter();
        let newest: BTreeMap<&str, &Activity> = newest
            .flat_map(|group| group.activities.iter())
            .map(|activity| (activity.activity_id.as_str(), &**activity))
            .collect();
        let lines = page.activities.iter().map(|activity| {
            let newest = newest.get(activity.activity_id.as_str());
            Line::new(newest.copied().unwrap_or(activity), view.time)
        });
        let list = List {
            lines: lines.collect(),
            group: &self.group,
            next: page.next_token.clone(),
            is_first: self.next.is_none(),
        };
        Ok(vec![Section::new("list", &list)?])
    }
}
