//! Ending: SIGTERM, the grace, SIGKILL (all the engine's work), then removal.

use std::time::Duration;

use bollard::query_parameters::{
    InspectContainerOptions, RemoveContainerOptions, StopContainerOptions,
};
use tokio::time::Instant;

use super::{
    DockerProvider,
    clone::NETWORK_LABEL,
    compose::PROJECT,
    engine::{Engine, Fault},
    list, network,
};
use crate::{
    instance::InstanceId,
    provider::{ProviderError, STOP_GRACE, identity::LABELS},
};

/// Beyond the grace, for an engine under load to kill and to answer.
const STOP_MARGIN: Duration = Duration::from_secs(30);
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);
const REMOVAL_POLL: Duration = Duration::from_millis(100);

pub(super) async fn terminate(
    provider: &DockerProvider,
    id: &InstanceId,
) -> Result<(), ProviderError> {
    let instance = format!("{}={id}", LABELS.instance_id);
    let found = list::containers(&provider.engine, true, &[&provider.owned(), &instance]).await?;
    for found in found {
        let Some(container) = &found.id else { continue };
        Fault::or_missing(stop(&provider.engine, container).await)?;
        remove(&provider.engine, container).await?;
        let is_clone = list::label(&found, NETWORK_LABEL).is_some();
        if let Some(project) = list::label(&found, PROJECT).filter(|_| is_clone) {
            // What is left of a network costs nothing; the instance has ended.
            if let Err(error) = network::remove_left_behind(&provider.engine, project).await {
                tracing::warn!(project, %error, "the networks of a project that is gone stay");
            }
        }
    }
    Ok(())
}

async fn stop(engine: &Engine, container: &str) -> Result<(), Fault> {
    let options = StopContainerOptions {
        signal: Some("SIGTERM".to_owned()),
        t: i32::try_from(STOP_GRACE.as_secs()).ok(),
    };
    engine
        .call_within(STOP_GRACE + STOP_MARGIN, async |docker| {
            docker.stop_container(container, Some(options)).await
        })
        .await
}

async fn remove(engine: &Engine, container: &str) -> Result<(), Fault> {
    let options = RemoveContainerOptions {
        v: true,
        force: true,
        ..RemoveContainerOptions::default()
    };
    let removed = engine
        .call(async |docker| docker.remove_container(container, Some(options)).await)
        .await;
    match removed {
        // Somebody else is removing it.
        Err(Fault::Conflict(_)) => until_gone(engine, container).await,
        removed => Fault::or_missing(removed),
    }
}

async fn until_gone(engine: &Engine, container: &str) -> Result<(), Fault> {
    let deadline = Instant::now() + REMOVAL_LIMIT;
    loop {
        let found = engine
            .call(async |docker| {
                let options = None::<InspectContainerOptions>;
                docker.inspect_container(container, options).await
            })
            .await;
        match found {
            Err(Fault::Missing(_)) => return Ok(()),
            Err(fault) => return Err(fault),
            Ok(_) if Instant::now() > deadline => {
                return Err(Fault::Failed(format!(
                    "container {container} is being removed, and stays"
                )));
            }
            Ok(_) => tokio::time::sleep(REMOVAL_POLL).await,
        }
    }
}
