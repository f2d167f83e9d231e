use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::group::Group;

/// What becomes of instances by a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceChanges {
    /// Launched at once.
    pub launched: u32,
    /// Terminated at once.
    pub terminated: u32,
    /// Left as they are, launched from what is no longer the newest.
    pub outdated: u32,
}

/// The live instances of one group, by the name and version of their launch template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveInstances(pub(crate) BTreeMap<(String, u64), u32>);

/// The live instances by group.
pub(crate) type Census = BTreeMap<String, LiveInstances>;

impl InstanceChanges {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// From `live` instances to as many as are desired.
    pub(super) fn to_desired(live: u32, desired: u32) -> Self {
        Self {
            launched: desired.saturating_sub(live),
            terminated: live.saturating_sub(desired),
            outdated: 0,
        }
    }
}

impl LiveInstances {
    pub(crate) fn of(group: &Group) -> Self {
        let mut live = BTreeMap::new();
        for instance in group.live() {
            let name = instance.launch_template_name.clone();
            *live
                .entry((name, instance.launch_template_version))
                .or_default() += 1;
        }
        Self(live)
    }

    pub(super) fn count(&self) -> u32 {
        self.0.values().sum()
    }

    /// Those that were launched from this very version.
    pub(super) fn launched_from(&self, name: &str, version: u64) -> u32 {
        let versions = self.0.iter();
        let those = versions.filter(|((of, at), _)| of == name && *at == version);
        those.map(|(_, count)| count).sum()
    }
}
