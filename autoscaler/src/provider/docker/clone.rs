//! The container that is a clone of a Compose service's: as the seed was made, minus what only
//! one container can have.
//!
//! It carries the service's Compose labels as a one-off container, what `docker compose run`
//! makes: Compose shows it to those who ask (`ps --all`), and neither counts nor converges it.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig, MountType,
    NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};

use super::{
    DockerConfig, DockerProvider,
    compose::{NUMBER, ONE_OFF, PROJECT, SERVICE, SLUG},
    container::{self, PORT_LABEL},
    engine::Fault,
    facts::{self, is_anonymous},
    seed,
};
use crate::{
    launch_template::ComposeService,
    provider::{
        LaunchError, LaunchRequest,
        identity::{ENVIRONMENT, Identity, LABELS},
    },
};

/// The network over which a clone is reached: it may be on several.
pub(super) const NETWORK_LABEL: &str = "minicloud.network";
/// Our labels; a seed's say how its service is adopted, which a clone's do not.
const OWN_LABELS: &str = "minicloud.";
/// Digits of a container's id that engines before 25 list as an alias.
const SHORT_ID: usize = 12;

/// What is to be created.
pub(super) struct Clone {
    pub(super) body: ContainerCreateBody,
    /// Of the image that the seed runs.
    pub(super) image: String,
    /// Every network that it joins.
    pub(super) endpoints: BTreeMap<String, EndpointSettings>,
}

/// The clone that is asked for, of a seed that is there now.
pub(super) async fn of_seed(
    provider: &DockerProvider,
    request: &LaunchRequest,
    service: &ComposeService,
) -> Result<Clone, LaunchError> {
    let gone = || {
        LaunchError::SeedGone(format!(
            "no container of service `{}` of project `{}` runs: it is launched from the next",
            service.service, service.project
        ))
    };
    let prefix = request.seed.as_ref().map(seed::container_prefix);
    let prefix = prefix.ok_or_else(gone)?;
    let found = match seed::inspect(&provider.engine, prefix).await {
        Ok(found) => found,
        Err(Fault::Missing(_)) => return Err(gone()),
        Err(fault) => return Err(fault.into()),
    };
    // A container can be named like the beginning of another's id.
    let is_it = found.id.as_deref().is_some_and(|id| id.starts_with(prefix))
        && facts::label(&found, PROJECT) == Some(&service.project)
        && facts::label(&found, SERVICE) == Some(&service.service)
        && facts::label(&found, LABELS.instance_id).is_none();
    if !is_it {
        return Err(gone());
    }
    Ok(made(&provider.config, request, service, found))
}

fn made(
    config: &DockerConfig,
    request: &LaunchRequest,
    service: &ComposeService,
    seed: ContainerInspectResponse,
) -> Clone {
    let endpoints: BTreeMap<String, EndpointSettings> = facts::endpoints(&seed)
        .map(|(name, endpoint)| (name.clone(), joined(request, service, &seed, endpoint)))
        .collect();
    let labels = labels(config, request, service, &seed);
    let image = seed.image.unwrap_or_default();
    let host = seed.host_config.unwrap_or_default();
    let own = seed.config.unwrap_or_default();
    let first = endpoints
        .get_key_value(&service.network)
        .or(endpoints.iter().next());
    let first = first.map(|(name, endpoint)| (name.clone(), endpoint.clone()));
    let mut variables = own.env.unwrap_or_default();
    let identity = Identity::of(request).entries(&ENVIRONMENT, &config.owner);
    variables.extend(identity.map(|(name, value)| format!("{name}={value}")));
    let body = ContainerCreateBody {
        domainname: own.domainname,
        user: own.user,
        exposed_ports: own.exposed_ports,
        tty: own.tty,
        open_stdin: own.open_stdin,
        env: Some(variables),
        cmd: own.cmd,
        healthcheck: own.healthcheck,
        args_escaped: own.args_escaped,
        image: Some(image.clone()),
        volumes: volumes(own.volumes, &host),
        working_dir: own.working_dir,
        entrypoint: own.entrypoint,
        labels: Some(labels),
        stop_signal: own.stop_signal,
        stop_timeout: own.stop_timeout,
        shell: own.shell,
        host_config: Some(host_config(host, first.as_ref().map(|(name, _)| name))),
        networking_config: first.map(|first| NetworkingConfig {
            endpoints_config: Some(HashMap::from([first])),
        }),
        // A name and an address of its own, and nobody's terminal.
        ..ContainerCreateBody::default()
    };
    Clone {
        body,
        image,
        endpoints,
    }
}

/// The service's names on a network, so that Compose's DNS finds clones too, and its own.
fn joined(
    request: &LaunchRequest,
    service: &ComposeService,
    seed: &ContainerInspectResponse,
    endpoint: &EndpointSettings,
) -> EndpointSettings {
    let name = seed.name.as_deref().unwrap_or_default();
    let short_id = seed.id.as_deref().and_then(|id| id.get(..SHORT_ID));
    let of_seed = |alias: &&String| {
        alias.as_str() == name.trim_start_matches('/') || Some(alias.as_str()) == short_id
    };
    let own = [service.service.clone(), request.instance_id.to_string()];
    let given = endpoint.aliases.iter().flatten();
    let mut aliases: Vec<String> = given.filter(|alias| !of_seed(alias)).cloned().collect();
    aliases.extend(own);
    aliases.sort();
    aliases.dedup();
    EndpointSettings {
        aliases: Some(aliases),
        links: endpoint.links.clone(),
        driver_opts: endpoint.driver_opts.clone(),
        gw_priority: endpoint.gw_priority,
        ..EndpointSettings::default()
    }
}

fn labels(
    config: &DockerConfig,
    request: &LaunchRequest,
    service: &ComposeService,
    seed: &ContainerInspectResponse,
) -> HashMap<String, String> {
    let of_seed = facts::labels(seed).filter(|(name, _)| !name.starts_with(OWN_LABELS));
    let mut labels: HashMap<String, String> = of_seed
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let identity = Identity::of(request).entries(&LABELS, &config.owner);
    let port = request.launch_template.port.to_string();
    let own = [
        (PORT_LABEL, port),
        (NETWORK_LABEL, service.network.clone()),
        (ONE_OFF, "True".to_owned()),
        (SLUG, request.instance_id.to_string()),
        (NUMBER, request.index.to_string()),
    ];
    let own = identity.into_iter().chain(own);
    labels.extend(own.map(|(name, value)| (name.to_owned(), value)));
    labels
}

/// Volumes that only the seed has, by where they are mounted: a clone gets others there.
fn volumes(image: Option<Vec<String>>, host: &HostConfig) -> Option<Vec<String>> {
    let binds = host.binds.iter().flatten();
    let binds = binds.filter_map(|bind| anonymous_bind(bind).map(ToOwned::to_owned));
    let mut volumes: Vec<String> = image.into_iter().flatten().chain(binds).collect();
    volumes.sort();
    volumes.dedup();
    (!volumes.is_empty()).then_some(volumes)
}

/// Where a bind mounts a volume without a name. Compose binds those of the container before.
fn anonymous_bind(bind: &str) -> Option<&str> {
    let mut parts = bind.split(':');
    let (source, target) = (parts.next()?, parts.next()?);
    is_anonymous(source).then_some(target)
}

fn host_config(seed: HostConfig, network: Option<&String>) -> HostConfig {
    let mut host = seed;
    host.container_id_file = None;
    host.port_bindings = None;
    host.publish_all_ports = None;
    host.auto_remove = None;
    // Replacing what ended is the group's work.
    host.restart_policy = Some(RestartPolicy {
        name: Some(RestartPolicyNameEnum::NO),
        maximum_retry_count: None,
    });
    host.network_mode = network.cloned().or(host.network_mode);
    if let Some(binds) = &mut host.binds {
        binds.retain(|bind| anonymous_bind(bind).is_none());
    }
    for mount in host.mounts.iter_mut().flatten() {
        let source = mount.source.as_deref().unwrap_or_default();
        if mount.typ == Some(MountType::VOLUME) && is_anonymous(source) {
            mount.source = None;
        }
    }
    host
}

/// Made from nothing but the request, as the names of all instances are.
pub(super) fn name(service: &ComposeService, request: &LaunchRequest) -> String {
    let ComposeService {
        project, service, ..
    } = service;
    container::allowed(&format!("{project}-{service}-{}", request.instance_id))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::launch_template::LaunchTemplate;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn service() -> ComposeService {
        ComposeService {
            project: "shop".to_owned(),
            service: "api".to_owned(),
            network: "shop_default".to_owned(),
            config_hash: "abc".to_owned(),
        }
    }

    fn request() -> LaunchRequest {
        LaunchRequest {
            instance_id: "i-0badcafe".parse().unwrap(),
            auto_scaling_group: "shop-api".to_owned(),
            availability_zone: "local".to_owned(),
            index: 2,
            launch_template: LaunchTemplate {
                name: "shop-api".to_owned(),
                version: 3,
                port: 80,
                clone_of: Some(service()),
                ..LaunchTemplate::default()
            },
            networks: Vec::new(),
            seed: Some("i-0123456789abcdef0".parse().unwrap()),
        }
    }

    /// A seed with everything that a clone must not have.
    fn seed() -> ContainerInspectResponse {
        serde_json::from_value(json!({
            "Id": ID, "Name": "/shop-api-1", "Image": "sha256:1",
            "Config": {
                "Hostname": "0123456789ab", "Env": ["COLOUR=blue"], "Image": "shop-api",
                "Cmd": ["serve"], "User": "1000", "StopSignal": "SIGINT",
                "Labels": {
                    "com.docker.compose.project": "shop", "com.docker.compose.service": "api",
                    "com.docker.compose.oneoff": "False", "com.docker.compose.config-hash": "abc",
                    "com.docker.compose.container-number": "1", "team": "checkout",
                    "minicloud.enable": "true", "minicloud.max": "3"
                }
            },
            "HostConfig": {
                "NanoCpus": 500_000_000, "Memory": 1_048_576, "ReadonlyRootfs": true,
                "CapDrop": ["ALL"], "NetworkMode": "shop_default",
                "RestartPolicy": { "Name": "unless-stopped" },
                "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "0" }] },
                "Binds": [format!("{ID}:/cache:rw"), "/etc/motd:/motd:ro"]
            },
            "NetworkSettings": { "Networks": {
                "shop_default": {
                    "IPAMConfig": null, "IPAddress": "172.18.0.3", "MacAddress": "02:42:ac:12:00:03",
                    "Aliases": ["shop-api-1", "api", "0123456789ab"]
                },
                "back": { "Aliases": ["shop-api-1", "api", "orders"] }
            } }
        }))
        .unwrap()
    }

    fn clone() -> (Clone, Value) {
        let config = DockerConfig::standalone("me".to_owned());
        let clone = made(&config, &request(), &service(), seed());
        let body = serde_json::to_value(&clone.body).unwrap();
        (clone, body)
    }

    #[test]
    fn clone_is_told_what_its_seed_was() {
        let (clone, body) = clone();
        // The very image, wherever its tag points by now.
        assert_eq!(
            (clone.image.as_str(), &body["Image"]),
            ("sha256:1", &json!("sha256:1"))
        );
        assert_eq!(
            (&body["Cmd"], &body["User"]),
            (&json!(["serve"]), &json!("1000"))
        );
        assert_eq!(body["StopSignal"], "SIGINT");
        let env = body["Env"].as_array().unwrap();
        assert!(env.contains(&json!("COLOUR=blue")), "{env:?}");
        assert!(
            env.contains(&json!("MINICLOUD_INSTANCE_ID=i-0badcafe")),
            "{env:?}"
        );
        let host = &body["HostConfig"];
        assert_eq!(
            (&host["NanoCpus"], &host["Memory"]),
            (&json!(500_000_000), &json!(1_048_576))
        );
        assert_eq!(
            (&host["ReadonlyRootfs"], &host["CapDrop"]),
            (&json!(true), &json!(["ALL"]))
        );
    }

    #[test]
    fn clone_has_nothing_that_only_one_can_have() {
        let (clone, body) = clone();
        assert_eq!(body.get("Hostname"), None);
        let host = &body["HostConfig"];
        assert_eq!(host.get("PortBindings"), None);
        assert_eq!(host["RestartPolicy"]["Name"], "no");
        assert_eq!(host["Binds"], json!(["/etc/motd:/motd:ro"]));
        assert_eq!(body["Volumes"], json!({ "/cache": {} }));
        for endpoint in clone.endpoints.values() {
            assert_eq!(
                (&endpoint.mac_address, &endpoint.ip_address),
                (&None, &None)
            );
            assert_eq!(endpoint.ipam_config, None);
        }
        let aliases = |network: &str| clone.endpoints[network].aliases.clone().unwrap();
        assert_eq!(aliases("shop_default"), ["api", "i-0badcafe"]);
        assert_eq!(aliases("back"), ["api", "i-0badcafe", "orders"]);
        // Engines before 25 take one network at creation: the one of its address.
        let first = &body["NetworkingConfig"]["EndpointsConfig"];
        assert_eq!(
            first.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["shop_default"]
        );
    }

    #[test]
    fn clone_is_a_one_off_container_of_the_service() {
        let (_, body) = clone();
        let labels = &body["Labels"];
        for (name, value) in [
            ("com.docker.compose.project", "shop"),
            ("com.docker.compose.service", "api"),
            ("com.docker.compose.oneoff", "True"),
            ("com.docker.compose.slug", "i-0badcafe"),
            ("com.docker.compose.config-hash", "abc"),
            ("minicloud.owner", "me"),
            ("minicloud.instance-id", "i-0badcafe"),
            ("minicloud.auto-scaling-group", "shop-api"),
            ("minicloud.launch-template-version", "3"),
            ("minicloud.port", "80"),
            ("minicloud.network", "shop_default"),
            ("team", "checkout"),
        ] {
            assert_eq!(labels[name], value, "{name}");
        }
        assert_eq!(labels.get("minicloud.enable"), None);
        assert_eq!(labels.get("minicloud.max"), None);
        assert_eq!(name(&service(), &request()), "shop-api-i-0badcafe");
    }
}
