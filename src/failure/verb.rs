//! What verbs ask for in vain.

use std::{fmt::Display, io, time::Duration};

use hyper::StatusCode;
use minicloud_autoscaler::{
    instance_refresh::InstanceRefreshStatus, launch_template::VersionSelector,
};

use super::{Exit, Failure};
use crate::{endpoint::Endpoint, http_client::HttpError};

impl Failure {
    /// `--wait` waited in vain; `state` is where it stands.
    pub(crate) fn not_settled(group: &str, state: &str, within: Duration) -> Self {
        Self::new(
            Exit::NotReached,
            format!("{state} after {} s", within.as_secs()),
            format!("group {group}"),
            format!("`minicloud activities {group}` has the reason; --timeout gives it longer"),
        )
    }

    /// `--wait` waited for a refresh that did not come to the end it was to have.
    pub(crate) fn not_refreshed(
        group: &str,
        status: InstanceRefreshStatus,
        reason: Option<&str>,
    ) -> Self {
        let reason = reason.map(|reason| format!(": {reason}"));
        Self::new(
            Exit::NotReached,
            format!(
                "the instance refresh is {status}{}",
                reason.unwrap_or_default()
            ),
            format!("group {group}"),
            format!(
                "`minicloud activities {group}` has what it did; mend what is in the way and refresh again"
            ),
        )
    }

    pub(crate) fn story_untold(group: &str, what: String) -> Self {
        Self::new(
            Exit::NotReached,
            what,
            format!("group {group}"),
            format!(
                "`minicloud explain {group}` has the reason; more workers (--cpu) or longer (--for) may help"
            ),
        )
    }

    pub(crate) fn no_scaling_policy(group: &str) -> Self {
        Self::new(
            Exit::Conflict,
            "it has no scaling policy: nothing would react to the stress",
            format!("group {group}"),
            "give it one: `minicloud docs auto_scaling_groups` has an example",
        )
    }

    pub(crate) fn no_room_to_grow(group: &str, max_size: u32) -> Self {
        let more = max_size.saturating_add(1);
        Self::new(
            Exit::Conflict,
            format!("it is at its max_size of {max_size} already"),
            format!("group {group}"),
            format!("make room with `minicloud scale {group} --max {more}`"),
        )
    }

    pub(crate) fn nothing_in_service(group: &str) -> Self {
        Self::new(
            Exit::Conflict,
            "it has no instance in service to stress",
            format!("group {group}"),
            format!("`minicloud activities {group}` has the reason"),
        )
    }

    pub(crate) fn no_terminal_to_ask_at() -> Self {
        Self::new(
            Exit::Failure,
            "nothing was applied: there is no terminal to ask at",
            "stdin",
            "review the plan and give --yes",
        )
    }

    pub(crate) fn no_terminal_to_draw_on() -> Self {
        Self::new(
            Exit::Failure,
            "there is no terminal to draw on",
            "stdin and stdout",
            "run it at a terminal; `minicloud status --watch` shows the same elsewhere",
        )
    }

    pub(crate) fn terminal_cannot_be_drawn_on() -> Self {
        Self::new(
            Exit::Failure,
            "the terminal cannot be drawn on: its kind is `dumb`, or not said at all",
            "TERM",
            "set TERM to what the terminal is, or watch with `minicloud status --watch`",
        )
    }

    pub(crate) fn terminal_lost(error: &io::Error) -> Self {
        Self::new(
            Exit::Failure,
            format!("the terminal does not work: {error}"),
            "stdin and stdout",
            "run it at a terminal; `minicloud status --watch` shows the same elsewhere",
        )
    }

    pub(crate) fn not_agreed() -> Self {
        Self::new(
            Exit::Failure,
            "nothing was applied",
            "the answer to the question",
            "answer `yes`, the whole word, to apply",
        )
    }

    pub(crate) fn template_version_unknown(name: &str, version: VersionSelector) -> Self {
        Self::new(
            Exit::NotFound,
            format!("there is no version {version} (InvalidLaunchTemplateId.VersionNotFound)"),
            format!("launch template {name}"),
            format!("`minicloud launch-templates {name}` lists those that there are"),
        )
    }

    pub(crate) fn no_rule(url: &str, why: &impl Display) -> Self {
        Self::new(
            Exit::NotFound,
            why.to_string(),
            url,
            "`minicloud status` shows where listeners are",
        )
    }

    pub(crate) fn request_failure_unknown(trace_id: &str) -> Self {
        Self::new(
            Exit::NotFound,
            "the balancer reports no failed request of that id; it keeps the last ones only, \
             and those alone that it answered 5xx by itself or had to cut",
            format!("trace id {trace_id}"),
            "`minicloud why` lists those that it keeps; the access log has them all",
        )
    }

    pub(crate) fn health_unknown(endpoint: &Endpoint, error: &HttpError) -> Self {
        Self::new(
            Exit::Failure,
            error.to_string(),
            endpoint.to_string(),
            "start the part that listens there",
        )
    }

    pub(crate) fn not_ready(endpoint: &Endpoint, status: StatusCode) -> Self {
        Self::new(
            Exit::Failure,
            format!("not ready: {status}"),
            endpoint.to_string(),
            "wait, or read the log of the part that listens there",
        )
    }

    pub(crate) fn verb_unknown(verb: &str) -> Self {
        Self::new(
            Exit::NotFound,
            "there is no such command",
            format!("minicloud {verb}"),
            "`minicloud help` lists those that there are",
        )
    }

    pub(crate) fn section_unknown(section: &str) -> Self {
        Self::new(
            Exit::NotFound,
            format!("there is no section `{section}`"),
            "the reference that is compiled in",
            "`minicloud docs` lists those that there are",
        )
    }

    pub(crate) fn no_listener(group: &str) -> Self {
        Self::new(
            Exit::Conflict,
            "no listener leads to it by default",
            format!("group {group}"),
            "say with --target where to send requests",
        )
    }

    pub(crate) fn requests_failed(target: &Endpoint, errors: &str) -> Self {
        Self::new(
            Exit::Failure,
            format!("not every request was answered well: {errors}"),
            target.to_string(),
            "`minicloud why` tells of those that the balancer could not serve",
        )
    }
}
