//! Why a service cannot be cloned: two containers of it would fight over something, or have
//! power over the machine.

use super::{Fault, Place, SeedMount, SeedMountKind, Service, labels::Allowed};
use crate::config::fault::{Mistake, quoted, shortened};

/// Every reason there is, by the keys of a compose file.
pub(super) fn refusals(service: &Service, allowed: Allowed) -> Vec<Fault> {
    let ports = published_ports(service);
    let mode = network_mode(service).into_iter();
    let addresses = static_addresses(service);
    let volumes = volumes(service, allowed);
    ports
        .chain(mode)
        .chain(addresses)
        .chain(devices(service))
        .chain(privileges(service, allowed))
        .chain(volumes)
        .collect()
}

fn published_ports(service: &Service) -> impl Iterator<Item = Fault> {
    let ports = service.published_ports.iter().enumerate();
    ports.filter_map(|(index, port)| {
        let (host, container) = (port.host_port?, port.container_port);
        let mistake = Mistake::new(format!(
            "port {host} of the host is published, and a clone cannot bind it as well"
        ))
        .hint(format!(
            "remove it, the balancer serves the port; or write just \"{container}\" for a port of the host that is free"
        ));
        Some(Place::item("ports", index).fault(mistake))
    })
}

fn network_mode(service: &Service) -> Option<Fault> {
    let mode = service.network_mode.as_deref()?;
    let why = match mode {
        "none" => "the balancer cannot reach it",
        "host" => "a clone would listen on the same port of the host",
        shared if shared.starts_with("container:") || shared.starts_with("service:") => {
            "a clone would share the ports of that container"
        }
        _ => return None,
    };
    let mistake = Mistake::new(format!("network_mode is {}: {why}", quoted(mode)))
        .hint("remove network_mode, and list a network of the balancer in `networks`");
    Some(Place::key("network_mode").fault(mistake))
}

fn static_addresses(service: &Service) -> impl Iterator<Item = Fault> {
    let networks = service.networks.iter().enumerate();
    networks.filter_map(|(index, network)| {
        let address = network.static_address?;
        let key = if address.is_ipv4() {
            "ipv4_address"
        } else {
            "ipv6_address"
        };
        let mistake = Mistake::new(format!(
            "the address {address} on {} is fixed, and a clone cannot have it as well",
            quoted(&network.name)
        ))
        .hint(format!("remove {key}: the service's name resolves to it"));
        Some(Place::item("networks", index).fault(mistake))
    })
}

fn devices(service: &Service) -> impl Iterator<Item = Fault> {
    service.devices.iter().enumerate().map(|(index, device)| {
        let mistake = Mistake::new(format!("a clone would share the device {}", quoted(device)))
            .hint("remove it, or remove minicloud.enable: such a service is not scaled");
        Place::item("devices", index).fault(mistake)
    })
}

/// Who may label a container is not always who may give away the machine.
fn privileges(service: &Service, allowed: Allowed) -> impl Iterator<Item = Fault> {
    let keys = service
        .privileges
        .iter()
        .filter(move |_| !allowed.privileges);
    keys.map(|key| {
        let mistake = Mistake::new("a clone would have this power over the machine as well")
            .hint(format!("remove it, or add {ALLOW_PRIVILEGES}"));
        Place::key(key).fault(mistake)
    })
}

const ALLOW_PRIVILEGES: &str = "minicloud.allow: privileges if each clone may have it";

fn volumes(service: &Service, allowed: Allowed) -> impl Iterator<Item = Fault> {
    let mounts = service.mounts.iter().enumerate();
    mounts.filter_map(move |(index, mount)| {
        let mistake = shared(mount, allowed)?;
        Some(Place::item("volumes", index).fault(mistake))
    })
}

/// Where the engine's socket is found, by its own name or below a folder.
const OVER_THE_SOCKET: [&str; 4] = ["/", "/run", "/var", "/var/run"];

/// Read-only or not, who can connect to it commands the engine.
fn has_engine_socket(mount: &SeedMount) -> bool {
    let source = mount.source.as_str();
    let has = source.ends_with("/docker.sock") || OVER_THE_SOCKET.contains(&source);
    mount.kind == SeedMountKind::Bind && has
}

/// Two that write to one file without knowing of each other: an SQLite database, say.
fn shared(mount: &SeedMount, allowed: Allowed) -> Option<Mistake> {
    if has_engine_socket(mount) {
        let source = quoted(&mount.source);
        let mistake = Mistake::new(format!("every clone would command the engine by {source}"))
            .hint(format!("remove it, or add {ALLOW_PRIVILEGES}"));
        return Some(mistake).filter(|_| !allowed.privileges);
    }
    let (what, risk) = match mount.kind {
        SeedMountKind::Volume if !allowed.shared_volumes => ("volume", "shared-volumes"),
        SeedMountKind::Bind if !allowed.host_binds => ("folder", "host-binds"),
        _ => return None,
    };
    // Each container has an anonymous volume of its own.
    if mount.read_only || mount.source.is_empty() {
        return None;
    }
    let (source, target) = (quoted(&mount.source), shortened(&mount.target));
    Some(
        Mistake::new(format!(
            "every clone would write to the {what} {source} at {target}"
        ))
        .hint(format!(
            "mount it with :ro, or add minicloud.allow: {risk} if the program is made for that"
        )),
    )
}
