//! Launching: create under a name that only this instance has, then start.

use std::{collections::BTreeMap, time::Duration};

use bollard::{
    models::{
        ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, EndpointSettings,
    },
    query_parameters::{
        CreateContainerOptions, InspectContainerOptions, RemoveContainerOptions,
        StartContainerOptions,
    },
};

use super::{DockerProvider, clone, container, engine::Fault, image, network};
use crate::{
    instance_type::HostSize,
    launch_template::ComposeService,
    provider::{LaunchError, LaunchRequest, identity::LABELS, template},
};

/// A name can be taken by a container that is not there yet, or not any more: an earlier
/// request for it may still be under way on the engine.
const NAME_ATTEMPTS: usize = 50;
const NAME_RETRY: Duration = Duration::from_millis(100);

pub(super) async fn launch(
    provider: &DockerProvider,
    request: &LaunchRequest,
) -> Result<(), LaunchError> {
    let wanted = match &request.launch_template.clone_of {
        Some(service) => clone_of(provider, request, service).await?,
        None => instance_of(provider, request).await?,
    };
    for _ in 0..NAME_ATTEMPTS {
        if let Some(id) = create_or_find(provider, request, &wanted).await? {
            return start(provider, request, &id, &wanted.endpoints).await;
        }
        tokio::time::sleep(NAME_RETRY).await;
    }
    Err(LaunchError::Failed(format!(
        "the engine neither has nor makes container `{}`",
        wanted.name
    )))
}

/// The container that is to be there.
struct Wanted {
    name: String,
    image: String,
    body: ContainerCreateBody,
    /// The networks that it is on, and how.
    endpoints: BTreeMap<String, EndpointSettings>,
}

async fn instance_of(
    provider: &DockerProvider,
    request: &LaunchRequest,
) -> Result<Wanted, LaunchError> {
    template::check_env(&request.launch_template)?;
    let image = image(request)?;
    check_template(provider, request).await?;
    let run = image::run_of(provider, &request.launch_template, image).await?;
    let networks = network::names(&provider.config, request);
    let ensured = network::ensure(provider, &networks).await;
    ensured.map_err(network_error)?;
    let networks = networks.into_iter();
    Ok(Wanted {
        name: container::name(&provider.config, request),
        image: image.to_owned(),
        body: container::body(&provider.config, request, image, &run),
        endpoints: networks
            .map(|network| (network, EndpointSettings::default()))
            .collect(),
    })
}

async fn clone_of(
    provider: &DockerProvider,
    request: &LaunchRequest,
    service: &ComposeService,
) -> Result<Wanted, LaunchError> {
    let clone = clone::of_seed(provider, request, service).await?;
    Ok(Wanted {
        name: clone::name(service, request),
        image: clone.image,
        body: clone.body,
        endpoints: clone.endpoints,
    })
}

/// What the engine itself would take: a memory limit beyond the machine's, and any mount.
async fn check_template(
    provider: &DockerProvider,
    request: &LaunchRequest,
) -> Result<(), LaunchError> {
    let template = &request.launch_template;
    if let Some(fault) = template.fault() {
        let name = &template.name;
        return Err(LaunchError::Template(format!(
            "launch template `{name}`: {fault}"
        )));
    }
    // Else it would be on the network of those that are in no group, which everybody shares.
    if !template.security_groups.is_empty() && request.networks.is_empty() {
        let (name, groups) = (&template.name, template.security_groups.join(", "));
        return Err(LaunchError::Template(format!(
            "launch template `{name}`: none of its security groups exists any more: {groups}"
        )));
    }
    if template.instance_type.is_none() {
        return Ok(());
    }
    let info = provider
        .engine
        .call(async |docker| docker.info().await)
        .await?;
    let vcpus = info.ncpu.and_then(|count| i32::try_from(count).ok());
    let memory = info.mem_total.and_then(|bytes| u64::try_from(bytes).ok());
    let host = vcpus.zip(memory).map(|(vcpus, memory)| HostSize {
        vcpus: f64::from(vcpus),
        memory,
    });
    template::check_size(template, host)
}

fn image(request: &LaunchRequest) -> Result<&str, LaunchError> {
    let template = &request.launch_template;
    template.image.as_deref().ok_or_else(|| {
        LaunchError::Template(format!(
            "launch template `{}` has no `image`, which the docker provider needs",
            template.name
        ))
    })
}

/// The container to start; `None` where the name is taken and nobody has it.
async fn create_or_find(
    provider: &DockerProvider,
    request: &LaunchRequest,
    wanted: &Wanted,
) -> Result<Option<String>, LaunchError> {
    let options = CreateContainerOptions {
        name: Some(wanted.name.clone()),
        ..CreateContainerOptions::default()
    };
    let body = wanted.body.clone();
    let created = provider
        .engine
        .call(async |docker| docker.create_container(Some(options), body).await)
        .await;
    match created {
        Ok(created) => Ok(Some(created.id)),
        Err(Fault::Missing(_)) => Err(image_missing(&wanted.image)),
        Err(Fault::Conflict(_)) => find(provider, request, &wanted.name).await,
        Err(fault) => Err(fault.into()),
    }
}

/// An engine pulls nothing by itself, and neither do we: a launch should not take minutes, nor
/// depend on a registry.
pub(super) fn image_missing(image: &str) -> LaunchError {
    LaunchError::Template(format!(
        "image `{image}` is not on this engine; build it (`docker compose build`) or pull it: \
         docker pull {image}"
    ))
}

async fn find(
    provider: &DockerProvider,
    request: &LaunchRequest,
    name: &str,
) -> Result<Option<String>, LaunchError> {
    let found = provider
        .engine
        .call(async |docker| {
            let options = None::<InspectContainerOptions>;
            docker.inspect_container(name, options).await
        })
        .await;
    match found {
        Ok(found) if is_ours(provider, request, &found) => Ok(found.id),
        Ok(_) => Err(LaunchError::Failed(format!(
            "the container name `{name}` is taken by a container that this minicloud did not \
             make; remove it: docker rm -f {name}"
        ))),
        Err(Fault::Missing(_)) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

fn is_ours(
    provider: &DockerProvider,
    request: &LaunchRequest,
    found: &ContainerInspectResponse,
) -> bool {
    let labels = found
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    let label = |name: &str| {
        labels
            .and_then(|labels| labels.get(name))
            .map(String::as_str)
    };
    label(LABELS.owner) == Some(&provider.config.owner)
        && label(LABELS.instance_id) == Some(request.instance_id.as_str())
}

/// Starts a container that was created and never ran; one that ran is left as it is.
async fn start(
    provider: &DockerProvider,
    request: &LaunchRequest,
    id: &str,
    endpoints: &BTreeMap<String, EndpointSettings>,
) -> Result<(), LaunchError> {
    let Some(container) = fresh(provider, id).await? else {
        return Ok(());
    };
    // One by one, before it runs: engines up to 24 take a single network with a new container.
    let joined = network::join(&provider.engine, &container, endpoints).await;
    joined.map_err(network_error)?;
    let started = provider
        .engine
        .call(async |docker| {
            let options = None::<StartContainerOptions>;
            docker.start_container(id, options).await
        })
        .await;
    match started {
        Ok(()) => Ok(()),
        // Whether it has started is not known; the next attempt finds out.
        Err(Fault::Unreachable(message)) => Err(LaunchError::Unreachable(message)),
        Err(fault) => {
            discard(provider, id).await;
            Err(start_error(request, fault))
        }
    }
}

/// The container, if it has never run.
async fn fresh(
    provider: &DockerProvider,
    id: &str,
) -> Result<Option<ContainerInspectResponse>, Fault> {
    let found = provider
        .engine
        .call(async |docker| {
            let options = None::<InspectContainerOptions>;
            docker.inspect_container(id, options).await
        })
        .await?;
    let status = found.state.as_ref().and_then(|state| state.status);
    Ok((status == Some(ContainerStateStatusEnum::CREATED)).then_some(found))
}

/// A container that cannot start is no instance. What stays in spite of this is listed as
/// starting, and terminated by the loop.
async fn discard(provider: &DockerProvider, id: &str) {
    let options = RemoveContainerOptions {
        v: true,
        force: true,
        ..RemoveContainerOptions::default()
    };
    let removed = provider
        .engine
        .call(async |docker| docker.remove_container(id, Some(options)).await)
        .await;
    if let Err(error) = removed {
        tracing::warn!(container = id, %error, "cannot remove a container that did not start");
    }
}

fn start_error(request: &LaunchRequest, fault: Fault) -> LaunchError {
    // The runtime's words for a command that is missing or not executable; the status that
    // carries them differs between engines (400, 404, 500).
    const COMMAND_FAULT: &str = "exec: \"";
    const SHELL_FAULT: &str = "exec: \"sh\"";
    const USER_FAULT: &str = "unable to find user";
    let message = fault.to_string();
    let template = &request.launch_template;
    let name = &template.name;
    if template.user_data.is_some() && message.contains(SHELL_FAULT) {
        LaunchError::Template(format!(
            "the image of launch template `{name}` has no shell, which user data needs; choose \
             another image, or leave out user_data"
        ))
    } else if message.contains(COMMAND_FAULT) || message.contains(USER_FAULT) {
        LaunchError::Template(format!(
            "the image of launch template `{name}` does not start: {message}"
        ))
    } else {
        LaunchError::from(fault)
    }
}

/// Never the template's fault, even where the engine calls our request invalid: it has run out
/// of addresses, say.
fn network_error(fault: Fault) -> LaunchError {
    match fault {
        Fault::Unreachable(message) => LaunchError::Unreachable(message),
        fault => LaunchError::Failed(format!("cannot make the instances' network: {fault}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch_template::{LaunchTemplate, UserData};

    #[test]
    fn image_without_a_shell_says_what_needs_one() {
        let request = LaunchRequest {
            instance_id: "i-0123abcd".parse().unwrap(),
            auto_scaling_group: "web".to_owned(),
            availability_zone: "a".to_owned(),
            index: 1,
            launch_template: LaunchTemplate {
                name: "web".to_owned(),
                user_data: Some(UserData::try_new("#!/bin/sh\n").unwrap()),
                ..LaunchTemplate::default()
            },
            networks: Vec::new(),
            seed: None,
        };
        let words = "runc create failed: exec: \"sh\": executable file not found in $PATH";
        let error = start_error(&request, Fault::Failed(words.to_owned()));
        let LaunchError::Template(message) = error else {
            panic!("{error:?}")
        };
        assert!(
            message.contains("has no shell, which user data needs"),
            "{message}"
        );
    }
}
