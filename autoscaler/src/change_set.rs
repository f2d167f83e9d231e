//! What putting another configuration in force would change, before it does: CloudFormation's
//! change sets over minicloud's resources. Pure.
//!
//! Resources are compared by what they come to, not by their text: every default filled in, and
//! each group's capacity as it would be after the file and what was set through the API are
//! merged. A change set carries a fingerprint of itself and of the text that it was made for, so
//! that exactly what was reviewed can be applied.

mod instances;
mod members;
mod resources;
#[cfg(test)]
mod tests;
mod text;
mod versions;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub use self::{
    instances::InstanceChanges,
    members::{Detail, MemberAction},
};
use crate::{capacity::CapacityRecord, config::Config, launch_template::VersionedTemplate};

/// What sets a configuration apart from the one in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeSet {
    /// By type, then by name; empty where nothing would change.
    pub changes: Vec<ResourceChange>,
    /// Of the changes and the text that they were worked out for, in hex. Instances that merely
    /// become outdated are left out of it: their number moves by itself.
    pub fingerprint: String,
}

/// `ResourceChange` of botocore's `cloudformation` model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceChange {
    pub action: ChangeAction,
    pub resource_type: ResourceType,
    /// Its name; of a listener `BALANCER:PORT`, of a rule `BALANCER:PORT/PRIORITY`.
    pub logical_resource_id: String,
    /// The members that change; of what is added those that it has; none of what is removed.
    pub details: Vec<Detail>,
    /// What becomes of instances by this change at once.
    #[serde(default, skip_serializing_if = "InstanceChanges::is_none")]
    pub instances: InstanceChanges,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ChangeAction {
    Add,
    Modify,
    Remove,
}

/// What a configuration is made of, in the order in which changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceType {
    /// What holds for the whole file.
    Configuration,
    SecurityGroup,
    InstanceType,
    LaunchTemplate,
    AutoScalingGroup,
    TargetGroup,
    LoadBalancer,
    Listener,
    Rule,
}

/// What is in force, and what is there.
#[derive(Debug)]
pub(crate) struct Current<'a> {
    pub(crate) config: &'a Config,
    /// Every launch template with its versions, as recorded.
    pub(crate) launch_templates: BTreeMap<String, VersionedTemplate>,
    /// The capacity of each group, as recorded.
    pub(crate) capacities: BTreeMap<String, CapacityRecord>,
    pub(crate) instances: instances::Census,
    pub(crate) now: Timestamp,
}

pub(crate) use self::instances::{Census, LiveInstances};

impl ChangeSet {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many resources are to be added, changed and removed.
    pub fn counts(&self) -> [usize; 3] {
        [
            ChangeAction::Add,
            ChangeAction::Modify,
            ChangeAction::Remove,
        ]
        .map(|action| {
            let changes = self.changes.iter();
            changes.filter(|change| change.action == action).count()
        })
    }
}

/// What would change if `next`, read from `text`, came into force.
pub(crate) fn change_set(current: &Current<'_>, next: &Config, text: &[u8]) -> ChangeSet {
    let changes = resources::changes(current, next);
    ChangeSet {
        fingerprint: fingerprint(&changes, text),
        changes,
    }
}

fn fingerprint(changes: &[ResourceChange], text: &[u8]) -> String {
    let mut told = changes.to_vec();
    for change in &mut told {
        change.instances.outdated = 0;
    }
    let told = serde_json::to_vec(&told).expect("changes are made of strings and numbers");
    let mut hash = Sha256::new();
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
    hash.update(told);
    hex(&hash.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
