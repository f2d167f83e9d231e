//! What an instance carries on its provider: in its environment, and as labels.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LaunchRequest, ObservedInstance, ObservedState};
use crate::instance::{InstanceId, ManagedBy};

/// Longest value that is read back; what is longer was not written by us.
const LONGEST_VALUE: usize = 255;

/// The part of an [`ObservedInstance`] that never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) instance_id: InstanceId,
    pub(super) auto_scaling_group: String,
    pub(super) availability_zone: String,
    pub(super) index: u32,
    pub(super) launch_template_name: String,
    pub(super) launch_template_version: u64,
}

/// One spelling of the names under which an [`Identity`] and its owner are kept.
pub(super) struct Names {
    pub(super) owner: &'static str,
    pub(super) instance_id: &'static str,
    auto_scaling_group: &'static str,
    availability_zone: &'static str,
    index: &'static str,
    launch_template: &'static str,
    launch_template_version: &'static str,
}

pub(super) const ENVIRONMENT: Names = Names {
    owner: "MINICLOUD_OWNER",
    instance_id: super::INSTANCE_MARK,
    auto_scaling_group: "MINICLOUD_AUTO_SCALING_GROUP",
    availability_zone: "MINICLOUD_AVAILABILITY_ZONE",
    index: "MINICLOUD_INSTANCE_INDEX",
    launch_template: "MINICLOUD_LAUNCH_TEMPLATE",
    launch_template_version: "MINICLOUD_LAUNCH_TEMPLATE_VERSION",
};

pub(super) const LABELS: Names = Names {
    owner: "minicloud.owner",
    instance_id: "minicloud.instance-id",
    auto_scaling_group: "minicloud.auto-scaling-group",
    availability_zone: "minicloud.availability-zone",
    index: "minicloud.index",
    launch_template: "minicloud.launch-template",
    launch_template_version: "minicloud.launch-template-version",
};

impl Identity {
    pub(super) fn of(request: &LaunchRequest) -> Self {
        Self {
            instance_id: request.instance_id.clone(),
            auto_scaling_group: request.auto_scaling_group.clone(),
            availability_zone: request.availability_zone.clone(),
            index: request.index,
            launch_template_name: request.launch_template.name.clone(),
            launch_template_version: request.launch_template.version,
        }
    }

    /// Reads back what [`Self::entries`] wrote. Anyone can write labels and variables, so
    /// what does not parse is `None`: not ours.
    pub(super) fn read<'a>(
        names: &Names,
        lookup: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Option<Self> {
        let text = |name| lookup(name).filter(|value| is_plain(value));
        Some(Self {
            instance_id: text(names.instance_id)?.parse().ok()?,
            auto_scaling_group: text(names.auto_scaling_group)?.to_owned(),
            availability_zone: text(names.availability_zone)?.to_owned(),
            index: text(names.index)?.parse().ok()?,
            launch_template_name: text(names.launch_template)?.to_owned(),
            launch_template_version: text(names.launch_template_version)?.parse().ok()?,
        })
    }

    pub(super) fn entries(&self, names: &Names, owner: &str) -> [(&'static str, String); 7] {
        [
            (names.owner, owner.to_owned()),
            (names.instance_id, self.instance_id.to_string()),
            (names.auto_scaling_group, self.auto_scaling_group.clone()),
            (names.availability_zone, self.availability_zone.clone()),
            (names.index, self.index.to_string()),
            (names.launch_template, self.launch_template_name.clone()),
            (
                names.launch_template_version,
                self.launch_template_version.to_string(),
            ),
        ]
    }

    pub(super) fn observed(
        self,
        launch_time: Timestamp,
        state: ObservedState,
        metric_ids: Arc<[String]>,
    ) -> ObservedInstance {
        ObservedInstance {
            instance_id: self.instance_id,
            auto_scaling_group: self.auto_scaling_group,
            availability_zone: self.availability_zone,
            index: self.index,
            launch_template_name: self.launch_template_name,
            launch_template_version: self.launch_template_version,
            launch_time,
            state,
            metric_ids,
            faults: Vec::new(),
            managed_by: ManagedBy::Minicloud,
            image: None,
        }
    }
}

fn is_plain(value: &str) -> bool {
    value.len() <= LONGEST_VALUE && !value.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn identity() -> Identity {
        Identity {
            instance_id: "i-0123abcd".parse().unwrap(),
            auto_scaling_group: "web".to_owned(),
            availability_zone: "a".to_owned(),
            index: 2,
            launch_template_name: "web".to_owned(),
            launch_template_version: 7,
        }
    }

    #[test]
    fn identity_survives_both_spellings() {
        for names in [ENVIRONMENT, LABELS] {
            let entries = BTreeMap::from(identity().entries(&names, "me"));
            let read = Identity::read(&names, |name| entries.get(name).map(String::as_str));
            assert_eq!(read, Some(identity()));
        }
    }

    #[test]
    fn hostile_values_are_not_ours() {
        for (name, value) in [
            (LABELS.instance_id, "i-../../etc".to_owned()),
            (LABELS.index, "-1".to_owned()),
            (LABELS.auto_scaling_group, "web\n".to_owned()),
            (LABELS.availability_zone, "a".repeat(256)),
        ] {
            let mut entries = BTreeMap::from(identity().entries(&LABELS, "me"));
            entries.insert(name, value);
            let read = Identity::read(&LABELS, |name| entries.get(name).map(String::as_str));
            assert_eq!(read, None, "{name}");
        }
    }
}
