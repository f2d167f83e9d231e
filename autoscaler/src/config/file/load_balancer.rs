mod attributes;
mod listener;

use minicloud_lb_api::LoadBalancerAttributes;

pub(super) use self::listener::Ports;
use super::Names;
use crate::config::{
    LoadBalancer,
    fault::Mistake,
    reader::Entry,
    schema::{Absent, Form, Key, Section},
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
    ],
    renamed: &[
        ("listener", "listeners"),
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

pub(super) fn read(
    name: &str,
    entry: &Entry<'_>,
    target_groups: &Names,
    ports: &mut Ports,
) -> Option<LoadBalancer> {
    let fields = entry.fields(&SECTION)?;
    let attributes = fields.or(
        "attributes",
        LoadBalancerAttributes::default(),
        attributes::read,
    );
    let items = fields.required("listeners", |entry| {
        let items = entry.list()?;
        if items.is_empty() {
            entry.refuse(Mistake::new("no listener").hint(format!("write {A_LISTENER}")));
        }
        Some(items)
    })?;
    let mut read = |item| listener::read(item, target_groups, ports);
    let mut listeners: Vec<_> = items.iter().filter_map(&mut read).collect();
    let attributes = attributes?;
    for listener in &mut listeners {
        name.clone_into(&mut listener.load_balancer);
        listener.attributes.clone_from(&attributes);
    }
    Some(LoadBalancer {
        name: name.to_owned(),
        listeners,
    })
}
