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

/// Every launch template.
#[utoipa::path(
    get,
    path = "/v1/launch-templates",
    operation_id = "DescribeLaunchTemplates",
    tag = "launch templates",
    responses((status = 200, body = LaunchTemplates))
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Answer<LaunchTemplates> {
    let launch_templates = ask(&api, |reply| LaunchTemplateCommand::Describe { reply }).await?;
    Ok(Json(LaunchTemplates { launch_templates }))
}

/// Makes a launch template with its first version.
#[utoipa::path(
    post,
    path = "/v1/launch-templates",
    operation_id = "CreateLaunchTemplate",
    tag = "launch templates",
    request_body = CreateLaunchTemplate,
    responses((status = 201, body = LaunchTemplateDescription))
)]
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

/// Sets a launch template's default version.
#[utoipa::path(
    patch,
    path = "/v1/launch-templates/{name}",
    operation_id = "ModifyLaunchTemplate",
    tag = "launch templates",
    params(("name" = String, Path)),
    request_body = ModifyLaunchTemplate,
    responses((status = 200, body = LaunchTemplateDescription))
)]
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

/// Deletes a launch template with all its versions.
#[utoipa::path(
    delete,
    path = "/v1/launch-templates/{name}",
    operation_id = "DeleteLaunchTemplate",
    tag = "launch templates",
    params(("name" = String, Path)),
    responses((status = 200, body = LaunchTemplateDescription))
)]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Segment(name): Segment,
) -> Answer<LaunchTemplateDescription> {
    let deleted = ask(&api, |reply| LaunchTemplateCommand::Delete { name, reply });
    deleted.await.map(Json)
}

/// A launch template's versions, oldest first.
#[utoipa::path(
    get,
    path = "/v1/launch-templates/{name}/versions",
    operation_id = "DescribeLaunchTemplateVersions",
    tag = "launch templates",
    params(("name" = String, Path)),
    responses((status = 200, body = LaunchTemplateVersions))
)]
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

/// Adds a version to a launch template.
#[utoipa::path(
    post,
    path = "/v1/launch-templates/{name}/versions",
    operation_id = "CreateLaunchTemplateVersion",
    tag = "launch templates",
    params(("name" = String, Path)),
    request_body = CreateLaunchTemplateVersion,
    responses((status = 201, body = LaunchTemplateVersionDescription))
)]
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

/// Deletes one version, named by its number.
#[utoipa::path(
    delete,
    path = "/v1/launch-templates/{name}/versions/{version}",
    operation_id = "DeleteLaunchTemplateVersions",
    tag = "launch templates",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = LaunchTemplateVersionDescription))
)]
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

/// EC2's instance types and those of the configuration file.
#[utoipa::path(
    get,
    path = "/v1/instance-types",
    operation_id = "DescribeInstanceTypes",
    tag = "launch templates",
    responses((status = 200, body = InstanceTypes))
)]
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
