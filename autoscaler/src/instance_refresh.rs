//! Instance refreshes, `StartInstanceRefresh` and its kin of botocore's `autoscaling` model: what
//! is asked and what is recorded. What is replaced next is [`plan`](crate::plan)'s. Pure.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

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

/// What becomes of instances that are protected from scale-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ScaleInProtectedInstances {
    /// They are replaced like the others.
    Refresh,
    /// They stay as they are.
    Ignore,
    /// Once no other is left, the refresh waits an hour for their protection to go, and fails.
    #[default]
    Wait,
}

/// `RefreshPreferences`, as far as they are known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RefreshPreferences {
    /// Percent of the desired capacity that stays in service, from 0 to 100.
    #[schema(maximum = 100)]
    pub min_healthy_percentage: u8,
    /// Percent of the desired capacity that may be there at once, from 100 to 200; at least one
    /// instance more where all of it stays in service. `max_size` does not bound it.
    #[schema(minimum = 100, maximum = 200)]
    pub max_healthy_percentage: u8,
    /// Seconds in service after which an instance may take over; the group's
    /// `default_instance_warmup` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_warmup: Option<u32>,
    /// Instances of the group's launch template and version stay.
    pub skip_matching: bool,
    pub scale_in_protected_instances: ScaleInProtectedInstances,
}

impl Default for RefreshPreferences {
    fn default() -> Self {
        Self {
            min_healthy_percentage: 100,
            max_healthy_percentage: 110,
            instance_warmup: None,
            skip_matching: false,
            scale_in_protected_instances: ScaleInProtectedInstances::default(),
        }
    }
}

/// Preferences that are refused: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreferencesError {
    #[error("preferences.min_healthy_percentage: {0} is not a percentage; give 0 to 100")]
    MinHealthyPercentage(u8),
    #[error("preferences.max_healthy_percentage: {0} is out of range; give 100 to 200")]
    MaxHealthyPercentage(u8),
    #[error(
        "preferences: max_healthy_percentage {max} is more than 100 above min_healthy_percentage {min}; bring them closer"
    )]
    TooFarApart { min: u8, max: u8 },
}

impl RefreshPreferences {
    /// # Errors
    /// A percentage out of range, or the two more than 100 apart, which AWS refuses as well.
    pub fn validate(&self) -> Result<(), PreferencesError> {
        let (min, max) = (self.min_healthy_percentage, self.max_healthy_percentage);
        match () {
            () if min > 100 => Err(PreferencesError::MinHealthyPercentage(min)),
            () if !(100..=200).contains(&max) => Err(PreferencesError::MaxHealthyPercentage(max)),
            () if max - min > 100 => Err(PreferencesError::TooFarApart { min, max }),
            () => Ok(()),
        }
    }

    pub(crate) fn warmup(&self) -> Duration {
        Duration::from_secs(self.instance_warmup.unwrap_or_default().into())
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
                        launch_template_name: template.name.clone(),
                        version: template.version.to_string(),
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
    fn preferences_out_of_range_are_refused() {
        let with = |min, max| RefreshPreferences {
            min_healthy_percentage: min,
            max_healthy_percentage: max,
            ..RefreshPreferences::default()
        };
        for (min, max) in [(100, 100), (100, 200), (0, 100), (90, 110)] {
            assert_eq!(with(min, max).validate(), Ok(()), "{min} {max}");
        }
        for (min, max, says) in [
            (101, 110, "min_healthy_percentage: 101"),
            (100, 99, "max_healthy_percentage: 99"),
            (100, 201, "max_healthy_percentage: 201"),
            (99, 200, "more than 100 above"),
        ] {
            let refused = with(min, max).validate().unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn preferences_are_read_with_defaults_and_without_surprises() {
        let read = serde_json::from_str::<RefreshPreferences>;
        assert_eq!(read("{}").unwrap(), RefreshPreferences::default());
        let some = r#"{"skip_matching": true, "scale_in_protected_instances": "Ignore"}"#;
        assert!(read(some).unwrap().skip_matching);
        for refused in [
            r#"{"auto_rollback": true}"#,
            r#"{"min_healthy_percentage": 256}"#,
            r#"{"instance_warmup": -1}"#,
            r#"{"scale_in_protected_instances": "refresh"}"#,
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }

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
