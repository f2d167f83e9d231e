//! Security groups: who may reach the listeners and instances that are in them. Pure; botocore's
//! `ec2` model, with names for ids as everywhere in the file.

use std::collections::BTreeMap;

use ipnet::IpNet;
use minicloud_lb_api::IpPermission;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The names of groups, to what they are.
pub type SecurityGroups = BTreeMap<String, SecurityGroup>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecurityGroup {
    /// `sg-` and 17 hex digits, given by the store; empty before.
    pub group_id: String,
    pub group_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What is let in; all else is not.
    pub ingress: Vec<IngressRule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngressRule {
    pub protocol: Protocol,
    pub from_port: u16,
    /// Not below `from_port`; the range has both.
    pub to_port: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub cidr: Vec<IpNet>,
    /// Its members are let in as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_security_group: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    #[default]
    Tcp,
}

/// What `names` let in between them; `members` are the addresses of a group's members.
pub fn ip_permissions(
    names: &[String],
    groups: &SecurityGroups,
    members: impl Fn(&str) -> Vec<IpNet>,
) -> Vec<IpPermission> {
    let rules = named(names, groups).flat_map(|group| &group.ingress);
    let permission = |rule: &IngressRule| {
        let source = rule.source_security_group.as_deref();
        let members = source.map(&members).unwrap_or_default();
        IpPermission {
            from_port: rule.from_port,
            to_port: rule.to_port,
            ip_ranges: rule.cidr.iter().copied().chain(members).collect(),
        }
    };
    rules.map(permission).collect()
}

/// Whether what `names` let in depends on who is a member of a group.
pub fn have_member_sources(names: &[String], groups: &SecurityGroups) -> bool {
    let mut rules = named(names, groups).flat_map(|group| &group.ingress);
    rules.any(|rule| rule.source_security_group.is_some())
}

/// The ids of the groups among whose members an instance of `names` has to be found: its own,
/// first, and those that let it in.
pub fn joined(names: &[String], groups: &SecurityGroups) -> Vec<String> {
    let lets_in = |group: &&SecurityGroup| {
        let mut rules = group.ingress.iter();
        !names.contains(&group.group_name)
            && rules.any(|rule| {
                let source = rule.source_security_group.as_ref();
                source.is_some_and(|source| names.contains(source))
            })
    };
    let own = named(names, groups);
    let others = groups.values().filter(lets_in);
    own.chain(others)
        .map(|group| group.group_id.clone())
        .collect()
}

pub(crate) fn random_id(rng: &mut impl rand::Rng) -> String {
    let digits: u128 = rng.random();
    format!("sg-{:017x}", digits >> (128 - 17 * 4))
}

fn named<'a>(
    names: &'a [String],
    groups: &'a SecurityGroups,
) -> impl Iterator<Item = &'a SecurityGroup> {
    names.iter().filter_map(|name| groups.get(name))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    fn groups() -> SecurityGroups {
        let rule = |port, cidr: &[&str], source: Option<&str>| IngressRule {
            protocol: Protocol::Tcp,
            from_port: port,
            to_port: port + 1,
            cidr: cidr.iter().map(|it| it.parse().unwrap()).collect(),
            source_security_group: source.map(str::to_owned),
        };
        let group = |name: &str, ingress| SecurityGroup {
            group_id: format!("sg-{name}"),
            group_name: name.to_owned(),
            description: String::new(),
            ingress,
        };
        let all = [
            group("lb", vec![rule(80, &["10.0.0.0/8"], None)]),
            group(
                "web",
                vec![rule(8080, &[], Some("lb")), rule(22, &["::1/128"], None)],
            ),
            group("db", vec![rule(5432, &[], Some("web"))]),
            group("idle", vec![]),
        ];
        all.into_iter()
            .map(|group| (group.group_name.clone(), group))
            .collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn rules_of_all_groups_count_and_sources_are_resolved() {
        let members = |name: &str| match name {
            "lb" => vec!["192.168.0.7/32".parse().unwrap()],
            _ => Vec::new(),
        };
        let told = |wanted: &[&str]| -> Vec<String> {
            ip_permissions(&names(wanted), &groups(), members)
                .iter()
                .map(|it| format!("{}-{} {:?}", it.from_port, it.to_port, it.ip_ranges))
                .collect()
        };
        assert_eq!(told(&["lb"]), ["80-81 [10.0.0.0/8]"]);
        assert_eq!(
            told(&["web", "db"]),
            [
                "8080-8081 [192.168.0.7/32]",
                "22-23 [::1/128]",
                "5432-5433 []"
            ]
        );
        assert!(told(&["idle"]).is_empty());
        assert!(have_member_sources(&names(&["idle", "web"]), &groups()));
        assert!(!have_member_sources(&names(&["idle", "lb"]), &groups()));
    }

    #[test]
    fn instance_joins_its_groups_and_those_that_let_it_in() {
        for (own, expected) in [
            (&["web"][..], &["sg-web", "sg-db"][..]),
            (&["lb", "idle"], &["sg-lb", "sg-idle", "sg-web"]),
            (&["db"], &["sg-db"]),
            (&["db", "web"], &["sg-db", "sg-web"]),
            (&[], &[]),
        ] {
            assert_eq!(joined(&names(own), &groups()), expected, "{own:?}");
        }
    }

    #[test]
    fn ids_have_ec2s_form() {
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..1000 {
            let id = random_id(&mut rng);
            let hex = id.strip_prefix("sg-").unwrap();
            assert_eq!(hex.len(), 17, "{id}");
            assert!(hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
}
