//! Security groups in the loop: their ids, and who is a member of them.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::Reconciler;
use crate::{
    config::Config,
    group::Group,
    launch_template::LaunchTemplate,
    now::Clock,
    provider::InstanceProvider,
    security_group::{have_member_sources, ip_permissions, joined, random_id},
    store::StoreError,
};

impl<P: InstanceProvider, C: Clock> Reconciler<P, C> {
    /// Gives each group of the configuration its id.
    pub(super) fn identify_security_groups(&mut self) -> Result<(), StoreError> {
        let (store, rng) = (&self.ledger.store, &mut self.rng);
        let groups = &mut self.config.security_groups;
        store.keep_security_groups(|name| groups.contains_key(name))?;
        for (name, group) in groups.iter_mut() {
            group.group_id = store.security_group_id(name, || random_id(rng))?;
        }
        self.security_groups = Arc::new(groups.values().cloned().collect());
        Ok(())
    }

    /// The security groups whose networks an instance of the template joins.
    pub(super) fn networks_of(&self, template: &LaunchTemplate) -> Vec<String> {
        joined(&template.security_groups, &self.config.security_groups)
    }

    /// Lets the members that there are now reach the listeners that are open to them.
    pub(super) fn admit_members(&mut self) {
        if admit(&mut self.config, &self.groups) {
            self.published.reroute();
        }
    }
}

/// True where that changes who may reach a listener.
fn admit(config: &mut Config, groups: &BTreeMap<String, Group>) -> bool {
    let security_groups = &config.security_groups;
    let mut is_changed = false;
    for balancer in config.load_balancers.values_mut() {
        let names = &balancer.security_groups;
        if !have_member_sources(names, security_groups) {
            continue;
        }
        let members = |name: &str| members(name, groups);
        let permissions = Some(ip_permissions(names, security_groups, members));
        for listener in &mut balancer.listeners {
            if listener.attributes.ip_permissions != permissions {
                listener.attributes.ip_permissions.clone_from(&permissions);
                is_changed = true;
            }
        }
    }
    is_changed
}

/// The addresses of a security group's instances. One that an instance shares with the machine
/// is not its own: it would let in every program here.
fn members(name: &str, groups: &BTreeMap<String, Group>) -> Vec<IpNet> {
    let in_it = |group: &&Group| {
        let mut of = group.launch_template.security_groups.iter();
        of.any(|of| of == name)
    };
    let addresses = groups.values().filter(in_it).flat_map(|group| {
        let instances = group.instances.values();
        // What an earlier version was in is not known here, and lets nobody in.
        let current = instances
            .filter(|it| it.launch_template_version == group.launch_template.version)
            .filter(|it| it.launch_template_name == group.launch_template.name);
        current.filter_map(|instance| own_address(instance.address.as_deref()?))
    });
    addresses.map(IpNet::from).collect()
}

fn own_address(address: &str) -> Option<IpAddr> {
    let (host, _) = address.rsplit_once(':')?;
    let ip: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    (!ip.is_loopback()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_nobodys_own_address() {
        for (address, expected) in [
            ("172.18.0.3:8080", Some("172.18.0.3")),
            ("[fd00::3]:8080", Some("fd00::3")),
            ("127.0.0.1:40001", None),
            ("[::1]:40001", None),
            ("web.internal:80", None),
            ("", None),
        ] {
            let expected = expected.map(|ip| ip.parse().unwrap());
            assert_eq!(own_address(address), expected, "{address}");
        }
    }
}
