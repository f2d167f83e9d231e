//! Who may reach a listener: a packet filter's question, asked where a connection is accepted
//! and never again.

use std::net::IpAddr;

use ipnet::IpNet;
use minicloud_lb_api::IpPermission;

use crate::shared::Shared;

/// The sources that a listener's port is open to.
#[derive(Debug)]
pub(crate) struct Sources(Option<Vec<IpNet>>);

impl Sources {
    /// Of the permissions those that cover `port`; all sources where there are none to go by.
    pub(crate) fn of(permissions: Option<&[IpPermission]>, port: u16) -> Self {
        Self(permissions.map(|permissions| {
            let covering = permissions.iter().filter(|it| it.covers(port));
            covering.flat_map(|it| &it.ip_ranges).copied().collect()
        }))
    }

    pub(crate) fn admit(&self, peer: IpAddr) -> bool {
        let Some(networks) = &self.0 else {
            return true;
        };
        let peer = peer.to_canonical();
        networks.iter().any(|network| network.contains(&peer))
    }
}

/// Whether a connection of `peer` is to be closed unread; one that is, is counted.
pub(crate) fn refuses(shared: &Shared, peer: IpAddr, port: u16) -> bool {
    let routing = shared.routing.load();
    let refused = routing
        .route(port)
        .is_some_and(|route| !route.listener.sources.admit(peer));
    if refused {
        shared.metrics.count_refused_connection();
    }
    refused
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permission(from_port: u16, to_port: u16, networks: &[&str]) -> IpPermission {
        IpPermission {
            from_port,
            to_port,
            ip_ranges: networks.iter().map(|it| it.parse().unwrap()).collect(),
        }
    }

    fn admits(permissions: &[IpPermission], port: u16, peer: &str) -> bool {
        Sources::of(Some(permissions), port).admit(peer.parse().unwrap())
    }

    #[test]
    fn port_and_source_must_both_fit() {
        let permissions = [
            permission(80, 90, &["10.0.0.0/8"]),
            permission(443, 443, &["0.0.0.0/0", "fd00::/8"]),
        ];
        for (port, peer, expected) in [
            (80, "10.1.2.3", true),
            (90, "10.1.2.3", true),
            (79, "10.1.2.3", false),
            (91, "10.1.2.3", false),
            (80, "11.0.0.1", false),
            (80, "::ffff:10.1.2.3", true),
            (80, "::ffff:11.0.0.1", false),
            (443, "8.8.8.8", true),
            (443, "::ffff:8.8.8.8", true),
            (443, "fd12::1", true),
            // All of IPv4 is nothing of IPv6, as at AWS.
            (443, "2001:db8::1", false),
        ] {
            assert_eq!(admits(&permissions, port, peer), expected, "{peer} {port}");
        }
    }

    #[test]
    fn no_group_is_open_and_an_empty_one_is_shut() {
        let peer = "10.0.0.1".parse().unwrap();
        assert!(Sources::of(None, 80).admit(peer));
        assert!(!Sources::of(Some(&[]), 80).admit(peer));
    }

    proptest! {
        #[test]
        fn only_members_of_a_network_are_admitted(network: u32, prefix in 0u8..=32, peer: u32) {
            let ip = |bits: u32| std::net::Ipv4Addr::from_bits(bits);
            let net = ipnet::Ipv4Net::new(ip(network), prefix).unwrap();
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            let permission = IpPermission {
                from_port: 0,
                to_port: u16::MAX,
                ip_ranges: vec![net.into()],
            };
            let sources = Sources::of(Some(&[permission]), 80);
            let expected = network & mask == peer & mask;
            prop_assert_eq!(sources.admit(ip(peer).into()), expected);
            prop_assert_eq!(sources.admit(ip(peer).to_ipv6_mapped().into()), expected);
        }
    }
}
