mod attributes;
mod listener;

use minicloud_lb_api::LoadBalancerAttributes;

pub(super) use self::listener::Ports;
use super::{Names, security_group};
use crate::{
    config::{
        LoadBalancer,
        fault::Mistake,
        reader::Entry,
        schema::{Absent, Form, Key, Section},
    },
    security_group::{SecurityGroups, ip_permissions},
};

pub(in crate::config) const SECTION: Section = Section {
    place: "load_balancers.NAME",
    keys: &[
        Key::new(
            "attributes",
            Form::Section(&attributes::SECTION),
            Absent::Default("as below"),
            "How connections and requests are treated, on all its listeners.",
        ),
        Key::new(
            "listeners",
            Form::ListOf(&listener::SECTION),
            Absent::Fault(A_LISTENER),
            "What it listens on; one at least.",
        ),
        Key::new(
            "security_groups",
            Form::Texts("list of names of security groups, up to 5"),
            Absent::Default("none: everybody"),
            "Who may reach its listeners: a connection that no group lets in is closed unread.",
        ),
    ],
    renamed: &[
        ("listener", "listeners"),
        ("security_group", "security_groups"),
        ("security_group_ids", "security_groups"),
        ("load_balancer_attributes", "attributes"),
        (
            "port",
            "write listeners: [{ port: 8080, default_action: { forward: NAME } }]",
        ),
        ("rules", "they belong in listeners[]"),
        ("idle_timeout", "it belongs in attributes"),
        ("trusted_networks", "it belongs in attributes"),
    ],
};

const A_LISTENER: &str = "[{ port: 8080, default_action: { forward: NAME } }]";

/// What a load balancer is read against.
pub(super) struct Context<'a> {
    pub(super) target_groups: &'a Names,
    pub(super) security_group_names: &'a Names,
    pub(super) security_groups: &'a SecurityGroups,
}

pub(super) fn read(
    name: &str,
    entry: &Entry<'_>,
    context: &Context<'_>,
    ports: &mut Ports,
) -> Option<LoadBalancer> {
    let fields = entry.fields(&SECTION)?;
    let attributes = fields.or(
        "attributes",
        LoadBalancerAttributes::default(),
        attributes::read,
    );
    let security_groups = fields.or("security_groups", Vec::new(), |entry| {
        security_group::references(entry, context.security_group_names)
    });
    let items = fields.required("listeners", |entry| {
        let items = entry.list()?;
        if items.is_empty() {
            entry.refuse(Mistake::new("no listener").hint(format!("write {A_LISTENER}")));
        }
        Some(items)
    })?;
    let mut read = |item| listener::read(item, context.target_groups, ports);
    let mut listeners: Vec<_> = items.iter().filter_map(&mut read).collect();
    let security_groups = security_groups?;
    let mut attributes = attributes?;
    // Who is a member of a group only a running system knows.
    attributes.ip_permissions = (!security_groups.is_empty())
        .then(|| ip_permissions(&security_groups, context.security_groups, |_| Vec::new()));
    for listener in &mut listeners {
        name.clone_into(&mut listener.load_balancer);
        listener.attributes.clone_from(&attributes);
    }
    Some(LoadBalancer {
        name: name.to_owned(),
        listeners,
        security_groups,
    })
}
