//! Plan before act: what a configuration would change, and putting it in force.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::{StatusCode, header},
};
use serde::Deserialize;
use tokio::sync::oneshot;
use utoipa::IntoParams;

use super::{Api, body, fault::Fault, segment::Parameters};
use crate::{
    change_set::ChangeSet,
    command::{Command, CommandError, SubmittedConfiguration},
    config::Config,
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

/// Aside, for a large file keeps a thread busy for long.
async fn read(api: &Api, text: &Bytes) -> Result<Box<SubmittedConfiguration>, Fault> {
    let (provider, text) = (api.provider_kind, text.to_vec());
    let read = tokio::task::spawn_blocking(move || {
        let config = Config::parse_for(&text, provider)?;
        Ok(Box::new(SubmittedConfiguration { config, text }))
    });
    match read.await {
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
