use std::sync::Arc;

use askama::Template;
use axum::{Extension, extract::State, http::HeaderMap, response::Response};

use super::{
    Console,
    page::{self, Page, Refusal, Section},
    session::Session,
    text,
};
use crate::{
    api::{EffectiveConfiguration, in_force},
    config::Origin,
    describe::{Condition, ConditionKind, ConfigurationSource, View},
};

/// What is in force, and what was rejected.
struct ConfigurationPage;

#[derive(Template)]
#[template(path = "console/rejected.html")]
struct Rejected<'a> {
    rejected: Vec<&'a Condition>,
}

#[derive(Template)]
#[template(path = "console/configuration.html")]
struct Values {
    source: String,
    values: Vec<(String, String, String, bool)>,
}

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(session): Extension<Session>,
    headers: HeaderMap,
) -> Response {
    page::answer(console, session, headers, ConfigurationPage).await
}

impl Page for ConfigurationPage {
    fn title(&self) -> String {
        "Configuration".to_owned()
    }

    fn place(&self) -> &'static str {
        "/configuration"
    }

    async fn sections(&self, console: &Console, view: &View) -> Result<Vec<Section>, Refusal> {
        let groups = view.auto_scaling_groups.iter();
        let all = groups.flat_map(|group| &group.conditions);
        let is_rejection = |condition: &&Condition| {
            matches!(
                condition.kind,
                ConditionKind::AdoptionRejected
                    | ConditionKind::ConfigInvalid
                    | ConditionKind::LaunchTemplateNotFound
            )
        };
        let rejected = view.conditions.iter().chain(all).filter(is_rejection);
        let view = console.api.view.borrow().clone();
        let rejected = Rejected {
            rejected: rejected.collect(),
        };
        let configuration = in_force(view).await?;
        Ok(vec![
            Section::new("rejected", &rejected)?,
            Section::new("values", &Values::new(configuration))?,
        ])
    }
}

impl Values {
    fn new(configuration: EffectiveConfiguration) -> Self {
        let EffectiveConfiguration {
            configuration,
            values,
        } = configuration;
        let file = configuration.file.as_deref().unwrap_or("the file");
        let values = values.into_iter().map(|value| {
            let is_default = matches!(value.origin, Origin::Default | Origin::Pace);
            let origin = match value.origin {
                Origin::Written { line, column } => format!("line {line}, column {column}"),
                Origin::Default => "default".to_owned(),
                Origin::Pace => "default of the pace".to_owned(),
                Origin::Runtime => "set since, by a request or a policy".to_owned(),
            };
            (value.path, value.value, origin, is_default)
        });
        Self {
            source: match configuration.source {
                ConfigurationSource::BuiltIn => "the example that is built in".to_owned(),
                ConfigurationSource::File => file.to_owned(),
                ConfigurationSource::Applied => match configuration.applied_at {
                    Some(at) => format!("what was applied at {}", text::date(at)),
                    None => "what was applied".to_owned(),
                },
            },
            values: values.collect(),
        }
    }
}
