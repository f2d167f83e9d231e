//! The container that a launch request asks for.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, Mount, MountType, NetworkingConfig,
    PortBinding, RestartPolicy, RestartPolicyNameEnum,
};

use super::{DockerConfig, compose, image::Run, network, user_data};
use crate::{
    launch_template::{self, LaunchTemplate, mount::MountSource},
    provider::{
        LaunchRequest, STOP_GRACE,
        identity::{ENVIRONMENT, Identity, LABELS},
    },
};

/// The port that the instance serves on: the labels say it when the template is forgotten.
pub(super) const PORT_LABEL: &str = "minicloud.port";

/// Enough for any server, too few for a fork bomb to hurt its neighbours.
const PIDS_LIMIT: i64 = 512;

/// Made from nothing but the request: the same launch always asks for the same name, and the
/// engine lets no two containers have one.
pub(super) fn name(config: &DockerConfig, request: &LaunchRequest) -> String {
    let project = config.compose.as_ref();
    let project = project.map_or("minicloud", |context| &context.project);
    let name = format!(
        "{project}-{}-{}",
        request.auto_scaling_group, request.instance_id
    );
    allowed(&name)
}

/// The name as far as the engine allows it.
pub(super) fn allowed(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.replace(|c| !allowed(c), "_")
}

pub(super) fn body(
    config: &DockerConfig,
    request: &LaunchRequest,
    image: &str,
    run: &Run,
) -> ContainerCreateBody {
    let template = &request.launch_template;
    let network = network::names(config, request).remove(0);
    let aliases = vec![
        request.instance_id.to_string(),
        request.auto_scaling_group.clone(),
    ];
    let endpoint = EndpointSettings {
        aliases: Some(aliases),
        ..EndpointSettings::default()
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: run.entrypoint.clone(),
        cmd: run.command.clone(),
        working_dir: template.working_dir.clone(),
        user: template.user.clone(),
        env: Some(environment(config, request)),
        labels: Some(labels(config, request)),
        exposed_ports: Some(vec![container_port(template)]),
        stop_timeout: i64::try_from(STOP_GRACE.as_secs()).ok(),
        host_config: Some(host_config(config, template, network.clone())),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network, endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// The template's, with ours on top.
fn environment(config: &DockerConfig, request: &LaunchRequest) -> Vec<String> {
    let template = &request.launch_template;
    let mut variables = template.env.clone();
    variables.insert("PORT".to_owned(), template.port.to_string());
    variables.insert("BIND".to_owned(), "0.0.0.0".to_owned());
    let identity = Identity::of(request).entries(&ENVIRONMENT, &config.owner);
    variables.extend(identity.map(|(name, value)| (name.to_owned(), value)));
    variables
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

fn labels(config: &DockerConfig, request: &LaunchRequest) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = Identity::of(request)
        .entries(&LABELS, &config.owner)
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    let port = request.launch_template.port.to_string();
    labels.insert(PORT_LABEL.to_owned(), port);
    if request.launch_template.user_data.is_some() {
        let value = match request.launch_template.user_data_required {
            true => user_data::REQUIRED,
            false => user_data::OPTIONAL,
        };
        labels.insert(user_data::LABEL.to_owned(), value.to_owned());
    }
    if let Some(context) = &config.compose {
        labels.extend(compose::labels(context, request));
    }
    labels
}

fn host_config(config: &DockerConfig, template: &LaunchTemplate, network: String) -> HostConfig {
    let memory = template.memory_limit().map(to_i64);
    // An empty host port is a random one.
    let published = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(String::new()),
    };
    let bindings = || HashMap::from([(container_port(template), Some(vec![published]))]);
    HostConfig {
        nano_cpus: template.quota_cores().map(nano_cpus),
        memory,
        // Memory and swap together: no swap on top, so that the limit is the limit.
        memory_swap: memory,
        pids_limit: Some(PIDS_LIMIT),
        // Reaps what `exec` leaves behind, and passes SIGTERM on.
        init: Some(true),
        privileged: Some(false),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        network_mode: Some(network),
        port_bindings: config.publish.then(bindings),
        mounts: Some(template.mounts.iter().map(mount).collect()),
        ..HostConfig::default()
    }
}

fn mount(mount: &launch_template::Mount) -> Mount {
    let (kind, source) = match &mount.source {
        MountSource::Bind(path) => (MountType::BIND, path),
        MountSource::Volume(name) => (MountType::VOLUME, name),
    };
    Mount {
        typ: Some(kind),
        source: Some(source.clone()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    }
}

fn container_port(template: &LaunchTemplate) -> String {
    format!("{}/tcp", template.port)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates, and the engine refuses what is out of range"
)]
fn nano_cpus(cpus: f64) -> i64 {
    (cpus * 1e9).round() as i64
}

fn to_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
