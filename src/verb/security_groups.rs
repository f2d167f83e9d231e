use minicloud_autoscaler::{
    api::SecurityGroups,
    security_group::{IngressRule, SecurityGroup},
};

use super::watch;
use crate::{
    cli::{Output, Watching},
    control_api::ControlApi,
    failure::Failure,
    output::Listing,
};

pub(crate) async fn run(args: Watching) -> Result<(), Failure> {
    let fetch = async |api: &ControlApi| api.read::<SecurityGroups>("/v1/security-groups").await;
    watch::read(&args, fetch, |groups, output| {
        text(&groups.security_groups, output)
    })
    .await
}

/// A group has several rows and is named once.
pub(super) fn text(groups: &[SecurityGroup], output: Output) -> String {
    match output {
        Output::Name => {
            Listing::new(|group: &SecurityGroup| group.group_id.clone()).render(groups, output)
        }
        output => listing().render(groups.iter().flat_map(rows), output),
    }
}

/// One source of one rule.
struct Row {
    id: String,
    name: String,
    description: String,
    protocol: &'static str,
    ports: String,
    source: String,
}

fn listing() -> Listing<Row> {
    Listing::new(|row: &Row| row.id.clone())
        .column("ID", |row| row.id.clone().into())
        .column("NAME", |row| row.name.clone().into())
        .column("PROTOCOL", |row| row.protocol.into())
        .column("PORTS", |row| row.ports.clone().into())
        .column("SOURCE", |row| row.source.clone().into())
        .column("DESCRIPTION", |row| row.description.clone().into())
}

/// One for each source of each rule, and one for a group that lets nobody in.
fn rows(group: &SecurityGroup) -> Vec<Row> {
    let row = |protocol, ports: String, source: String| Row {
        id: group.group_id.clone(),
        name: group.group_name.clone(),
        description: group.description.clone(),
        protocol,
        ports,
        source,
    };
    let rules = group.ingress.iter();
    let rows: Vec<_> = rules
        .flat_map(|rule| {
            let networks = rule.cidr.iter().map(ToString::to_string);
            let sources = networks.chain(rule.source_security_group.clone());
            sources.map(|source| row("tcp", ports(rule), source))
        })
        .collect();
    match rows.is_empty() {
        true => vec![row("-", "-".to_owned(), "nobody".to_owned())],
        false => rows,
    }
}

fn ports(rule: &IngressRule) -> String {
    match rule.from_port == rule.to_port {
        true => rule.from_port.to_string(),
        false => format!("{}-{}", rule.from_port, rule.to_port),
    }
}
