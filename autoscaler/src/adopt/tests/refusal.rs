//! What keeps a service from being cloned, and over which network it is reached.

use super::*;

fn mount(kind: SeedMountKind, source: &str, read_only: bool) -> SeedMount {
    SeedMount {
        source: source.to_owned(),
        target: "/data".to_owned(),
        read_only,
        kind,
    }
}

#[test]
fn what_two_containers_would_fight_over_is_refused() {
    type Change = fn(&mut Service);
    let port = |service: &mut Service, host_port| {
        service.published_ports = vec![PublishedPort {
            host_port,
            container_port: 80,
        }];
    };
    let cases: [(Change, &str); 12] = [
        (
            |service| {
                service.published_ports = vec![PublishedPort {
                    host_port: Some(8080),
                    container_port: 80,
                }];
            },
            "ports: port 8080 of the host is published, and a clone cannot bind it as well; remove it, the balancer serves the port; or write just \"80\" for a port of the host that is free",
        ),
        (
            |service| service.network_mode = Some("host".to_owned()),
            "network_mode: network_mode is `host`: a clone would listen on the same port of the host; remove network_mode, and list a network of the balancer in `networks`",
        ),
        (
            |service| service.network_mode = Some("none".to_owned()),
            "network_mode: network_mode is `none`: the balancer cannot reach it; remove network_mode, and list a network of the balancer in `networks`",
        ),
        (
            |service| service.network_mode = Some("service:vpn".to_owned()),
            "network_mode: network_mode is `service:vpn`: a clone would share the ports of that container; remove network_mode, and list a network of the balancer in `networks`",
        ),
        (
            |service| service.networks[0].static_address = Some([10, 0, 0, 7].into()),
            "networks: the address 10.0.0.7 on `shop_default` is fixed, and a clone cannot have it as well; remove ipv4_address: the service's name resolves to it",
        ),
        (
            |service| service.networks[0].static_address = Some("fd00::7".parse().unwrap()),
            "networks: the address fd00::7 on `shop_default` is fixed, and a clone cannot have it as well; remove ipv6_address: the service's name resolves to it",
        ),
        (
            |service| service.devices = vec!["/dev/dri".to_owned()],
            "devices: a clone would share the device `/dev/dri`; remove it, or remove minicloud.enable: such a service is not scaled",
        ),
        (
            |service| service.privileges = ["privileged"].into(),
            "privileged: a clone would have this power over the machine as well; remove it, or add minicloud.allow: privileges if each clone may have it",
        ),
        (
            |service| service.mounts = vec![mount(SeedMountKind::Bind, "/run/docker.sock", true)],
            "volumes: every clone would command the engine by `/run/docker.sock`; remove it, or add minicloud.allow: privileges if each clone may have it",
        ),
        (
            |service| service.mounts = vec![mount(SeedMountKind::Bind, "/var/run", true)],
            "volumes: every clone would command the engine by `/var/run`; remove it, or add minicloud.allow: privileges if each clone may have it",
        ),
        (
            |service| service.mounts = vec![mount(SeedMountKind::Volume, "shop_db", false)],
            "volumes: every clone would write to the volume `shop_db` at /data; mount it with :ro, or add minicloud.allow: shared-volumes if the program is made for that",
        ),
        (
            |service| service.mounts = vec![mount(SeedMountKind::Bind, "/srv", false)],
            "volumes: every clone would write to the folder `/srv` at /data; mount it with :ro, or add minicloud.allow: host-binds if the program is made for that",
        ),
    ];
    for (change, expected) in cases {
        let mut api = service("api", &[]);
        change(&mut api);
        assert_eq!(
            verdict(&api),
            (Standing::Rejected, vec![expected.to_owned()])
        );
    }
    let mut api = service("api", &[("allow", "shared-volumes,host-binds,privileges")]);
    port(&mut api, None);
    api.privileges = ["pid", "privileged"].into();
    api.mounts = vec![
        mount(SeedMountKind::Bind, "/var/run/docker.sock", true),
        mount(SeedMountKind::Volume, "shop_db", false),
        mount(SeedMountKind::Bind, "/srv", false),
    ];
    assert_eq!(verdict(&api), (Standing::Accepted, vec![]));
    let mut api = service("api", &[]);
    api.mounts = vec![
        mount(SeedMountKind::Volume, "shop_db", true),
        mount(SeedMountKind::Bind, "/srv", true),
        mount(SeedMountKind::Volume, "", false),
        mount(SeedMountKind::Tmpfs, "", false),
    ];
    assert_eq!(verdict(&api), (Standing::Accepted, vec![]));
}

#[test]
fn network_is_the_only_one_or_the_one_that_is_named() {
    let chosen = |label: Option<&str>, shared: &[&str]| {
        let labels: Vec<_> = label.into_iter().map(|label| ("network", label)).collect();
        let mut api = service("api", &labels);
        api.networks = vec![on("shop_back"), on("shop_front"), on("edge")];
        let merged = merge(&file(FILE), &[api], &balancer(shared));
        let adopted = &merged.services[0];
        let faults: Vec<_> = adopted.faults.iter().map(ToString::to_string).collect();
        (adopted.network.clone(), faults.join("\n"))
    };
    for (label, shared, network, fault) in [
        (None, &["shop_front"][..], Some("shop_front"), ""),
        (None, &["shop_front", "x"], Some("shop_front"), ""),
        // Runs on the host, which is on every one.
        (None, &["*"], Some("edge"), ""),
        (Some("shop_back"), &["*"], Some("shop_back"), ""),
        (Some("back"), &["shop_back", "edge"], Some("shop_back"), ""),
        (
            None,
            &["shop_front", "shop_back"],
            Some("shop_back"),
            "networks: the balancer shares several networks with it: shop_back, shop_front; add minicloud.network: shop_back, or whichever it is",
        ),
        (
            None,
            &["pool"],
            None,
            "networks: the balancer is on none of the service's networks; run: docker network connect edge minicloud-lb-1",
        ),
        (
            Some("front"),
            &["edge"],
            Some("edge"),
            "label minicloud.network: the balancer is not on `shop_front`; run: docker network connect shop_front minicloud-lb-1",
        ),
        (
            Some("shop_frnt"),
            &["edge"],
            Some("edge"),
            "label minicloud.network: the service is not on a network `shop_frnt`; did you mean shop_front?",
        ),
        (
            Some("pool"),
            &["pool"],
            None,
            "label minicloud.network: the service is not on a network `pool`; it is on edge, shop_back, shop_front",
        ),
    ] {
        let expected = (network.map(str::to_owned), fault.to_owned());
        assert_eq!(chosen(label, shared), expected, "{label:?} {shared:?}");
    }
}

#[test]
fn what_works_hardly_as_wished_is_warned_of() {
    let mut api = service("api", &[]);
    api.cpus = None;
    api.has_health_check = true;
    let merged_one = merged(&[api.clone()]);
    assert_eq!(merged_one.services[0].standing, Standing::Accepted);
    let [limit, health] = &merged_one.services[0].warnings[..] else {
        panic!("{merged_one:?}");
    };
    assert!(limit.contains("no CPU limit"), "{limit}");
    assert!(health.contains("HEALTHCHECK"), "{health}");
    api.cpus = Some(0.5);
    let path = ("minicloud.health".to_owned(), "/up".to_owned());
    api.labels.extend([path]);
    assert_eq!(merged(&[api]).services[0].warnings, [""; 0]);
}
