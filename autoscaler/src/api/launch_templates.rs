use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use tokio::sync::oneshot;

use super::{
    Api,
    body::JsonBody,
    fault::Fault,
    segment::{Segment, Segments},
    wire::{InstanceTypes, LaunchTemplateVersions, LaunchTemplates},
};
use crate::{
    command::{Command, LaunchTemplateCommand, TemplateReply},
    launch_template::describe::{
        CreateLaunchTemplate, CreateLaunchTemplateVersion, LaunchTemplateDescription,
        LaunchTemplateVersionDescription, ModifyLaunchTemplate,
    },
};

type Answer<T> = Result<Json<T>, Fault>;
type Created<T> = Result<(StatusCode, Json<T>), Fault>;

pub(super) async fn list(State(api): State<Arc<Api>>) -> Answer<LaunchTemplates> {
    let launch_templates = ask(&api, |reply| LaunchTemplateCommand::Describe { reply }).await?;
    Ok(Json(LaunchTemplates { launch_templates }))
}

pub(super) async fn create(
    State(api): State<Arc<Api>>,
    JsonBody(create): JsonBody<CreateLaunchTemplate>,
) -> Created<LaunchTemplateDescription> {
    let made = ask(&api, |reply| LaunchTemplateCommand::Create {
        create,
        reply,
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

pub(super) async fn modify(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(ModifyLaunchTemplate { default_version }): JsonBody<ModifyLaunchTemplate>,
) -> Answer<LaunchTemplateDescription> {
    let modified = ask(&api, |reply| LaunchTemplateCommand::Modify {
        name,
        default_version,
        reply,
    });
    modified.await.map(Json)
}

pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<LaunchTemplateDescription> {
    let deleted = ask(&api, |reply| LaunchTemplateCommand::Delete { name, reply });
    deleted.await.map(Json)
}

pub(super) async fn versions(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<LaunchTemplateVersions> {
    let launch_template_versions = ask(&api, |reply| LaunchTemplateCommand::DescribeVersions {
        name,
        reply,
    })
    .await?;
    Ok(Json(LaunchTemplateVersions {
        launch_template_versions,
    }))
}

pub(super) async fn create_version(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
    JsonBody(create): JsonBody<CreateLaunchTemplateVersion>,
) -> Created<LaunchTemplateVersionDescription> {
    let made = ask(&api, |reply| LaunchTemplateCommand::CreateVersion {
        name,
        create,
        reply,
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

pub(super) async fn delete_version(
    State(api): State<Arc<Api>>,
    Segments((name, version)): Segments<(String, String)>,
) -> Answer<LaunchTemplateVersionDescription> {
    let version = version.parse().map_err(|_| {
        Fault::validation("the version to delete is named by its number, such as 2")
    })?;
    let deleted = ask(&api, |reply| LaunchTemplateCommand::DeleteVersion {
        name,
        version,
        reply,
    });
    deleted.await.map(Json)
}

pub(super) async fn instance_types(State(api): State<Arc<Api>>) -> Answer<InstanceTypes> {
    let types = ask(&api, |reply| LaunchTemplateCommand::DescribeInstanceTypes {
        reply,
    })
    .await?;
    Ok(Json(InstanceTypes {
        instance_types: types.into_iter().map(Into::into).collect(),
    }))
}

async fn ask<T>(
    api: &Api,
    command: impl FnOnce(TemplateReply<T>) -> LaunchTemplateCommand,
) -> Result<T, Fault> {
    let (reply, answer) = oneshot::channel();
    let command = Command::LaunchTemplate(command(reply));
    api.commands
        .send(command)
        .await
        .map_err(|_| Fault::loop_gone())?;
    Ok(answer.await.map_err(|_| Fault::loop_gone())??)
}
