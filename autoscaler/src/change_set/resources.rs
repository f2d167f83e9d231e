//! Resource by resource.

use std::collections::BTreeMap;

use minicloud_lb_api::{Listener, LoadBalancerAttributes};
use serde::Serialize;

use super::{
    ChangeAction, Current, InstanceChanges, ResourceChange, ResourceType,
    members::{Detail, Members, details, members},
    versions::Versions,
};
use crate::{
    capacity::{self, Capacity},
    config::{AutoScalingGroup, Config, HostHeadroom, Pace},
    launch_template::{LaunchTemplate, LaunchTemplateReference, VersionSelector},
    security_group::SecurityGroup,
};

#[derive(Serialize)]
struct Whole {
    pace: Pace,
    host_headroom: HostHeadroom,
}

#[derive(Serialize)]
struct Balancer<'a> {
    attributes: Option<LoadBalancerAttributes>,
    security_groups: &'a [String],
}

pub(super) fn changes(current: &Current<'_>, next: &Config) -> Vec<ResourceChange> {
    let before = current.config;
    let mut changes = Vec::new();
    changes.extend(whole(before, next));
    changes.extend(compare(
        ResourceType::SecurityGroup,
        &all(&before.security_groups, |_, group| security_group(group)),
        &all(&next.security_groups, |_, group| security_group(group)),
    ));
    changes.extend(compare(
        ResourceType::InstanceType,
        &all(&before.instance_types, |_, kind| members(kind, &["name"])),
        &all(&next.instance_types, |_, kind| members(kind, &["name"])),
    ));
    let versions = Versions::new(&current.launch_templates, next);
    changes.extend(launch_templates(current, next, &versions));
    changes.extend(groups(current, next, &versions));
    changes.extend(compare(
        ResourceType::TargetGroup,
        &all(&before.target_groups, |_, group| members(group, &["name"])),
        &all(&next.target_groups, |_, group| members(group, &["name"])),
    ));
    changes.extend(load_balancers(before, next));
    changes
}

fn whole(before: &Config, next: &Config) -> Option<ResourceChange> {
    let of = |config: &Config| {
        let whole = Whole {
            pace: config.pace,
            host_headroom: config.host_headroom,
        };
        members(&whole, &[])
    };
    let details = details(&of(before), &of(next));
    (!details.is_empty()).then(|| ResourceChange {
        action: ChangeAction::Modify,
        resource_type: ResourceType::Configuration,
        logical_resource_id: "whole".to_owned(),
        details,
        instances: InstanceChanges::default(),
    })
}

fn security_group(group: &SecurityGroup) -> Members {
    members(group, &["group_id", "group_name"])
}

fn launch_templates(
    current: &Current<'_>,
    next: &Config,
    versions: &Versions<'_>,
) -> Vec<ResourceChange> {
    let of = |template: &LaunchTemplate| members(template, &["name", "version"]);
    let before = all(&current.config.launch_templates, |_, template| of(template));
    let after = all(&next.launch_templates, |_, template| of(template));
    let mut changes = compare(ResourceType::LaunchTemplate, &before, &after);
    for change in &mut changes {
        let name = &change.logical_resource_id;
        if !next.launch_templates.contains_key(name) {
            continue;
        }
        let latest = VersionSelector::Latest;
        let (version, next_version) = (versions.before(name, latest), versions.after(name, latest));
        if let Some(after) = next_version.filter(|_| version != next_version) {
            change.details.insert(0, version_detail(version, after));
        }
        let groups = next.auto_scaling_groups.values();
        let staying = groups.filter(|group| {
            let reference = &group.launch_template;
            reference.name == *name && reference_of(current.config, &group.name) == Some(reference)
        });
        change.instances.outdated = staying
            .map(|group| outdated(current, versions, group))
            .sum();
    }
    changes
}

fn version_detail(before: Option<u64>, after: u64) -> Detail {
    Detail {
        name: "version".to_owned(),
        before_value: before.map(|version| version.to_string()),
        after_value: Some(after.to_string()),
    }
}

fn reference_of<'a>(config: &'a Config, group: &str) -> Option<&'a LaunchTemplateReference> {
    let group = config.auto_scaling_groups.get(group)?;
    Some(&group.launch_template)
}

/// Instances of the group that are up to date and will not be.
fn outdated(current: &Current<'_>, versions: &Versions<'_>, group: &AutoScalingGroup) -> u32 {
    let LaunchTemplateReference { name, version } = &group.launch_template;
    let before = versions.before(name, *version);
    let live = current.instances.get(&group.name);
    match (live, before) {
        (Some(live), Some(before)) if versions.after(name, *version) != Some(before) => {
            live.launched_from(name, before)
        }
        _ => 0,
    }
}

fn groups(current: &Current<'_>, next: &Config, versions: &Versions<'_>) -> Vec<ResourceChange> {
    let before = all(&current.config.auto_scaling_groups, |name, group| {
        let record = current.capacities.get(name);
        group_members(group, record.map(|record| record.capacity))
    });
    let capacities = all(&next.auto_scaling_groups, |name, group| {
        let stored = current.capacities.get(name).cloned();
        capacity::merge(stored, Capacity::of(group), current.now).capacity
    });
    let after = all(&next.auto_scaling_groups, |name, group| {
        group_members(group, capacities.get(name).copied())
    });
    let mut changes = compare(ResourceType::AutoScalingGroup, &before, &after);
    for change in &mut changes {
        let name = &change.logical_resource_id;
        let live = current.instances.get(name).cloned().unwrap_or_default();
        let capacity = capacities.get(name);
        let desired = capacity.map_or(0, |capacity| capacity.desired_capacity);
        let changes_desired = change
            .details
            .iter()
            .any(|detail| detail.name == "desired_capacity");
        if capacity.is_none() || changes_desired {
            change.instances = InstanceChanges::to_desired(live.count(), desired);
        }
        if change.action == ChangeAction::Modify
            && change
                .details
                .iter()
                .any(|detail| detail.name.starts_with("launch_template."))
        {
            let group = next.auto_scaling_groups.get(name);
            // What cannot be launched from takes the place of nothing.
            let target = group.and_then(|group| versions.target(&group.launch_template));
            change.instances.outdated = target.map_or(0, |(template, version)| {
                let others = live.count() - live.launched_from(template, version);
                others.saturating_sub(change.instances.terminated)
            });
        }
    }
    changes
}

fn group_members(group: &AutoScalingGroup, capacity: Option<Capacity>) -> Members {
    let capacity = capacity.unwrap_or(Capacity::of(group));
    let group = AutoScalingGroup {
        min_size: capacity.min_size,
        max_size: capacity.max_size,
        desired_capacity: capacity.desired_capacity,
        ..group.clone()
    };
    members(&group, &["name"])
}

fn load_balancers(before: &Config, next: &Config) -> Vec<ResourceChange> {
    let balancers = |config: &Config| {
        all(&config.load_balancers, |_, balancer| {
            let listener = balancer.listeners.first();
            let attributes = listener.map(|listener| &listener.attributes);
            // Who may connect is for the security groups to say.
            let attributes = attributes.map(|attributes| LoadBalancerAttributes {
                ip_permissions: None,
                ..attributes.clone()
            });
            let balancer = Balancer {
                attributes,
                security_groups: &balancer.security_groups,
            };
            members(&balancer, &[])
        })
    };
    let mut changes = compare(
        ResourceType::LoadBalancer,
        &balancers(before),
        &balancers(next),
    );
    changes.extend(compare(
        ResourceType::Listener,
        &listeners(before),
        &listeners(next),
    ));
    changes.extend(compare(ResourceType::Rule, &rules(before), &rules(next)));
    changes
}

/// What a listener has beside its rules and what it has from its balancer.
fn listeners(config: &Config) -> BTreeMap<ListenerKey<'_>, Members> {
    const HIDDEN: &[&str] = &["load_balancer", "port", "rules", "attributes"];
    each_listener(config)
        .map(|(key, listener)| (key, members(listener, HIDDEN)))
        .collect()
}

fn rules(config: &Config) -> BTreeMap<RuleKey<'_>, Members> {
    let rules = each_listener(config).flat_map(|(listener, described)| {
        described.rules.iter().map(move |rule| {
            let key = RuleKey(listener, rule.priority);
            (key, members(rule, &["priority"]))
        })
    });
    rules.collect()
}

fn each_listener(config: &Config) -> impl Iterator<Item = (ListenerKey<'_>, &Listener)> {
    config.load_balancers.iter().flat_map(|(name, balancer)| {
        let listeners = balancer.listeners.iter();
        listeners.map(move |listener| (ListenerKey(name, listener.port), listener))
    })
}

/// Ports in the order of numbers, not of their digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ListenerKey<'a>(&'a str, u16);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RuleKey<'a>(ListenerKey<'a>, u32);

impl std::fmt::Display for ListenerKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

impl std::fmt::Display for RuleKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

fn all<T, U>(section: &BTreeMap<String, T>, of: impl Fn(&str, &T) -> U) -> BTreeMap<String, U> {
    section
        .iter()
        .map(|(name, resource)| (name.clone(), of(name, resource)))
        .collect()
}

fn compare<K: Ord + Clone + std::fmt::Display>(
    resource_type: ResourceType,
    before: &BTreeMap<K, Members>,
    after: &BTreeMap<K, Members>,
) -> Vec<ResourceChange> {
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |key: &K| {
        let (action, details) = match (before.get(key), after.get(key)) {
            (None, None) => return None,
            (None, Some(after)) => (ChangeAction::Add, details(&Members::new(), after)),
            (Some(_), None) => (ChangeAction::Remove, Vec::new()),
            (Some(before), Some(after)) => {
                let details = details(before, after);
                if details.is_empty() {
                    return None;
                }
                (ChangeAction::Modify, details)
            }
        };
        Some(ResourceChange {
            action,
            resource_type,
            logical_resource_id: key.to_string(),
            details,
            instances: InstanceChanges::default(),
        })
    };
    keys.into_iter().filter_map(change).collect()
}
