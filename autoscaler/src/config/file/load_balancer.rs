use std::collections::HashMap;

use minicloud_lb_api::{Action, Listener};

use super::Names;
use crate::config::{
    LoadBalancer,
    fault::Mistake,
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
};

pub(in crate::config) const SECTION: Section = Section {
    place: "load_balancers.NAME",
    keys: &[Key::new(
        "listeners",
        Form::ListOf(&LISTENER),
        Absent::Fault(A_LISTENER),
        "What it listens on; one at least.",
    )],
    renamed: &[
        ("listener", "listeners"),
        (
            "port",
            "write listeners: [{ port: 8080, default_action: { forward: NAME } }]",
        ),
    ],
};

const LISTENER: Section = Section {
    place: "load_balancers.NAME.listeners[]",
    keys: &[
        Key::new(
            "port",
            Form::Count(&scalar::PORT),
            Absent::Fault("8080"),
            "Unique among all listeners of the file.",
        ),
        Key::new(
            "default_action",
            Form::Section(&ACTION),
            Absent::Fault("{ forward: NAME }"),
            "What is done with a request.",
        ),
    ],
    renamed: &[
        ("action", "default_action"),
        ("default_actions", "default_action"),
        ("forward", "write default_action: { forward: NAME }"),
        ("target_group", "write default_action: { forward: NAME }"),
    ],
};

const ACTION: Section = Section {
    place: "load_balancers.NAME.listeners[].default_action",
    keys: &[Key::new(
        "forward",
        Form::Text("name of a target group"),
        Absent::Fault("NAME"),
        "Forwards the request to a target of the group.",
    )],
    renamed: &[
        ("target_group", "forward"),
        ("target_group_arn", "forward"),
        ("type", "remove it: the key says which action it is"),
    ],
};

const A_LISTENER: &str = "[{ port: 8080, default_action: { forward: NAME } }]";

/// The line that takes each port.
pub(super) type Ports = HashMap<u16, usize>;

pub(super) fn read(
    name: &str,
    entry: &Entry<'_>,
    target_groups: &Names,
    ports: &mut Ports,
) -> Option<LoadBalancer> {
    let fields = entry.fields(&SECTION)?;
    let items = fields.required("listeners", |entry| {
        let items = entry.list()?;
        if items.is_empty() {
            entry.refuse(Mistake::new("no listener").hint(format!("write {A_LISTENER}")));
        }
        Some(items)
    })?;
    let listeners = items
        .iter()
        .filter_map(|item| listener(name, item, target_groups, ports))
        .collect();
    Some(LoadBalancer {
        name: name.to_owned(),
        listeners,
    })
}

fn listener(
    load_balancer: &str,
    entry: &Entry<'_>,
    target_groups: &Names,
    ports: &mut Ports,
) -> Option<Listener> {
    let fields = entry.fields(&LISTENER)?;
    let port = fields.required("port", |entry| free_port(entry, ports));
    let default_action = fields.required("default_action", |entry| {
        let fields = entry.fields(&ACTION)?;
        fields.required("forward", |entry| {
            entry.read(|name| target_groups.resolve(name))
        })
    });
    Some(Listener {
        load_balancer: load_balancer.to_owned(),
        port: port?,
        rules: Vec::new(),
        default_action: Action::forward(default_action?),
        attributes: Default::default(),
    })
}

fn free_port(entry: &Entry<'_>, ports: &mut Ports) -> Option<u16> {
    let port = entry.read(scalar::port)?;
    if let Some(line) = ports.get(&port) {
        let mistake = Mistake::new(format!(
            "port {port} is taken by the listener in line {line}"
        ));
        entry.refuse(mistake.hint("choose another"));
        return None;
    }
    ports.insert(port, entry.line());
    Some(port)
}
