//! Listing: one call for the instances, one for what counts to them, and a look at each that
//! ended.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    models::{ContainerState, ContainerSummary, ContainerSummaryStateEnum, PortSummary},
    query_parameters::{InspectContainerOptions, ListContainersOptions},
};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::{
    DockerConfig, DockerProvider,
    clone::NETWORK_LABEL,
    container::PORT_LABEL,
    engine::{Engine, Fault},
    user_data::{self, Seen},
};
use crate::{
    instance::InstanceId,
    provider::{
        InstanceFault, ObservedInstance, ObservedState, ProviderError,
        identity::{Identity, LABELS},
    },
};

/// Names the instance that a container's CPU counts to: a stress container beside it, say.
const COUNTS_TO: &str = "minicloud.counts-to";
/// Of the engine's own words about an end, which may quote the container's.
const LONGEST_ERROR: usize = 200;

pub(super) async fn list(
    provider: &DockerProvider,
) -> Result<Vec<ObservedInstance>, ProviderError> {
    let owned = provider.owned();
    let ours = [owned.as_str(), LABELS.instance_id];
    let (containers, counting) = tokio::try_join!(
        containers(&provider.engine, true, &ours),
        containers(&provider.engine, false, &[COUNTS_TO]),
    )?;
    let counting = by_instance(&counting);
    let ids = containers.iter().filter_map(|one| one.id.as_deref());
    provider.user_data.retain(&ids.collect());
    let observed = containers
        .iter()
        .map(|container| observe(provider, container, &counting));
    let mut instances: Vec<ObservedInstance> = try_join_all(observed)
        .await?
        .into_iter()
        .flatten()
        .collect();
    instances.sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
    Ok(instances)
}

/// Containers with all of these labels (`name` or `name=value`); with `all`, also those that
/// do not run.
pub(super) async fn containers(
    engine: &Engine,
    all: bool,
    labels: &[&str],
) -> Result<Vec<ContainerSummary>, Fault> {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    let options = ListContainersOptions {
        all,
        filters: Some(HashMap::from([("label".to_owned(), labels)])),
        ..ListContainersOptions::default()
    };
    engine
        .call(async |docker| docker.list_containers(Some(options)).await)
        .await
}

pub(super) fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(name).map(String::as_str)
}

fn by_instance(counting: &[ContainerSummary]) -> BTreeMap<InstanceId, Vec<String>> {
    let mut by_instance: BTreeMap<InstanceId, Vec<String>> = BTreeMap::new();
    for container in counting {
        let instance = label(container, COUNTS_TO).and_then(|id| id.parse().ok());
        if let (Some(instance), Some(id)) = (instance, &container.id) {
            by_instance.entry(instance).or_default().push(id.clone());
        }
    }
    by_instance.values_mut().for_each(|ids| ids.sort());
    by_instance
}

/// `None` for what is not an instance of ours, or not any more.
async fn observe(
    provider: &DockerProvider,
    container: &ContainerSummary,
    counting: &BTreeMap<InstanceId, Vec<String>>,
) -> Result<Option<ObservedInstance>, Fault> {
    let Some((identity, launch_time, id)) = read(container) else {
        return Ok(None);
    };
    let state = match container.state {
        Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD) => {
            match ended(&provider.engine, id).await? {
                Some(detail) => ObservedState::Exited { detail },
                None => return Ok(None),
            }
        }
        Some(ContainerSummaryStateEnum::REMOVING) => ObservedState::Exited {
            detail: "it is being removed".to_owned(),
        },
        Some(ContainerSummaryStateEnum::CREATED) => ObservedState::Starting,
        _ => match address(&provider.config, container) {
            Some(address) => ObservedState::Running { address },
            None => ObservedState::Starting,
        },
    };
    let (state, faults) = match label(container, user_data::LABEL) {
        Some(value) if state != ObservedState::Starting => {
            let seen = provider.user_data.of(&provider.engine, id).await;
            let required = value == user_data::REQUIRED;
            let state = user_data::state_after(state, &seen, required);
            (state, faults(seen))
        }
        _ => (state, Vec::new()),
    };
    let mut metric_ids = vec![id.to_owned()];
    metric_ids.extend(
        counting
            .get(&identity.instance_id)
            .cloned()
            .unwrap_or_default(),
    );
    let observed = identity.observed(launch_time, state, metric_ids.into());
    Ok(Some(ObservedInstance {
        faults,
        image: container.image.clone(),
        ..observed
    }))
}

fn faults(seen: Seen) -> Vec<InstanceFault> {
    match seen {
        Seen::Ended(Some(failure)) => vec![InstanceFault::UserData(failure)],
        Seen::Ended(None) | Seen::Runs => Vec::new(),
    }
}

fn read(container: &ContainerSummary) -> Option<(Identity, Timestamp, &str)> {
    let labels = container.labels.as_ref()?;
    let identity = Identity::read(&LABELS, |name| labels.get(name).map(String::as_str))?;
    let launch_time = Timestamp::from_second(container.created?).ok()?;
    Some((identity, launch_time, container.id.as_deref()?))
}

/// Whether its HEALTHCHECK, if it has one, has come to a result: in the words that the engine's
/// list has had for it since Docker 1.12.
pub(super) fn is_checked_yet(container: &ContainerSummary) -> bool {
    let status = container.status.as_deref().unwrap_or_default();
    !status.contains("(health: starting)")
}

fn address(config: &DockerConfig, container: &ContainerSummary) -> Option<String> {
    let port: u16 = label(container, PORT_LABEL)?.parse().ok()?;
    // A clone is on its service's networks, one of which it is reached on from anywhere.
    let of_clone = label(container, NETWORK_LABEL);
    if of_clone.is_some() && !is_checked_yet(container) {
        return None;
    }
    if config.publish && of_clone.is_none() {
        let is_published = |published: &&PortSummary| {
            published.private_port == port && published.ip.as_deref() == Some("127.0.0.1")
        };
        let published = container.ports.as_ref()?.iter().find(is_published)?;
        return Some(format!("127.0.0.1:{}", published.public_port?));
    }
    let networks = container.network_settings.as_ref()?.networks.as_ref()?;
    let network = of_clone.unwrap_or(&config.network);
    let ip = networks.get(network)?.ip_address.as_deref()?;
    // Empty while it starts; and nothing but an address is passed on to the balancer.
    let ip: std::net::IpAddr = ip.parse().ok()?;
    Some(std::net::SocketAddr::new(ip, port).to_string())
}

/// How a container ended; `None` where it has vanished meanwhile.
async fn ended(engine: &Engine, id: &str) -> Result<Option<String>, Fault> {
    let found = engine
        .call(async |docker| {
            let options = None::<InspectContainerOptions>;
            docker.inspect_container(id, options).await
        })
        .await;
    match found {
        Ok(found) => Ok(Some(detail(&found.state.unwrap_or_default()))),
        Err(Fault::Missing(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(super) fn detail(state: &ContainerState) -> String {
    let mut detail = match state.exit_code {
        Some(code) => format!("exit code {code}"),
        None => "exit code unknown".to_owned(),
    };
    if state.oom_killed == Some(true) {
        detail += ", out of memory";
    }
    let error = state.error.as_deref().unwrap_or_default();
    if !error.is_empty() {
        detail += ": ";
        detail.extend(error.chars().take(LONGEST_ERROR));
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_says_how() {
        let state = |exit_code, oom_killed, error: &str| ContainerState {
            exit_code: Some(exit_code),
            oom_killed: Some(oom_killed),
            error: Some(error.to_owned()),
            ..ContainerState::default()
        };
        assert_eq!(detail(&state(3, false, "")), "exit code 3");
        assert_eq!(
            detail(&state(137, true, "")),
            "exit code 137, out of memory"
        );
        assert!(detail(&state(1, false, &"x".repeat(9999))).len() < 300);
    }

    #[test]
    fn container_counts_only_to_an_instance_id() {
        let container = |id: &str, counts_to: &str| ContainerSummary {
            id: Some(id.to_owned()),
            labels: Some(HashMap::from([(
                COUNTS_TO.to_owned(),
                counts_to.to_owned(),
            )])),
            ..ContainerSummary::default()
        };
        let counting = by_instance(&[
            container("b", "i-0123abcd"),
            container("a", "i-0123abcd"),
            container("c", "web"),
        ]);
        let expected = (
            "i-0123abcd".parse().unwrap(),
            vec!["a".to_owned(), "b".to_owned()],
        );
        assert_eq!(counting, BTreeMap::from([expected]));
    }
}
