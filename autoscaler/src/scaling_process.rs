//! The processes by which a group runs itself, each of which a person can suspend. Names and
//! meaning are AWS's (EC2 Auto Scaling, "Suspend and resume processes"); what is kept from
//! happening is decided where it would be decided that it happens.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A process of a group.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub enum ScalingProcess {
    /// Launches instances; while suspended an instance does not leave standby either.
    Launch,
    /// Ends instances in service: scale-in, and what others do by it. What a person ends ends.
    Terminate,
    /// Registers new instances with the target groups.
    AddToLoadBalancer,
    /// Lets scaling policies, and requests that wait for a group of none, change the desired
    /// capacity.
    AlarmNotification,
    /// Moves instances between zones. Takes `Launch` and `Terminate` too.
    AZRebalance,
    /// Marks instances as unhealthy, those that no longer run too.
    HealthCheck,
    /// Replaces instances of an older launch template. Takes `Launch` and `Terminate` too.
    InstanceRefresh,
    /// Replaces unhealthy instances. Takes `Terminate` too.
    ReplaceUnhealthy,
    /// Runs scheduled actions; those whose time comes while it is suspended do not run later.
    ScheduledActions,
}

impl ScalingProcess {
    pub const ALL: [Self; 9] = [
        Self::Launch,
        Self::Terminate,
        Self::AddToLoadBalancer,
        Self::AlarmNotification,
        Self::AZRebalance,
        Self::HealthCheck,
        Self::InstanceRefresh,
        Self::ReplaceUnhealthy,
        Self::ScheduledActions,
    ];

    /// As it is on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Launch => "Launch",
            Self::Terminate => "Terminate",
            Self::AddToLoadBalancer => "AddToLoadBalancer",
            Self::AlarmNotification => "AlarmNotification",
            Self::AZRebalance => "AZRebalance",
            Self::HealthCheck => "HealthCheck",
            Self::InstanceRefresh => "InstanceRefresh",
            Self::ReplaceUnhealthy => "ReplaceUnhealthy",
            Self::ScheduledActions => "ScheduledActions",
        }
    }
}

impl fmt::Display for ScalingProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No process has this name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a process; the processes are: {names}", names = names())]
pub struct ScalingProcessError(String);

fn names() -> String {
    ScalingProcess::ALL.map(ScalingProcess::as_str).join(", ")
}

impl FromStr for ScalingProcess {
    type Err = ScalingProcessError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        // The text may be hostile and long: an error repeats no more than a name's worth.
        all.find(|process| process.as_str() == text)
            .ok_or_else(|| ScalingProcessError(text.chars().take(40).collect()))
    }
}

/// `SuspendedProcess` of botocore's `autoscaling` model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SuspendedProcess {
    pub process_name: ScalingProcess,
    /// Who suspended it and when, in AWS's words.
    pub suspension_reason: String,
}

/// `ScalingProcessQuery`'s members, the group apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScalingProcessQuery {
    /// None named: all.
    #[serde(default)]
    pub scaling_processes: Vec<ScalingProcess>,
}

impl ScalingProcessQuery {
    pub fn named(&self) -> &[ScalingProcess] {
        match self.scaling_processes.is_empty() {
            true => &ScalingProcess::ALL,
            false => &self.scaling_processes,
        }
    }
}

/// The processes of a group that are suspended, each since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuspendedProcesses(BTreeMap<ScalingProcess, Timestamp>);

impl SuspendedProcesses {
    pub fn contains(&self, process: ScalingProcess) -> bool {
        self.0.contains_key(&process)
    }

    pub fn since(&self, process: ScalingProcess) -> Option<Timestamp> {
        self.0.get(&process).copied()
    }

    /// The first of `processes` that is suspended: it keeps from happening what takes them all.
    pub fn first_of(&self, processes: &[ScalingProcess]) -> Option<ScalingProcess> {
        let mut processes = processes.iter().copied();
        processes.find(|process| self.contains(*process))
    }

    /// One that is suspended already stays so since when it was.
    pub fn suspend(&mut self, processes: &[ScalingProcess], now: Timestamp) {
        for process in processes {
            self.0.entry(*process).or_insert(now);
        }
    }

    pub fn resume(&mut self, processes: &[ScalingProcess]) {
        for process in processes {
            self.0.remove(process);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (ScalingProcess, Timestamp)> {
        self.0.iter().map(|(process, since)| (*process, *since))
    }

    /// As the API shows them.
    pub fn describe(&self) -> Vec<SuspendedProcess> {
        let described = self.iter().map(|(process_name, since)| SuspendedProcess {
            process_name,
            suspension_reason: format!("User suspended at {since:.0}"),
        });
        described.collect()
    }

    /// `process Launch is suspended since ..., by a user`; nothing of one that is not.
    pub fn sentence(&self, process: ScalingProcess) -> Option<String> {
        let since = self.since(process)?;
        Some(format!(
            "process {process} is suspended since {since:.0}, by a user"
        ))
    }
}

impl FromIterator<(ScalingProcess, Timestamp)> for SuspendedProcesses {
    fn from_iter<T: IntoIterator<Item = (ScalingProcess, Timestamp)>>(processes: T) -> Self {
        Self(processes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        for process in ScalingProcess::ALL {
            assert_eq!(process.as_str().parse(), Ok(process));
            let wire = serde_json::to_value(process).unwrap();
            assert_eq!(wire, process.as_str());
        }
        let error = "launch".parse::<ScalingProcess>().unwrap_err();
        assert!(
            error.to_string().ends_with(
                "AZRebalance, HealthCheck, InstanceRefresh, ReplaceUnhealthy, ScheduledActions"
            ),
            "{error}"
        );
        let long = "x".repeat(10_000).parse::<ScalingProcess>().unwrap_err();
        assert!(long.to_string().len() < 300);
    }

    #[test]
    fn suspension_keeps_its_first_time_until_it_is_resumed() {
        let [first, second] = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"];
        let mut suspended = SuspendedProcesses::default();
        let all = ScalingProcessQuery::default();
        suspended.suspend(&[ScalingProcess::Launch], first.parse().unwrap());
        suspended.suspend(all.named(), second.parse().unwrap());
        assert_eq!(
            suspended.sentence(ScalingProcess::Launch).unwrap(),
            "process Launch is suspended since 2026-01-01T00:00:00Z, by a user"
        );
        assert_eq!(suspended.describe().len(), ScalingProcess::ALL.len());
        suspended.resume(&[ScalingProcess::Launch]);
        let both = [ScalingProcess::Launch, ScalingProcess::Terminate];
        assert_eq!(
            suspended.first_of(&both),
            Some(ScalingProcess::Terminate),
            "one is enough"
        );
        suspended.resume(all.named());
        assert_eq!(suspended, SuspendedProcesses::default());
    }
}
