//! The Compose project that we are part of.

use std::{collections::HashMap, fs, time::Duration};

use bollard::{
    models::ContainerInspectResponse,
    query_parameters::{InspectContainerOptions, ListNetworksOptions},
};
use tokio::time::{Instant, sleep};

use super::{
    engine::{Engine, Fault},
    list,
};
use crate::provider::{LaunchRequest, ProviderError, identity::LABELS};

pub(super) const PROJECT: &str = "com.docker.compose.project";
pub(super) const SERVICE: &str = "com.docker.compose.service";
pub(super) const NETWORK: &str = "com.docker.compose.network";
pub(super) const NUMBER: &str = "com.docker.compose.container-number";
/// `True` on what is no replica of the service: `docker compose run`'s, and clones.
pub(super) const ONE_OFF: &str = "com.docker.compose.oneoff";
/// What sets one-off containers of a service apart.
pub(super) const SLUG: &str = "com.docker.compose.slug";
/// Without it Compose does not take a container for its own; the value matters only to
/// services that it converges, which a profile-gated one is not.
pub(super) const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// Labels of the project that its containers share.
const SHARED: [&str; 4] = [
    "com.docker.compose.project.working_dir",
    "com.docker.compose.project.config_files",
    "com.docker.compose.project.environment_file",
    "com.docker.compose.version",
];

/// The compose file's name for the network of instances.
const POOL: &str = "pool";
/// The service whose state tells a project that stops from an autoscaler that restarts.
pub(super) const BALANCER: &str = "lb";
/// `docker compose restart` stops the balancer too: it is back well within this, measured at
/// half a second.
const RESTART_GAP: Duration = Duration::from_secs(5);
const RESTART_LOOK: Duration = Duration::from_millis(200);

/// What instances need to look like containers of a Compose project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposeContext {
    pub project: String,
    /// The engine's name of the project's network `pool`.
    pub network: String,
    /// Labels that every container of the project carries, with their values.
    pub labels: Vec<(String, String)>,
}

/// What to do with the instances when the autoscaler is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// The project's balancer runs: this is a restart or an upgrade, and the next autoscaler
    /// adopts the instances.
    Keep,
    /// The balancer is gone or has exited (`docker compose down` and `stop` end it before us,
    /// as it depends on us), or there is no Compose.
    Terminate,
}

/// The project of the container that this process runs in.
pub(super) async fn detect(engine: &Engine) -> Result<Option<ComposeContext>, ProviderError> {
    let Some(id) = own_container() else {
        return Ok(None);
    };
    let own = engine
        .call(async |docker| {
            let options = None::<InspectContainerOptions>;
            docker.inspect_container(&id, options).await
        })
        .await;
    let labels = match own {
        Ok(own) => labels_of(own),
        // A container of another engine, or a host that is named like one.
        Err(Fault::Missing(_) | Fault::Invalid(_)) => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    match labels.get(PROJECT) {
        Some(project) => context(engine, project, &labels).await.map(Some),
        None => Ok(None),
    }
}

fn labels_of(container: ContainerInspectResponse) -> HashMap<String, String> {
    container
        .config
        .and_then(|config| config.labels)
        .unwrap_or_default()
}

/// The engine mounts a container's hostname from a folder that has the container's id.
fn own_container() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    own_mount(&mounts).or_else(|| {
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        let hostname = hostname.trim();
        is_container_id(hostname).then(|| hostname.to_owned())
    })
}

fn own_mount(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        if mount_point != "/etc/hostname" {
            return None;
        }
        let id = root.strip_suffix("/hostname")?.rsplit('/').next()?;
        is_container_id(id).then(|| id.to_owned())
    })
}

fn is_container_id(text: &str) -> bool {
    matches!(text.len(), 12 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

async fn context(
    engine: &Engine,
    project: &str,
    labels: &HashMap<String, String>,
) -> Result<ComposeContext, ProviderError> {
    let network = network(engine, project).await?.ok_or_else(|| {
        ProviderError::Failed(format!(
            "Compose project `{project}` has no network `{POOL}`: declare it under `networks:` \
             and put the `{BALANCER}` service on it"
        ))
    })?;
    let shared = SHARED
        .iter()
        .filter_map(|&name| Some((name.to_owned(), labels.get(name)?.clone())))
        .collect();
    Ok(ComposeContext {
        project: project.to_owned(),
        network,
        labels: shared,
    })
}

async fn network(engine: &Engine, project: &str) -> Result<Option<String>, Fault> {
    let labels = vec![format!("{PROJECT}={project}"), format!("{NETWORK}={POOL}")];
    let options = ListNetworksOptions {
        filters: Some(HashMap::from([("label".to_owned(), labels)])),
    };
    let networks = engine
        .call(async |docker| docker.list_networks(Some(options)).await)
        .await?;
    Ok(networks.into_iter().find_map(|network| network.name))
}

/// Labels that make an instance a container of the group's service.
pub(super) fn labels(context: &ComposeContext, request: &LaunchRequest) -> Vec<(String, String)> {
    let own = [
        (PROJECT, context.project.clone()),
        (SERVICE, request.auto_scaling_group.clone()),
        (NUMBER, request.index.to_string()),
        (ONE_OFF, "False".to_owned()),
        (CONFIG_HASH, "minicloud".to_owned()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    own.into_iter().chain(context.labels.clone()).collect()
}

/// Where the project's balancer stands.
enum Balancer {
    Running,
    Ended,
    Absent,
}

pub(super) async fn on_shutdown(engine: &Engine, context: Option<&ComposeContext>) -> Shutdown {
    let Some(context) = context else {
        return Shutdown::Terminate;
    };
    match balancer_is_back(engine, context).await {
        Ok(true) => Shutdown::Keep,
        Ok(false) => Shutdown::Terminate,
        // Not to be known: what is kept by mistake can be swept, what is ended cannot be undone.
        Err(error) => {
            tracing::warn!(%error, "cannot tell a restart from a stop; the instances are kept");
            Shutdown::Keep
        }
    }
}

/// Whether the balancer runs, or does again within [`RESTART_GAP`]: while Compose restarts it,
/// it is there and does not run. After `down` it is not there, and nothing is waited for.
async fn balancer_is_back(engine: &Engine, context: &ComposeContext) -> Result<bool, Fault> {
    let deadline = Instant::now() + RESTART_GAP;
    loop {
        match balancer(engine, context).await? {
            Balancer::Running => return Ok(true),
            Balancer::Absent => return Ok(false),
            Balancer::Ended if Instant::now() >= deadline => return Ok(false),
            Balancer::Ended => sleep(RESTART_LOOK).await,
        }
    }
}

async fn balancer(engine: &Engine, context: &ComposeContext) -> Result<Balancer, Fault> {
    let project = format!("{PROJECT}={}", context.project);
    let service = format!("{SERVICE}={BALANCER}");
    let found = list::containers(engine, true, &[&project, &service]).await?;
    let mut balancer = Balancer::Absent;
    for id in found.into_iter().filter_map(|container| container.id) {
        match runs(engine, &id).await? {
            Some(true) => return Ok(Balancer::Running),
            Some(false) => balancer = Balancer::Ended,
            None => {}
        }
    }
    Ok(balancer)
}

/// By inspection: a list is made from a copy that lags behind. Under load it has been seen to
/// call a container running that Compose had stopped before it turned to us.
async fn runs(engine: &Engine, id: &str) -> Result<Option<bool>, Fault> {
    let found = engine
        .call(async |docker| {
            let options = None::<InspectContainerOptions>;
            docker.inspect_container(id, options).await
        })
        .await;
    match found {
        Ok(found) => {
            let state = found.state.unwrap_or_default();
            Ok(Some(
                state.running == Some(true) || state.restarting == Some(true),
            ))
        }
        Err(Fault::Missing(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

pub(super) async fn strangers(
    engine: &Engine,
    context: &ComposeContext,
    group: &str,
) -> Result<Vec<String>, Fault> {
    let project = format!("{PROJECT}={}", context.project);
    let service = format!("{SERVICE}={group}");
    let found = list::containers(engine, true, &[&project, &service]).await?;
    Ok(found
        .into_iter()
        .filter(|container| list::label(container, LABELS.instance_id).is_none())
        .filter_map(|container| container.names?.into_iter().next())
        .map(|name| name.trim_start_matches('/').to_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn container_knows_itself_by_its_hostname_mount() {
        let mounts = format!(
            "621 600 0:53 / / rw - overlay overlay rw\n\
             633 621 254:0 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw\n\
             634 621 254:0 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(own_mount(&mounts).as_deref(), Some(ID));
    }

    #[test]
    fn host_is_no_container_though_it_has_some() {
        let mounts = format!(
            "99 22 0:45 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n\
             98 22 0:45 /etc/hostname /etc/hostname rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(own_mount(&mounts), None);
        assert!(!is_container_id("my-laptop-12"));
    }
}
