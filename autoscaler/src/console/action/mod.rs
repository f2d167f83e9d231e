//! What one does to groups and instances: a page asks first and says what will happen, its form
//! does it, and the page of the group or instance tells what was done.

mod of_group;
mod of_instance;

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    Extension, Form,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use self::{of_group::GroupAction, of_instance::InstanceAction};
use super::{
    Console, group, instances,
    page::{self, Refusal},
    session::Session,
};
use crate::instance::InstanceId;

/// What a form sends; each action reads its own.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Fields(BTreeMap<String, String>);

/// What a page asks.
struct Question {
    title: String,
    /// What will happen.
    consequence: String,
    /// What the button says.
    verb: &'static str,
    is_grave: bool,
    inputs: Vec<Input>,
}

enum Input {
    Number {
        name: &'static str,
        label: &'static str,
        value: String,
    },
    Box {
        name: String,
        label: String,
        /// What it means, where the label does not say it.
        hint: &'static str,
        is_set: bool,
    },
}

#[derive(Template)]
#[template(path = "console/ask.html")]
struct QuestionPage<'a> {
    question: &'a Question,
    back: &'a str,
    csrf: String,
    refused: Option<&'a str>,
}

impl Fields {
    /// Empty where it was not sent.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// Whether a box was checked: others are not sent.
    fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// # Errors
    /// Not a whole number.
    fn number(&self, name: &str, label: &str) -> Result<u32, Refusal> {
        self.text(name).parse().map_err(|_| {
            let message = format!("{label}: a whole number from 0 is wanted.");
            Refusal::new(StatusCode::BAD_REQUEST, message)
        })
    }
}

impl Question {
    fn new(title: String, consequence: impl Into<String>, verb: &'static str) -> Self {
        Self {
            title,
            consequence: consequence.into(),
            verb,
            is_grave: false,
            inputs: Vec::new(),
        }
    }

    /// What was typed stands in it again.
    fn refill(&mut self, sent: &Fields) {
        for input in &mut self.inputs {
            match input {
                Input::Number { name, value, .. } => sent.text(name).clone_into(value),
                Input::Box { name, is_set, .. } => *is_set = sent.is_set(name),
            }
        }
    }

    fn answer(
        mut self,
        console: &Console,
        session: &Session,
        back: &str,
        refused: Option<(&Refusal, &Fields)>,
    ) -> Result<Response, Refusal> {
        if let Some((_, sent)) = refused {
            self.refill(sent);
        }
        let page = QuestionPage {
            question: &self,
            back,
            csrf: console.guard.csrf_token(session),
            refused: refused.map(|(refusal, _)| refusal.message()),
        };
        let text = page.render()?;
        let text = page::still(console, session, self.title.clone(), "", text)?;
        let status = refused.map_or(StatusCode::OK, |(refusal, _)| refusal.status());
        Ok((status, page::html(text)).into_response())
    }
}

pub(super) async fn ask_of_group(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named((name, action)): page::Named<(String, GroupAction)>,
) -> Result<Response, Refusal> {
    refuse_if_read_only(&console)?;
    let view = console.api.view.borrow().clone();
    let question = action.question(group::find(&view, &name)?);
    question.answer(&console, &session, &group::address(&name), None)
}

pub(super) async fn act_on_group(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named((name, action)): page::Named<(String, GroupAction)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    refuse_if_read_only(&console)?;
    console.guard.check_token(&session, fields.text("csrf"))?;
    let view = console.api.view.borrow().clone();
    let group = group::find(&view, &name)?;
    let back = group::address(&name);
    match action.perform(&console.api, group, &fields).await {
        Ok(notice) => Ok(Redirect::to(&format!("{back}?done={}", notice.code())).into_response()),
        Err(refusal) => {
            let refused = Some((&refusal, &fields));
            let question = action.question(group);
            question.answer(&console, &session, &back, refused)
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
    let question = action.question(group, instance);
    question.answer(&console, &session, &format!("/instances/{id}"), None)
}

pub(super) async fn act_on_instance(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    page::Named((id, action)): page::Named<(String, InstanceAction)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    refuse_if_read_only(&console)?;
    console.guard.check_token(&session, fields.text("csrf"))?;
    let view = console.api.view.borrow().clone();
    let (group, instance) = instances::find(&view, &instance_id(&id)?)?;
    let back = format!("/instances/{id}");
    match action.perform(&console.api, instance, &fields).await {
        Ok(notice) => Ok(Redirect::to(&format!("{back}?done={}", notice.code())).into_response()),
        Err(refusal) => {
            let refused = Some((&refusal, &fields));
            let question = action.question(group, instance);
            question.answer(&console, &session, &back, refused)
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
