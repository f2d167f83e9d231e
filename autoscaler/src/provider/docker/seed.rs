//! Containers of Compose services that ask to be adopted: one list a look, and an inspection of
//! each container that has not been seen as it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bollard::{
    models::{
        ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum, EndpointSettings,
    },
    query_parameters::InspectContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{
    DockerProvider,
    compose::{BALANCER, NUMBER, ONE_OFF, PROJECT, SERVICE},
    engine::{Engine, Fault},
    facts, list,
};
use crate::{
    adopt::{self, Balancer, Service, SharedNetworks},
    instance::InstanceId,
    provider::{
        ObservedSeed, ObservedService, ObservedServices, ProviderError, Revision, SeedState,
        identity::LABELS,
    },
};

/// Hex digits of a container's id that an instance id has room for.
const ID_DIGITS: usize = 17;
/// An engine answers slowly where it is asked for everything at once.
const INSPECTIONS_AT_ONCE: usize = 8;

/// What inspections have told, by container.
#[derive(Debug, Default)]
pub(super) struct Inspections(Mutex<BTreeMap<String, (Stamp, Facts)>>);

/// As long as it stays, an inspection tells nothing new.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    state: Option<ContainerSummaryStateEnum>,
    networks: BTreeSet<String>,
}

/// What only an inspection tells of a container.
#[derive(Clone, Debug)]
struct Facts {
    service: Service,
    revision: Revision,
    /// How it ended; meaningless while it runs.
    end: String,
}

impl Inspections {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, (Stamp, Facts)>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retain(&self, found: &[ContainerSummary]) {
        let ids: BTreeSet<&str> = found.iter().filter_map(|one| one.id.as_deref()).collect();
        self.known().retain(|id, _| ids.contains(id.as_str()));
    }

    /// `None` where the container has vanished meanwhile.
    async fn of(
        &self,
        engine: &Engine,
        container: &ContainerSummary,
    ) -> Result<Option<Facts>, Fault> {
        let id = container.id.as_deref().unwrap_or_default();
        let stamp = Stamp {
            state: container.state,
            networks: networks(container).map(|(name, _)| name.clone()).collect(),
        };
        if let Some((known, facts)) = self.known().get(id)
            && *known == stamp
        {
            return Ok(Some(facts.clone()));
        }
        let inspected = match inspect(engine, id).await {
            Ok(inspected) => inspected,
            Err(Fault::Missing(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let facts = Facts {
            service: facts::service(&inspected),
            revision: facts::revision(&inspected),
            end: list::detail(&inspected.state.unwrap_or_default()),
        };
        self.known().insert(id.to_owned(), (stamp, facts.clone()));
        Ok(Some(facts))
    }
}

pub(super) async fn inspect(engine: &Engine, id: &str) -> Result<ContainerInspectResponse, Fault> {
    engine
        .call(async |docker| {
            let options = None::<InspectContainerOptions>;
            docker.inspect_container(id, options).await
        })
        .await
}

pub(super) async fn services(provider: &DockerProvider) -> Result<ObservedServices, ProviderError> {
    let asking = [adopt::ENABLE, PROJECT, SERVICE];
    let (found, balancer) = tokio::try_join!(
        list::containers(&provider.engine, true, &asking),
        balancer(provider)
    )?;
    // Compose makes the balancer after us: until then nobody knows what it will reach.
    let Some(balancer) = balancer else {
        return Ok(ObservedServices::default());
    };
    let found: Vec<ContainerSummary> = found.into_iter().filter(is_seed).collect();
    provider.inspections.retain(&found);
    let looks = found.into_iter().map(|one| look(provider, one));
    let seen: Vec<Option<Seen>> = stream::iter(looks)
        .buffered(INSPECTIONS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(ObservedServices {
        services: by_service(seen.into_iter().flatten()),
        balancer,
    })
}

/// A container as it was seen, with the facts of its service.
struct Seen {
    seed: ObservedSeed,
    service: Service,
}

fn is_seed(container: &ContainerSummary) -> bool {
    list::label(container, ONE_OFF) != Some("True")
        && list::label(container, LABELS.instance_id).is_none()
        // It has never run: Compose is making it, and may not be done with the one before.
        && container.state != Some(ContainerSummaryStateEnum::CREATED)
}

async fn look(
    provider: &DockerProvider,
    container: ContainerSummary,
) -> Result<Option<Seen>, Fault> {
    let Some((instance_id, id)) = container.id.as_deref().and_then(with_instance_id) else {
        return Ok(None);
    };
    let created = container
        .created
        .and_then(|at| Timestamp::from_second(at).ok());
    let Some(facts) = provider
        .inspections
        .of(&provider.engine, &container)
        .await?
    else {
        return Ok(None);
    };
    let index = list::label(&container, NUMBER).and_then(|number| number.parse().ok());
    Ok(Some(Seen {
        seed: ObservedSeed {
            instance_id,
            index: index.unwrap_or(1),
            launch_time: created.unwrap_or_default(),
            state: state(&container, &facts.end),
            revision: facts.revision,
            metric_ids: vec![id.to_owned()],
        },
        service: facts.service,
    }))
}

/// Stable over restarts of anybody, without a label.
fn with_instance_id(container: &str) -> Option<(InstanceId, &str)> {
    let digits = container.get(..ID_DIGITS)?;
    Some((format!("i-{digits}").parse().ok()?, container))
}

/// The beginning of the container's id.
pub(super) fn container_prefix(seed: &InstanceId) -> &str {
    seed.as_str().trim_start_matches("i-")
}

fn state(container: &ContainerSummary, end: &str) -> SeedState {
    match container.state {
        Some(ContainerSummaryStateEnum::RUNNING) if list::is_checked_yet(container) => {
            let addresses = networks(container).filter_map(|(name, endpoint)| {
                let address = endpoint.ip_address.as_deref()?.parse().ok()?;
                Some((name.clone(), address))
            });
            SeedState::Running {
                addresses: addresses.collect(),
            }
        }
        Some(
            ContainerSummaryStateEnum::RUNNING
            | ContainerSummaryStateEnum::RESTARTING
            | ContainerSummaryStateEnum::PAUSED,
        ) => SeedState::Starting,
        _ => SeedState::Exited {
            detail: end.to_owned(),
        },
    }
}

fn networks(container: &ContainerSummary) -> impl Iterator<Item = (&String, &EndpointSettings)> {
    let settings = container.network_settings.as_ref();
    settings
        .and_then(|settings| settings.networks.as_ref())
        .into_iter()
        .flatten()
}

fn by_service(seen: impl Iterator<Item = Seen>) -> Vec<ObservedService> {
    let mut by_service: BTreeMap<(String, String), Vec<Seen>> = BTreeMap::new();
    for one in seen {
        let key = (one.service.project.clone(), one.service.service.clone());
        by_service.entry(key).or_default().push(one);
    }
    let services = by_service.into_values().filter_map(|mut seen| {
        // The newest that runs last.
        seen.sort_by(|one, other| {
            let rank = |seen: &Seen| (seen.seed.state.is_up(), seen.seed.launch_time);
            let (one_id, other_id) = (&one.seed.instance_id, &other.seed.instance_id);
            rank(one).cmp(&rank(other)).then(one_id.cmp(other_id))
        });
        let up = seen.iter().filter(|one| one.seed.state.is_up()).count();
        let newest = seen.last()?;
        let service = Service {
            seeds: u32::try_from(up).unwrap_or(u32::MAX),
            ..newest.service.clone()
        };
        Some(ObservedService {
            service,
            revision: newest.seed.revision.clone(),
            seeds: seen.into_iter().map(|one| one.seed).collect(),
        })
    });
    services.collect()
}

/// Who sends requests: the balancer of our project, or one on the host, which reaches every
/// address of the engine's networks. None where it has not been seen yet.
async fn balancer(provider: &DockerProvider) -> Result<Option<Balancer>, Fault> {
    let Some(context) = &provider.config.compose else {
        return Ok(Some(ObservedServices::default().balancer));
    };
    let project = format!("{PROJECT}={}", context.project);
    let service = format!("{SERVICE}={BALANCER}");
    let found = list::containers(&provider.engine, true, &[&project, &service]).await?;
    let is_up = |one: &&ContainerSummary| one.state == Some(ContainerSummaryStateEnum::RUNNING);
    let container = found.iter().find(is_up).or(found.first());
    let mut known = provider.balancer.lock().await;
    if let Some(container) = container {
        let names = container.names.as_ref().and_then(|names| names.first());
        *known = Some(Balancer {
            container: names
                .map_or_else(String::new, |name| name.trim_start_matches('/').to_owned()),
            networks: SharedNetworks::Named(
                networks(container).map(|(name, _)| name.clone()).collect(),
            ),
        });
    }
    // While Compose replaces it, it is on the networks that it was on.
    Ok(known.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::ContainerSummaryNetworkSettings;

    use super::*;

    fn container(state: ContainerSummaryStateEnum, status: &str) -> ContainerSummary {
        let endpoint = EndpointSettings {
            ip_address: Some("172.18.0.3".to_owned()),
            ..EndpointSettings::default()
        };
        ContainerSummary {
            state: Some(state),
            status: Some(status.to_owned()),
            network_settings: Some(ContainerSummaryNetworkSettings {
                networks: Some(HashMap::from([("shop_default".to_owned(), endpoint)])),
            }),
            ..ContainerSummary::default()
        }
    }

    fn seen(created: i64, up: bool, hash: &str) -> Seen {
        let state = match up {
            true => SeedState::Starting,
            false => SeedState::Exited {
                detail: "exit code 0".to_owned(),
            },
        };
        let revision = Revision {
            config_hash: hash.to_owned(),
            ..Revision::default()
        };
        Seen {
            seed: ObservedSeed {
                instance_id: format!("i-{created:017x}").parse().unwrap(),
                index: 1,
                launch_time: Timestamp::from_second(created).unwrap(),
                state,
                revision,
                metric_ids: Vec::new(),
            },
            service: Service {
                project: "shop".to_owned(),
                service: "api".to_owned(),
                ..Service::default()
            },
        }
    }

    #[test]
    fn seed_runs_once_its_health_check_has_passed() {
        use ContainerSummaryStateEnum as State;
        let up = container(State::RUNNING, "Up 2 seconds");
        let SeedState::Running { addresses } = state(&up, "") else {
            panic!("it has no health check to wait for");
        };
        assert_eq!(addresses["shop_default"].to_string(), "172.18.0.3");
        let starting = container(State::RUNNING, "Up 2 seconds (health: starting)");
        assert_eq!(state(&starting, ""), SeedState::Starting);
        let sick = container(State::RUNNING, "Up 2 minutes (unhealthy)");
        assert!(matches!(state(&sick, ""), SeedState::Running { .. }));
        let ended = container(State::EXITED, "Exited (0) 1 second ago");
        assert!(!state(&ended, "exit code 0").is_up());
    }

    #[test]
    fn service_is_as_its_newest_container_that_runs() {
        let seen = [
            seen(1, true, "old"),
            seen(3, false, "never mind"),
            seen(2, true, "new"),
        ];
        let services = by_service(seen.into_iter());
        assert_eq!(services.len(), 1);
        assert_eq!(services[0].revision.config_hash, "new");
        assert_eq!(services[0].service.seeds, 2);
        assert_eq!(services[0].seeds.len(), 3);
    }

    #[test]
    fn instance_id_leads_back_to_the_container() {
        let container = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let (id, _) = with_instance_id(container).unwrap();
        assert_eq!(id.as_str(), "i-0123456789abcdef0");
        assert!(container.starts_with(container_prefix(&id)));
        assert_eq!(with_instance_id("short"), None);
        assert_eq!(with_instance_id("../../../../etc/passwd"), None);
    }
}
