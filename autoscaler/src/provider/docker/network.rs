//! The network that instances join, where it is our own to make.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    models::{
        ContainerInspectResponse, EndpointSettings, NetworkConnectRequest, NetworkCreateRequest,
    },
    query_parameters::{InspectNetworkOptions, ListNetworksOptions},
};

use super::{
    DockerConfig, DockerProvider,
    compose::{NETWORK, PROJECT},
    engine::{Engine, Fault},
    list,
};
use crate::provider::{LaunchRequest, identity::LABELS};

/// The networks that an instance joins, the one of its address first: a network for each
/// security group, and the common one for those that are in none. In Compose, where the balancer
/// has to reach them on the project's own network, that one alone.
pub(super) fn names(config: &DockerConfig, request: &LaunchRequest) -> Vec<String> {
    if request.networks.is_empty() || config.compose.is_some() {
        return vec![config.network.clone()];
    }
    let names = request.networks.iter();
    names
        .map(|group| format!("{}-{group}", config.network))
        .collect()
}

/// Makes the networks unless they are there. In Compose they are Compose's to make.
pub(super) async fn ensure(provider: &DockerProvider, names: &[String]) -> Result<(), Fault> {
    if provider.config.compose.is_some() {
        return Ok(());
    }
    for name in names {
        ensure_one(provider, name).await?;
    }
    Ok(())
}

/// Puts a container on the networks that it is not on yet.
pub(super) async fn join(
    engine: &Engine,
    container: &ContainerInspectResponse,
    endpoints: &BTreeMap<String, EndpointSettings>,
) -> Result<(), Fault> {
    let settings = container.network_settings.as_ref();
    let joined = settings.and_then(|settings| settings.networks.as_ref());
    for (name, endpoint) in endpoints {
        if joined.is_some_and(|joined| joined.contains_key(name)) {
            continue;
        }
        let request = NetworkConnectRequest {
            container: container.id.clone().unwrap_or_default(),
            endpoint_config: Some(endpoint.clone()),
        };
        engine
            .call(async |docker| docker.connect_network(name, request).await)
            .await?;
    }
    Ok(())
}

async fn ensure_one(provider: &DockerProvider, name: &str) -> Result<(), Fault> {
    // Engines before 25 let two networks have one name: look and make in one step.
    let _making = provider.making_network.lock().await;
    if exists(&provider.engine, name).await? {
        return Ok(());
    }
    let labels = HashMap::from([(LABELS.owner.to_owned(), provider.config.owner.clone())]);
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels),
        ..NetworkCreateRequest::default()
    };
    let made = provider
        .engine
        .call(async |docker| docker.create_network(request).await)
        .await;
    match made {
        // Another minicloud was faster.
        Ok(_) | Err(Fault::Conflict(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

async fn exists(engine: &Engine, name: &str) -> Result<bool, Fault> {
    let found = engine
        .call(async |docker| {
            docker
                .inspect_network(name, None::<InspectNetworkOptions>)
                .await
        })
        .await;
    match found {
        Ok(_) => Ok(true),
        Err(Fault::Missing(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Removes networks of that name that carry our label and hold no container.
pub(super) async fn remove(engine: &Engine, config: &DockerConfig) -> Result<(), Fault> {
    remove_empty(engine, vec![format!("{}={}", LABELS.owner, config.owner)]).await
}

/// Removes the networks with these labels that hold no container.
async fn remove_empty(engine: &Engine, labels: Vec<String>) -> Result<(), Fault> {
    let options = ListNetworksOptions {
        filters: Some(HashMap::from([("label".to_owned(), labels)])),
    };
    let networks = engine
        .call(async |docker| docker.list_networks(Some(options)).await)
        .await?;
    for id in networks.into_iter().filter_map(|network| network.id) {
        let removed = engine
            .call(async |docker| docker.remove_network(&id).await)
            .await;
        match Fault::or_missing(removed) {
            Ok(()) => {}
            // 403 and 409: somebody's containers are in it.
            Err(Fault::Failed(reason) | Fault::Conflict(reason)) => {
                tracing::info!(network = id, reason, "the network stays");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// Removes the networks of a Compose project that `docker compose down` could not remove, since
/// our clones were on them: those of a project of which no container is left at all, stopped ones
/// included.
pub(super) async fn remove_left_behind(engine: &Engine, project: &str) -> Result<(), Fault> {
    let of_project = format!("{PROJECT}={project}");
    if !list::containers(engine, true, &[&of_project])
        .await?
        .is_empty()
    {
        return Ok(());
    }
    remove_empty(engine, vec![of_project, NETWORK.to_owned()]).await
}
