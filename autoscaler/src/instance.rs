//! Who an instance is and where it stands in its life.

use std::{fmt, str::FromStr};

use compact_str::{CompactString, format_compact};
use rand::Rng;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

// Held in place: a pass of the loop compares and copies thousands.
/// `i-` and 8 to 17 lower-case hex digits, EC2's form. Ours are made with 8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct InstanceId(CompactString);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an instance id: expected `i-` and 8 to 17 lower-case hex digits")]
pub struct InstanceIdError(String);

impl InstanceId {
    pub fn random(rng: &mut impl Rng) -> Self {
        Self(format_compact!("i-{:08x}", rng.next_u32()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceId {
    type Err = InstanceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.strip_prefix("i-").is_some_and(|hex| {
            (8..=17).contains(&hex.len())
                && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        // The text may be hostile and long: an error repeats no more than an id's worth.
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InstanceIdError(text.chars().take(40).collect()))
        }
    }
}

impl TryFrom<String> for InstanceId {
    type Error = InstanceIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.0.into_string()
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The subset of EC2 Auto Scaling's `LifecycleState` that a group without hooks passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum LifecycleState {
    /// An intent to launch is recorded; the instance may or may not run yet.
    Pending,
    /// Runs and, where the group has target groups, has passed a health check.
    InService,
    /// Deregistered: finishes what it has in flight, then is in standby.
    EnteringStandby,
    /// Runs, takes no requests and does not count, until somebody puts it back or ends it.
    Standby,
    /// Deregistered: finishes what it has in flight, then is ended.
    Terminating,
    Terminated,
}

impl LifecycleState {
    /// In or on its way into standby: a person's, and nothing that the group does.
    pub fn is_standby(self) -> bool {
        matches!(self, Self::EnteringStandby | Self::Standby)
    }

    /// Taken out of its target groups, with requests that it may still finish.
    pub fn is_draining(self) -> bool {
        matches!(self, Self::EnteringStandby | Self::Terminating)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InService => "InService",
            Self::EnteringStandby => "EnteringStandby",
            Self::Standby => "Standby",
            Self::Terminating => "Terminating",
            Self::Terminated => "Terminated",
        }
    }
}

impl fmt::Display for LifecycleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LifecycleState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            Self::Pending,
            Self::InService,
            Self::EnteringStandby,
            Self::Standby,
            Self::Terminating,
            Self::Terminated,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| format!("`{text}` is not a lifecycle state"))
    }
}

/// Who starts and ends an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ManagedBy {
    #[default]
    Minicloud,
    /// It is a container of an adopted service, a seed: Compose starts, stops and replaces it,
    /// and minicloud never does.
    Compose,
}

impl ManagedBy {
    pub fn is_compose(&self) -> bool {
        *self == Self::Compose
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        for good in ["i-0123abcd", "i-0123456789abcdef0"] {
            assert_eq!(good.parse::<InstanceId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "i-",
            "i-0123abc",
            "i-0123ABCD",
            "x-0123abcd",
            "i-0123456789abcdef01",
            "i-../../etc",
        ] {
            assert!(bad.parse::<InstanceId>().is_err(), "{bad}");
        }
    }
}
