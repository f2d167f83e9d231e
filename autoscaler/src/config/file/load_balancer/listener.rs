use std::collections::HashMap;

use minicloud_lb_api::{Listener, LoadBalancerAttributes, Rule, validate::MAX_RULES};

use crate::config::{
    fault::Mistake,
    file::{Names, accepts, action, rule},
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
};

pub(super) const SECTION: Section = Section {
    place: "load_balancers.NAME.listeners[]",
    keys: &[
        Key::new(
            "port",
            Form::Count(&scalar::PORT),
            Absent::Fault("8080"),
            "Unique among all listeners of the file.",
        ),
        Key::new(
            "rules",
            Form::ListOf(&rule::SECTION),
            Absent::Default("none"),
            "Up to 100, asked by priority; the first whose conditions all hold takes the request.",
        ),
        Key::new(
            "default_action",
            Form::Section(&action::SECTION),
            Absent::Fault("{ forward: NAME }"),
            "What is done with a request that no rule takes.",
        ),
    ],
    renamed: &[
        ("action", "default_action"),
        ("default_actions", "default_action"),
        ("rule", "rules"),
        ("forward", "write default_action: { forward: NAME }"),
        ("redirect", "write default_action: { redirect: { ... } }"),
        (
            "fixed_response",
            "write default_action: { fixed_response: { ... } }",
        ),
        ("target_group", "write default_action: { forward: NAME }"),
        ("attributes", "it belongs in load_balancers.NAME"),
    ],
};

/// The line that takes each port.
pub(in crate::config::file) type Ports = HashMap<u16, usize>;

/// Of no load balancer yet, and without its attributes.
pub(super) fn read(
    entry: &Entry<'_>,
    target_groups: &Names,
    ports: &mut Ports,
) -> Option<Listener> {
    let fields = entry.fields(&SECTION)?;
    let port = fields.required("port", |entry| free_port(entry, ports));
    let rules = fields.or("rules", Vec::new(), |entry| rules(entry, target_groups));
    let default_action =
        fields.required("default_action", |entry| action::read(entry, target_groups));
    let listener = Listener {
        load_balancer: String::new(),
        port: port.unwrap_or_default(),
        rules: Vec::new(),
        default_action: default_action?,
        attributes: LoadBalancerAttributes::default(),
    };
    // Its rules have been judged one by one.
    accepts(entry, listener.validate())?;
    Some(Listener {
        port: port?,
        rules: rules?,
        ..listener
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

fn rules(entry: &Entry<'_>, target_groups: &Names) -> Option<Vec<Rule>> {
    let mut priorities = rule::Priorities::default();
    let mut read = |item| rule::read(item, target_groups, &mut priorities);
    let items = entry.list()?;
    if items.len() > MAX_RULES {
        let mistake = Mistake::new(format!("{} rules are too many", items.len()));
        entry.refuse(mistake.hint(format!("write up to {MAX_RULES} in a listener")));
    }
    let rules: Vec<_> = items.iter().map(&mut read).collect();
    rules.into_iter().collect()
}
