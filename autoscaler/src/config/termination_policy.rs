use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How scale-in chooses among instances: `TerminationPolicies` of botocore's `autoscaling`
/// model, and one of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum TerminationPolicy {
    /// EC2 Auto Scaling's own: oldest launch template, then closest to the next instance hour,
    /// then any.
    Default,
    OldestInstance,
    NewestInstance,
    /// Another template than the group's first, then the oldest version of the group's.
    OldestLaunchTemplate,
    ClosestToNextInstanceHour,
    /// Not AWS's: the instance whose loss costs least. Outdated template, fewest requests in
    /// flight, lowest CPU, fullest zone, newest.
    LeastBusy,
}

impl TerminationPolicy {
    pub const ALL: [Self; 6] = [
        Self::LeastBusy,
        Self::Default,
        Self::OldestInstance,
        Self::NewestInstance,
        Self::OldestLaunchTemplate,
        Self::ClosestToNextInstanceHour,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::OldestInstance => "OldestInstance",
            Self::NewestInstance => "NewestInstance",
            Self::OldestLaunchTemplate => "OldestLaunchTemplate",
            Self::ClosestToNextInstanceHour => "ClosestToNextInstanceHour",
            Self::LeastBusy => "LeastBusy",
        }
    }

    /// Whether it leaves one instance for certain, so that a policy after it is never asked.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Default | Self::LeastBusy)
    }
}

impl fmt::Display for TerminationPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
