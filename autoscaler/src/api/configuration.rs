//! Plan before act: what a configuration would change, and putting it in force.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::{StatusCode, header},
};
use serde::Deserialize;
use tokio::{sync::oneshot, task::spawn_blocking};
use utoipa::IntoParams;

use super::{Api, body, fault::Fault, segment::Parameters, wire::EffectiveConfiguration};
use crate::{
    change_set::ChangeSet,
    command::{Command, CommandError, SubmittedConfiguration},
    config::{self, Config, Faults, Origin},
    describe::View,
};

type Answer = Result<Json<ChangeSet>, Fault>;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyParameters {
    /// Of the plan that was reviewed.
    fingerprint: String,
}

/// A request body that is a configuration file. A form cannot forge it: only
/// `application/yaml` (RFC 9512) passes, which a browser does not send across origins unasked.
pub(super) struct YamlBody(Bytes);

impl<S: Send + Sync> FromRequest<S> for YamlBody {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        if body::essence(request.headers()).is_none_or(|it| !it.eq_ignore_ascii_case(YAML)) {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                format!(
                    "the body must be a configuration file: send `{}: {YAML}`",
                    header::CONTENT_TYPE
                ),
            ));
        }
        body::read(request, state).await.map(Self)
    }
}

const YAML: &str = "application/yaml";

/// The configuration in force: every value, and where it comes from.
///
/// Of the file, or of what was applied since, with the sizes that groups have now. What the API
/// made beside it (launch templates, policies, actions, key pairs) has routes of its own.
#[utoipa::path(
    get,
    path = "/v1/configuration",
    operation_id = "DescribeConfiguration",
    tag = "configuration",
    responses((status = 200, body = EffectiveConfiguration))
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
) -> Result<Json<EffectiveConfiguration>, Fault> {
    let view = api.view.borrow().clone();
    in_force(view).await.map(Json)
}

/// # Errors
/// The loop has not said anything yet.
pub(crate) async fn in_force(view: Arc<View>) -> Result<EffectiveConfiguration, Fault> {
    match view.configuration.text.is_empty() {
        true => Err(Fault::not_ready()),
        false => aside(move || effective(&view)).await,
    }
}

fn effective(view: &View) -> Result<EffectiveConfiguration, Faults> {
    let mut values = config::effective(&view.configuration.text)?;
    for group in &view.auto_scaling_groups {
        let name = &group.auto_scaling_group_name;
        for (key, now) in [
            ("min_size", group.min_size),
            ("max_size", group.max_size),
            ("desired_capacity", group.desired_capacity),
        ] {
            let path = format!("auto_scaling_groups.{name}.{key}");
            // Not of the file: adopted, or on its way out.
            let Some(value) = values.iter_mut().find(|value| value.path == path) else {
                continue;
            };
            if value.value.parse().is_ok_and(|written: u32| written != now) {
                value.origin = Origin::Runtime;
            }
            value.value = now.to_string();
        }
    }
    Ok(EffectiveConfiguration {
        configuration: view.configuration.clone(),
        values,
    })
}

/// What putting a configuration file in force would change; changes nothing.
#[utoipa::path(
    post,
    path = "/v1/plan",
    operation_id = "CreateChangeSet",
    tag = "configuration",
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = ChangeSet))
)]
pub(super) async fn plan(State(api): State<Arc<Api>>, YamlBody(text): YamlBody) -> Answer {
    let submitted = read(&api, &text).await?;
    ask(&api, |reply| Command::PlanConfiguration {
        submitted,
        reply,
    })
    .await
}

/// Puts a configuration file in force, if that still changes what was planned.
///
/// Answers once the loop has recorded the configuration and goes by it.
#[utoipa::path(
    post,
    path = "/v1/apply",
    operation_id = "ExecuteChangeSet",
    tag = "configuration",
    params(ApplyParameters),
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = ChangeSet))
)]
pub(super) async fn apply(
    State(api): State<Arc<Api>>,
    Parameters(ApplyParameters { fingerprint }): Parameters<ApplyParameters>,
    YamlBody(text): YamlBody,
) -> Answer {
    let submitted = read(&api, &text).await?;
    ask(&api, |reply| Command::ApplyConfiguration {
        submitted,
        fingerprint,
        reply,
    })
    .await
}

async fn read(api: &Api, text: &Bytes) -> Result<Box<SubmittedConfiguration>, Fault> {
    let (provider, text) = (api.provider_kind, text.to_vec());
    aside(move || {
        let config = Config::parse_for(&text, provider)?;
        Ok(Box::new(SubmittedConfiguration { config, text }))
    })
    .await
}

/// For a large file keeps a thread busy for long.
async fn aside<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Faults> + Send + 'static,
) -> Result<T, Fault> {
    match spawn_blocking(read).await {
        Ok(read) => read.map_err(|faults| Fault::configuration(&faults)),
        Err(_) => Err(Fault::loop_gone()),
    }
}

async fn ask(
    api: &Api,
    command: impl FnOnce(oneshot::Sender<Result<ChangeSet, CommandError>>) -> Command,
) -> Answer {
    let (reply, answer) = oneshot::channel();
    let sent = api.commands.send(command(reply)).await;
    sent.map_err(|_| Fault::loop_gone())?;
    let changes = answer.await.map_err(|_| Fault::loop_gone())??;
    Ok(Json(changes))
}
