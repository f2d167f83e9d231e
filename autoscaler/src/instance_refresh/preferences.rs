//! How a refresh replaces instances, as whoever starts it prefers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
