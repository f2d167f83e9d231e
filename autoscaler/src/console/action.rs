//! What one does to groups and instances: a page asks first and says what will happen, its form
//! does it, and the page of the group or instance tells what was done.

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension, Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    Console, group, instances,
    notice::Notice,
    page::{self, Refusal},
    session::Session,
};
use crate::{
    api,
    command::{CapacityUpdate, Command, InstanceProtection},
    describe::{AutoScalingGroup, Instance, View},
    instance::InstanceId,
};

/// What can be done to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum GroupAction {
    Scale,
}

/// What can be done to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum InstanceAction {
    Protect,
    Unprotect,
    Terminate,
}

/// What a form sends; each action reads its own fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    csrf: String,
    min_size: String,
    max_size: String,
    desired_capacity: String,
    /// A checkbox: absent where it is not set.
    decrement: Option<String>,
}

/// A page that asks.
#[derive(Template)]
#[template(path = "console/ask.html")]
struct Question<'a> {
    /// What will happen, in a sentence.
    consequence: String,
    /// What the button says.
    verb: &'static str,
    is_grave: bool,
    sizes: Option<Sizes>,
    /// What a checkbox says, where there is one.
    choice: Option<&'static str>,
    back: String,
    csrf: String,
    refused: Option<&'a str>,
}

struct Sizes {
    min_size: String,
    max_size: String,
    desired_capacity: String,
}

pub(super) async fn ask_of_group(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named((name, action)): page::Named<(String, GroupAction)>,
) -> Result<Response, Refusal> {
    refuse_if_read_only(&console)?;
    let view = console.api.view.borrow().clone();
    let group = group::find(&view, &name)?;
    let text = action.page(&console, &session, group, None)?;
    Ok(page::html(text))
}

pub(super) async fn act_on_group(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named((name, action)): page::Named<(String, GroupAction)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    refuse_if_read_only(&console)?;
    console.guard.check_token(&session, &fields.csrf)?;
    match action.perform(&console, &name, &fields).await {
        Ok(notice) => Ok(Redirect::to(&format!(
            "/groups/{}?done={}",
            page::path_segment(&name),
            notice.code()
        ))
        .into_response()),
        Err(refusal) => {
            let view = console.api.view.borrow().clone();
            let group = group::find(&view, &name)?;
            let refused = Some((&refusal, &fields));
            let text = action.page(&console, &session, group, refused)?;
            Ok((refusal.status(), page::html(text)).into_response())
        }
    }
}

pub(super) async fn ask_of_instance(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named((id, action)): page::Named<(String, InstanceAction)>,
) -> Result<Response, Refusal> {
    refuse_if_read_only(&console)?;
    let view = console.api.view.borrow().clone();
    let (group, instance) = instances::find(&view, &instance_id(&id)?)?;
    let text = action.page(&console, &session, group, instance, None)?;
    Ok(page::html(text))
}

pub(super) async fn act_on_instance(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named((id, action)): page::Named<(String, InstanceAction)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    refuse_if_read_only(&console)?;
    console.guard.check_token(&session, &fields.csrf)?;
    let id = instance_id(&id)?;
    let view = console.api.view.borrow().clone();
    match action.perform(&console, &view, &id, &fields).await {
        Ok(notice) => {
            let to = format!("/instances/{id}?done={}", notice.code());
            Ok(Redirect::to(&to).into_response())
        }
        Err(refusal) => {
            let view = console.api.view.borrow().clone();
            let (group, instance) = instances::find(&view, &id)?;
            let text = action.page(&console, &session, group, instance, Some(&refusal))?;
            Ok((refusal.status(), page::html(text)).into_response())
        }
    }
}

fn refuse_if_read_only(console: &Console) -> Result<(), Refusal> {
    match console.api.read_only {
        false => Ok(()),
        true => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "This minicloud shows and changes nothing: it was started with --read-only.",
        )),
    }
}

fn instance_id(text: &str) -> Result<InstanceId, Refusal> {
    text.parse()
        .map_err(|_| Refusal::not_found("instance", text))
}

impl GroupAction {
    fn page(
        self,
        console: &Console,
        session: &Session,
        group: &AutoScalingGroup,
        refused: Option<(&Refusal, &Fields)>,
    ) -> Result<String, Refusal> {
        let name = &group.auto_scaling_group_name;
        let title = match self {
            Self::Scale => format!("Scale {name}"),
        };
        let question = Question {
            consequence: match self {
                Self::Scale => "The group launches or terminates instances until it has the desired capacity. Its scaling policies go on from there, within minimum and maximum.".to_owned(),
            },
            verb: match self {
                Self::Scale => "Set capacity",
            },
            is_grave: false,
            sizes: match self {
                Self::Scale => Some(Sizes::of(group, refused.map(|(_, fields)| fields))),
            },
            choice: None,
            back: format!("/groups/{}", page::path_segment(name)),
            csrf: console.guard.csrf_token(session),
            refused: refused.map(|(refusal, _)| refusal.message()),
        };
        page::still(console, session, title, "/", question.render()?)
    }

    async fn perform(
        self,
        console: &Console,
        name: &str,
        fields: &Fields,
    ) -> Result<Notice, Refusal> {
        match self {
            Self::Scale => {
                let update = CapacityUpdate {
                    min_size: Some(number("Minimum", &fields.min_size)?),
                    max_size: Some(number("Maximum", &fields.max_size)?),
                    desired_capacity: Some(number("Desired", &fields.desired_capacity)?),
                };
                api::update_capacity(&console.api, name, update).await?;
                Ok(Notice::Scaled)
            }
        }
    }
}

impl InstanceAction {
    fn page(
        self,
        console: &Console,
        session: &Session,
        group: &AutoScalingGroup,
        instance: &Instance,
        refused: Option<&Refusal>,
    ) -> Result<String, Refusal> {
        let (id, name) = (&instance.instance_id, &group.auto_scaling_group_name);
        let title = match self {
            Self::Protect => format!("Protect {id}"),
            Self::Unprotect => format!("Unprotect {id}"),
            Self::Terminate => format!("Terminate {id}"),
        };
        let question = Question {
            consequence: match self {
                Self::Protect => format!(
                    "{name} does not choose {id} when it scales in. A failed health check replaces it all the same."
                ),
                Self::Unprotect => format!("{name} may choose {id} when it scales in."),
                Self::Terminate => format!(
                    "{id} of {name} gets no new requests, finishes the {} it has in flight, and is ended. The group launches another in its place, unless the desired capacity is lowered with it.",
                    instance.in_flight
                ),
            },
            verb: match self {
                Self::Protect => "Protect from scale-in",
                Self::Unprotect => "Remove protection",
                Self::Terminate => "Terminate",
            },
            is_grave: self == Self::Terminate,
            sizes: None,
            choice: (self == Self::Terminate)
                .then_some("Lower the desired capacity by one, so that no other takes its place"),
            back: format!("/instances/{id}"),
            csrf: console.guard.csrf_token(session),
            refused: refused.map(Refusal::message),
        };
        page::still(console, session, title, "/instances", question.render()?)
    }

    async fn perform(
        self,
        console: &Console,
        view: &View,
        id: &InstanceId,
        fields: &Fields,
    ) -> Result<Notice, Refusal> {
        let (group, _) = instances::find(view, id)?;
        let protect = async |protected_from_scale_in| {
            let protection = InstanceProtection {
                instance_ids: vec![id.clone()],
                protected_from_scale_in,
            };
            let name = &group.auto_scaling_group_name;
            api::set_protection(&console.api, name, protection).await
        };
        match self {
            Self::Protect => {
                protect(true).await?;
                Ok(Notice::Protected)
            }
            Self::Unprotect => {
                protect(false).await?;
                Ok(Notice::Unprotected)
            }
            Self::Terminate => {
                api::ask(&console.api, |reply| {
                    Command::TerminateInstanceInAutoScalingGroup {
                        instance_id: id.clone(),
                        should_decrement_desired_capacity: fields.decrement.is_some(),
                        reply,
                    }
                })
                .await?;
                Ok(Notice::Terminated)
            }
        }
    }
}

impl Sizes {
    /// As they were sent, or as they are.
    fn of(group: &AutoScalingGroup, sent: Option<&Fields>) -> Self {
        match sent {
            Some(fields) => Self {
                min_size: fields.min_size.clone(),
                max_size: fields.max_size.clone(),
                desired_capacity: fields.desired_capacity.clone(),
            },
            None => Self {
                min_size: group.min_size.to_string(),
                max_size: group.max_size.to_string(),
                desired_capacity: group.desired_capacity.to_string(),
            },
        }
    }
}

fn number(what: &str, text: &str) -> Result<u32, Refusal> {
    text.trim().parse().map_err(|_| {
        let message = format!("{what}: a whole number from 0 is wanted.");
        Refusal::new(StatusCode::BAD_REQUEST, message)
    })
}
