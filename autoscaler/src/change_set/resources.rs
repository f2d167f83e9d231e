//! Resource by resource.

use std::collections::BTreeMap;

use minicloud_lb_api::{Listener, LoadBalancerAttributes};
use serde::Serialize;

use super::{
    ChangeAction, Current, InstanceChanges, ResourceChange, ResourceType,
    members::{Detail, Members, details, members},
};
use crate::{
    capacity::{self, Capacity},
    config::{AutoScalingGroup, Config, Pace},
    launch_template::LaunchTemplate,
    security_group::SecurityGroup,
};

#[derive(Serialize)]
struct Whole {
    pace: Pace,
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
    changes.extend(launch_templates(current, next));
    changes.extend(groups(current, next));
    changes.extend(compare(
        ResourceType::TargetGroup,
        &all(&before.target_groups, |_, group| members(group, &["name"])),
        &all(&next.target_groups, |_, group| members(group, &["name"])),
    ));
    changes.extend(load_balancers(before, next));
    changes
}

fn whole(before: &Config, next: &Config) -> Option<ResourceChange> {
    let of = |config: &Config| members(&Whole { pace: config.pace }, &[]);
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

fn launch_templates(current: &Current<'_>, next: &Config) -> Vec<ResourceChange> {
    let of = |template: &LaunchTemplate| members(template, &["name", "version"]);
    let before = all(&current.config.launch_templates, |_, template| of(template));
    let after = all(&next.launch_templates, |_, template| of(template));
    let mut changes = compare(ResourceType::LaunchTemplate, &before, &after);
    for change in &mut changes {
        let name = &change.logical_resource_id;
        let Some(template) = next.launch_templates.get(name) else {
            continue;
        };
        let latest = current
            .launch_templates
            .get(name)
            .map(|latest| latest.version);
        let version = next_version(current, template);
        if latest != Some(version) {
            change.details.insert(0, version_detail(latest, version));
        }
        change.instances.outdated = next
            .auto_scaling_groups
            .values()
            .filter(|group| group.launch_template == *name)
            .filter(|group| template_of(current.config, &group.name) == Some(name))
            .map(|group| {
                outdated(
                    current,
                    &group.name,
                    name,
                    latest.unwrap_or_default(),
                    version,
                )
            })
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

/// The version that the store would give it.
fn next_version(current: &Current<'_>, template: &LaunchTemplate) -> u64 {
    let Some(latest) = current.launch_templates.get(&template.name) else {
        return 1;
    };
    let same_text = LaunchTemplate {
        version: latest.version,
        ..template.clone()
    } == *latest;
    if same_text {
        latest.version
    } else {
        latest.version + 1
    }
}

fn template_of<'a>(config: &'a Config, group: &str) -> Option<&'a String> {
    let group = config.auto_scaling_groups.get(group)?;
    Some(&group.launch_template)
}

/// Instances of the group that were up to date at `before` and are not at `after`.
fn outdated(current: &Current<'_>, group: &str, template: &str, before: u64, after: u64) -> u32 {
    match current.instances.get(group) {
        Some(live) if before != after => live.launched_from(template, before),
        _ => 0,
    }
}

fn groups(current: &Current<'_>, next: &Config) -> Vec<ResourceChange> {
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
                .any(|detail| detail.name == "launch_template")
        {
            change.instances.outdated = live.count().saturating_sub(change.instances.terminated);
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
