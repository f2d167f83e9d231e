use minicloud_autoscaler::{
    api::SecurityGroups,
    security_group::{IngressRule, SecurityGroup},
};

use super::connect;
use crate::{
    cli::Reading,
    failure::Failure,
    output::{show, table},
};

pub(crate) async fn run(args: Reading) -> Result<(), Failure> {
    let api = connect(&args.connection)?;
    let groups: SecurityGroups = api.read("/v1/security-groups").await?;
    show(args.output, &groups, |groups| {
        table(
            ["ID", "NAME", "PROTOCOL", "PORTS", "SOURCE", "DESCRIPTION"],
            groups.security_groups.iter().flat_map(rows),
        )
    })
}

/// One for each source of each rule, and one for a group that lets nobody in.
fn rows(group: &SecurityGroup) -> Vec<[String; 6]> {
    let row = |protocol: &str, ports: String, source: String| {
        let (id, name) = (group.group_id.clone(), group.group_name.clone());
        let description = group.description.clone();
        [id, name, protocol.to_owned(), ports, source, description]
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
