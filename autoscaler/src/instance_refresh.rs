//! Instance refreshes, `StartInstanceRefresh` and its kin of botocore's `autoscaling` model: what
//! is asked and what is recorded. What is replaced next is [`plan`](crate::plan)'s. Pure.

mod preferences;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use compact_str::ToCompactString;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

pub use self::preferences::{PreferencesError, RefreshPreferences, ScaleInProtectedInstances};
use crate::{
    describe::LaunchTemplateSpecification,
    group::{Group, Instance},
    instance::InstanceId,
    termination::is_outdated,
};

/// Refreshes of a group that are remembered, the one under way among them.
pub const REFRESHES_KEPT: usize = 10;

/// A refresh that cannot go on fails after this; AWS waits so long for protected instances.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The subset of `InstanceRefreshStatus` that a refresh without rollback and bake time passes
/// through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum InstanceRefreshStatus {
    /// Recorded; nothing has been replaced yet.
    Pending,
    InProgress,
    Successful,
    Failed,
    /// What was begun is finished, and no more is begun.
    Cancelling,
    Cancelled,
}

impl InstanceRefreshStatus {
    /// It has not ended.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::InProgress | Self::Cancelling)
    }

    /// As it is on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl fmt::Display for InstanceRefreshStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `InstanceRefresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceRefresh {
    pub instance_refresh_id: String,
    pub auto_scaling_group_name: String,
    pub status: InstanceRefreshStatus,
    /// What it waits for, or why it ended as it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    pub start_time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// Of the instances that it began with, those that are out of service.
    pub percentage_complete: u8,
    /// Those that are still in it.
    pub instances_to_update: usize,
    /// With all defaults filled in.
    pub preferences: RefreshPreferences,
    pub desired_configuration: DesiredConfiguration,
}

/// What the instances were to be replaced by when the refresh began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DesiredConfiguration {
    pub launch_template: LaunchTemplateSpecification,
}

/// A refresh as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRefreshRecord {
    pub refresh: InstanceRefresh,
    /// The instances that it is to replace, those included that have gone.
    pub replaces: BTreeSet<InstanceId>,
}

impl InstanceRefreshRecord {
    /// A refresh of `group` that begins now: of what is in service, and of what is on its way
    /// from another version than the group's.
    pub(crate) fn begin(
        id: String,
        group: &Group,
        preferences: RefreshPreferences,
        now: Timestamp,
    ) -> Self {
        let warmup = group.spec.default_instance_warmup.as_secs();
        let skip_matching = preferences.skip_matching;
        let is_due = |one: &&Instance| {
            let outdated = is_outdated(group, one);
            !one.is_seed() && (outdated || one.is_in_service() && !skip_matching)
        };
        let replaces: BTreeSet<InstanceId> = group
            .live()
            .filter(is_due)
            .map(|one| one.id.clone())
            .collect();
        let template = &group.launch_template;
        Self {
            refresh: InstanceRefresh {
                instance_refresh_id: id,
                auto_scaling_group_name: group.spec.name.clone(),
                status: InstanceRefreshStatus::Pending,
                status_reason: None,
                start_time: now,
                end_time: None,
                percentage_complete: if replaces.is_empty() { 100 } else { 0 },
                instances_to_update: replaces.len(),
                preferences: RefreshPreferences {
                    instance_warmup: preferences
                        .instance_warmup
                        .or_else(|| u32::try_from(warmup).ok()),
                    ..preferences
                },
                desired_configuration: DesiredConfiguration {
                    launch_template: LaunchTemplateSpecification {
                        launch_template_name: template.name.as_str().into(),
                        version: template.version.to_compact_string(),
                    },
                },
            },
            replaces,
        }
    }
}

/// The refresh of a group that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveRefresh {
    pub record: InstanceRefreshRecord,
    /// Since when it cannot go on; a restart forgets it.
    pub stalled_since: Option<Instant>,
}

impl ActiveRefresh {
    pub fn replaces(&self, instance: &Instance) -> bool {
        !instance.is_seed() && self.record.replaces.contains(&instance.id)
    }

    pub fn status(&self) -> InstanceRefreshStatus {
        self.record.refresh.status
    }

    pub fn preferences(&self) -> &RefreshPreferences {
        &self.record.refresh.preferences
    }

    /// Takes in why it cannot go on for now, where it cannot.
    pub(crate) fn wait_for(&mut self, what: Option<String>, now: Instant) {
        self.stalled_since = match what {
            Some(_) => self.stalled_since.or(Some(now)),
            None => None,
        };
        self.record.refresh.status_reason = what;
    }

    pub(crate) fn has_lost_patience(&self, now: Instant) -> bool {
        self.stalled_since
            .is_some_and(|since| now - since >= PATIENCE)
    }
}

/// A group's refreshes.
#[derive(Clone, Debug, Default)]
pub struct InstanceRefreshes {
    pub active: Option<ActiveRefresh>,
    /// Newest first.
    pub ended: VecDeque<InstanceRefresh>,
}

impl InstanceRefreshes {
    /// As the store has them, newest first.
    pub(crate) fn restored(records: Vec<InstanceRefreshRecord>) -> Self {
        let mut refreshes = Self::default();
        for record in records {
            match record.refresh.status.is_active() && refreshes.active.is_none() {
                true => refreshes.begin(record),
                false => refreshes.ended.push_back(record.refresh),
            }
        }
        refreshes
    }

    pub(crate) fn begin(&mut self, record: InstanceRefreshRecord) {
        self.active = Some(ActiveRefresh {
            record,
            stalled_since: None,
        });
    }

    /// Files the active one away.
    pub(crate) fn end(&mut self) {
        if let Some(active) = self.active.take() {
            self.ended.push_front(active.record.refresh);
            self.ended.truncate(REFRESHES_KEPT);
        }
    }

    pub(crate) fn describe_active(&self) -> Option<InstanceRefresh> {
        Some(self.active.as_ref()?.record.refresh.clone())
    }

    /// Newest first.
    pub(crate) fn describe(&self) -> Arc<[InstanceRefresh]> {
        let active = self.active.iter().map(|active| &active.record.refresh);
        let all = active.chain(&self.ended).take(REFRESHES_KEPT);
        all.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::sample;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn refresh_names_what_it_found() {
        let now = Instant::now();
        let mut instances: Vec<Instance> = (1..=4)
            .map(|number| sample::in_service(number, "a", MINUTE, now))
            .collect();
        instances[1].launch_template_version = 2;
        for pending in &mut instances[2..] {
            pending.lifecycle_state = crate::instance::LifecycleState::Pending;
        }
        instances[3].launch_template_version = 2;
        let group = sample::group(&[], 4).with(instances);
        let replaces = |skip_matching| {
            let preferences = RefreshPreferences {
                skip_matching,
                ..RefreshPreferences::default()
            };
            let begun = InstanceRefreshRecord::begin(
                "id".to_owned(),
                &group,
                preferences,
                Timestamp::UNIX_EPOCH,
            );
            begun.replaces.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(replaces(false), [1, 2, 4].map(sample::id));
        assert_eq!(replaces(true), [2, 4].map(sample::id));
    }
}
