//! What adopting a service depends on, from an inspection of its container.

use std::net::IpAddr;

use bollard::models::{ContainerInspectResponse, EndpointSettings, HostConfig, MountPoint};

use super::compose::{CONFIG_HASH, PROJECT, SERVICE};
use crate::{
    adopt::{HOST_NAMESPACES, PublishedPort, SeedMount, SeedMountKind, Service, ServiceNetwork},
    provider::Revision,
};

/// Of labels and devices together: nobody needs more, and they are somebody else's text.
const MOST_ENTRIES: usize = 200;

pub(super) fn service(found: &ContainerInspectResponse) -> Service {
    let host = found.host_config.clone().unwrap_or_default();
    Service {
        project: label(found, PROJECT).unwrap_or_default().to_owned(),
        service: label(found, SERVICE).unwrap_or_default().to_owned(),
        seeds: 1,
        labels: labels(found)
            .filter(|(name, _)| name.starts_with("minicloud."))
            .take(MOST_ENTRIES)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        exposed_ports: exposed(found).collect(),
        published_ports: published(&host).collect(),
        network_mode: foreign_network(&host),
        networks: networks(found).collect(),
        mounts: mounts(found).collect(),
        devices: devices(&host).take(MOST_ENTRIES).collect(),
        privileges: privileges(&host).collect(),
        has_health_check: has_health_check(found),
        cpus: cpus(&host),
    }
}

pub(super) fn revision(found: &ContainerInspectResponse) -> Revision {
    let memory = found.host_config.as_ref().and_then(|host| host.memory);
    Revision {
        image: found.image.clone().unwrap_or_default(),
        config_hash: label(found, CONFIG_HASH).unwrap_or_default().to_owned(),
        memory: memory
            .and_then(|bytes| u64::try_from(bytes).ok())
            .filter(|bytes| *bytes > 0),
    }
}

pub(super) fn labels(found: &ContainerInspectResponse) -> impl Iterator<Item = (&String, &String)> {
    let config = found.config.as_ref();
    config
        .and_then(|config| config.labels.as_ref())
        .into_iter()
        .flatten()
}

pub(super) fn label<'a>(found: &'a ContainerInspectResponse, name: &str) -> Option<&'a str> {
    let labels = found.config.as_ref()?.labels.as_ref()?;
    labels.get(name).map(String::as_str)
}

/// A volume that Docker named, since nobody else did: each container has one of its own.
pub(super) fn is_anonymous(volume: &str) -> bool {
    volume.len() == 64 && volume.bytes().all(|b| b.is_ascii_hexdigit())
}

fn exposed(found: &ContainerInspectResponse) -> impl Iterator<Item = u16> {
    let config = found.config.as_ref();
    let ports = config.and_then(|config| config.exposed_ports.as_ref());
    ports.into_iter().flatten().filter_map(|port| tcp(port))
}

/// Of `80/tcp` and `80`.
fn tcp(port: &str) -> Option<u16> {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    number.parse().ok().filter(|_| protocol == "tcp")
}

fn published(host: &HostConfig) -> impl Iterator<Item = PublishedPort> {
    let ports = host.port_bindings.iter().flatten();
    ports.flat_map(|(port, bindings)| {
        let number = port
            .split('/')
            .next()
            .and_then(|number| number.parse().ok());
        let bindings = bindings.iter().flatten();
        bindings.filter_map(move |binding| {
            let host_port = binding.host_port.as_deref().unwrap_or_default();
            Some(PublishedPort {
                // A range, or nothing: the engine chooses.
                host_port: host_port.parse().ok().filter(|port| *port != 0),
                container_port: number?,
            })
        })
    })
}

/// Where the container has no network namespace of its own.
fn foreign_network(host: &HostConfig) -> Option<String> {
    let mode = host.network_mode.as_deref()?;
    let is_foreign = matches!(mode, "host" | "none") || mode.starts_with("container:");
    is_foreign.then(|| mode.to_owned())
}

fn networks(found: &ContainerInspectResponse) -> impl Iterator<Item = ServiceNetwork> {
    let joined = endpoints(found).filter(|(name, _)| !matches!(name.as_str(), "host" | "none"));
    let mut networks: Vec<ServiceNetwork> = joined
        .map(|(name, endpoint)| ServiceNetwork {
            name: name.clone(),
            static_address: static_address(endpoint),
        })
        .collect();
    networks.sort_by(|one, other| one.name.cmp(&other.name));
    networks.into_iter()
}

pub(super) fn endpoints(
    found: &ContainerInspectResponse,
) -> impl Iterator<Item = (&String, &EndpointSettings)> {
    let settings = found.network_settings.as_ref();
    settings
        .and_then(|settings| settings.networks.as_ref())
        .into_iter()
        .flatten()
}

/// That the service asks for: what the engine gave is said elsewhere.
fn static_address(endpoint: &EndpointSettings) -> Option<IpAddr> {
    let asked = endpoint.ipam_config.as_ref()?;
    let addresses = [&asked.ipv4_address, &asked.ipv6_address];
    addresses
        .into_iter()
        .find_map(|address| address.as_deref()?.parse().ok())
}

fn mounts(found: &ContainerInspectResponse) -> impl Iterator<Item = SeedMount> {
    let mounts = found.mounts.iter().flatten();
    mounts.filter_map(|mount| {
        let (kind, source) = match mount.typ.as_deref()? {
            "volume" => (SeedMountKind::Volume, mount.name.as_ref()),
            "bind" => (SeedMountKind::Bind, mount.source.as_ref()),
            "tmpfs" => (SeedMountKind::Tmpfs, None),
            _ => return None,
        };
        let source = source.cloned().unwrap_or_default();
        let own = kind == SeedMountKind::Volume && is_anonymous(&source);
        (!own).then(|| seed_mount(mount, kind, source))
    })
}

fn seed_mount(mount: &MountPoint, kind: SeedMountKind, source: String) -> SeedMount {
    SeedMount {
        source,
        target: mount.destination.clone().unwrap_or_default(),
        read_only: mount.rw == Some(false),
        kind,
    }
}

fn devices(host: &HostConfig) -> impl Iterator<Item = String> {
    let devices = host.devices.iter().flatten();
    let devices = devices.filter_map(|device| device.path_on_host.clone());
    let requests = host.device_requests.iter().flatten();
    let requests = requests.map(|request| {
        let driver = request.driver.clone().filter(|driver| !driver.is_empty());
        let capabilities = request.capabilities.iter().flatten().flatten();
        driver.unwrap_or_else(|| capabilities.cloned().collect::<Vec<_>>().join(", "))
    });
    devices.chain(requests)
}

fn privileges(host: &HostConfig) -> impl Iterator<Item = &'static str> {
    let modes = [&host.pid_mode, &host.ipc_mode, &host.uts_mode];
    let shared = HOST_NAMESPACES.into_iter().zip(modes);
    let shared = shared.filter(|(_, mode)| mode.as_deref() == Some("host"));
    let privileged = host.privileged.unwrap_or_default().then_some("privileged");
    privileged.into_iter().chain(shared.map(|(key, _)| key))
}

fn has_health_check(found: &ContainerInspectResponse) -> bool {
    let config = found.config.as_ref();
    let check = config.and_then(|config| config.healthcheck.as_ref()?.test.as_deref());
    check.is_some_and(|test| !test.is_empty() && test[0] != "NONE")
}

/// `cpus:` of a compose file, or `cpu_quota:` over `cpu_period:`.
fn cpus(host: &HostConfig) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let positive = |value: Option<i64>| value.filter(|value| *value > 0).map(|value| value as f64);
    let of_quota = || {
        let period = positive(host.cpu_period).unwrap_or(100_000.0);
        Some(positive(host.cpu_quota)? / period)
    };
    positive(host.nano_cpus)
        .map(|nano| nano / 1e9)
        .or_else(of_quota)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected() -> ContainerInspectResponse {
        serde_json::from_value(serde_json::json!({
            "Image": "sha256:1",
            "Config": {
                "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
                "Healthcheck": { "Test": ["CMD", "true"] },
                "Labels": {
                    "com.docker.compose.project": "shop", "com.docker.compose.service": "api",
                    "com.docker.compose.config-hash": "abc", "minicloud.enable": "true"
                }
            },
            "HostConfig": {
                "Privileged": true, "PidMode": "host", "IpcMode": "private", "UTSMode": "",
                "NetworkMode": "shop_default", "NanoCpus": 500_000_000, "Memory": 0,
                "PortBindings": {
                    "80/tcp": [{ "HostIp": "", "HostPort": "8080" }],
                    "81/tcp": [{ "HostIp": "", "HostPort": "" }]
                },
                "Devices": [{ "PathOnHost": "/dev/kvm" }],
                "DeviceRequests": [{ "Driver": "", "Capabilities": [["gpu"]] }]
            },
            "Mounts": [
                { "Type": "volume", "Name": "shop_data", "Destination": "/data", "RW": true },
                { "Type": "volume", "Name": "a".repeat(64), "Destination": "/tmp", "RW": true },
                { "Type": "bind", "Source": "/etc/motd", "Destination": "/motd", "RW": false }
            ],
            "NetworkSettings": { "Networks": {
                "shop_default": { "IPAMConfig": { "IPv4Address": "10.0.0.9" }, "IPAddress": "10.0.0.9" },
                "other": { "IPAddress": "10.1.0.9" }
            } }
        }))
        .unwrap()
    }

    #[test]
    fn what_adopting_depends_on_is_read() {
        let read = service(&inspected());
        assert_eq!(
            (read.project.as_str(), read.service.as_str()),
            ("shop", "api")
        );
        assert_eq!(read.labels.keys().collect::<Vec<_>>(), ["minicloud.enable"]);
        assert_eq!(Vec::from_iter(read.exposed_ports), [80]);
        let mut ports = read.published_ports;
        ports.sort_by_key(|port| port.container_port);
        let host_ports: Vec<_> = ports.iter().map(|port| port.host_port).collect();
        assert_eq!(host_ports, [Some(8080), None]);
        assert_eq!(read.network_mode, None);
        let names: Vec<_> = read.networks.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["other", "shop_default"]);
        assert_eq!(read.networks[0].static_address, None);
        assert!(read.networks[1].static_address.is_some());
        let sources: Vec<_> = read.mounts.iter().map(|it| it.source.as_str()).collect();
        assert_eq!(sources, ["shop_data", "/etc/motd"]);
        assert!(read.mounts[1].read_only);
        assert_eq!(read.devices, ["/dev/kvm", "gpu"]);
        assert_eq!(Vec::from_iter(read.privileges), ["pid", "privileged"]);
        assert!(read.has_health_check);
        assert_eq!(read.cpus, Some(0.5));
        let revision = revision(&inspected());
        assert_eq!(
            (revision.image.as_str(), revision.memory),
            ("sha256:1", None)
        );
    }

    #[test]
    fn network_of_somebody_else_is_told() {
        let mut found = inspected();
        let host = found.host_config.as_mut().unwrap();
        host.network_mode = Some("container:abc".to_owned());
        assert_eq!(
            service(&found).network_mode.as_deref(),
            Some("container:abc")
        );
    }
}
