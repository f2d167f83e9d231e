use serde::Deserialize;

use super::{Fields, Input, Question};
use crate::{
    api::{self, Api},
    command::{CapacityUpdate, Command},
    console::{notice::Notice, page::Refusal},
    describe::AutoScalingGroup,
    instance_refresh::RefreshPreferences,
    scaling_process::{ScalingProcess, ScalingProcessQuery},
};

/// What can be done to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GroupAction {
    Scale,
    Suspend,
    Refresh,
    CancelRefresh,
}

const SIZES: [(&str, &str); 3] = [
    ("min_size", "Minimum"),
    ("desired_capacity", "Desired"),
    ("max_size", "Maximum"),
];

impl GroupAction {
    pub(super) fn question(self, group: &AutoScalingGroup) -> Question {
        let name = &group.auto_scaling_group_name;
        match self {
            Self::Scale => Question {
                inputs: sizes(group),
                ..Question::new(
                    format!("Scale {name}"),
                    "The group launches or terminates instances until it has the desired capacity. Its scaling policies go on from there, within minimum and maximum.",
                    "Set capacity",
                )
            },
            Self::Suspend => Question {
                inputs: processes(group),
                ..Question::new(
                    format!("Suspend processes of {name}"),
                    "The group begins nothing of what is checked here until it is resumed: check to suspend, uncheck to resume.",
                    "Suspend what is checked",
                )
            },
            Self::Refresh => Question {
                inputs: vec![Input::Box {
                    name: "skip_matching".to_owned(),
                    label: "Leave those that are of the present version already".to_owned(),
                    hint: "",
                    is_set: false,
                }],
                ..Question::new(
                    format!("Refresh {name}"),
                    format!(
                        "Each of the group's {} instance(s) is replaced by a new one of launch template {}, version {}: one after the other, the new one first, so that the group never serves with fewer.",
                        group.instances.len(),
                        group.launch_template.launch_template_name,
                        group.launch_template.version
                    ),
                    "Replace the instances",
                )
            },
            Self::CancelRefresh => Question::new(
                format!("Cancel the refresh of {name}"),
                "What was begun is finished, and nothing more is replaced. What is new stays.",
                "Cancel the refresh",
            ),
        }
    }

    pub(super) async fn perform(
        self,
        api: &Api,
        group: &AutoScalingGroup,
        fields: &Fields,
    ) -> Result<Notice, Refusal> {
        let name = &group.auto_scaling_group_name;
        match self {
            Self::Scale => {
                let [min_size, desired_capacity, max_size] =
                    SIZES.map(|(name, label)| fields.number(name, label));
                let update = CapacityUpdate {
                    min_size: Some(min_size?),
                    max_size: Some(max_size?),
                    desired_capacity: Some(desired_capacity?),
                };
                api::update_capacity(api, name, update).await?;
                Ok(Notice::Scaled)
            }
            Self::Suspend => {
                suspend(api, group, fields).await?;
                Ok(Notice::Suspended)
            }
            Self::Refresh => {
                let preferences = RefreshPreferences {
                    skip_matching: fields.is_set("skip_matching"),
                    ..RefreshPreferences::default()
                };
                api::ask(api, |reply| Command::StartInstanceRefresh {
                    name: name.clone(),
                    preferences,
                    reply,
                })
                .await?;
                Ok(Notice::Refreshing)
            }
            Self::CancelRefresh => {
                api::ask(api, |reply| Command::CancelInstanceRefresh {
                    name: name.clone(),
                    reply,
                })
                .await?;
                Ok(Notice::RefreshCancelled)
            }
        }
    }
}

fn sizes(group: &AutoScalingGroup) -> Vec<Input> {
    let sizes = [group.min_size, group.desired_capacity, group.max_size];
    let sizes = SIZES.into_iter().zip(sizes);
    sizes
        .map(|((name, label), size)| Input::Number {
            name,
            label,
            value: size.to_string(),
        })
        .collect()
}

fn processes(group: &AutoScalingGroup) -> Vec<Input> {
    let processes = ScalingProcess::ALL.into_iter();
    processes
        .map(|process| Input::Box {
            name: process.as_str().to_owned(),
            label: process.as_str().to_owned(),
            hint: means(process),
            is_set: group.suspends(process),
        })
        .collect()
}

fn means(process: ScalingProcess) -> &'static str {
    match process {
        ScalingProcess::Launch => "no new instances",
        ScalingProcess::Terminate => "none ended by scaling in",
        ScalingProcess::AddToLoadBalancer => "new instances get no requests",
        ScalingProcess::AlarmNotification => "scaling policies change nothing",
        ScalingProcess::AZRebalance => "none moved between zones",
        ScalingProcess::HealthCheck => "none found unhealthy",
        ScalingProcess::InstanceRefresh => "a refresh replaces none",
        ScalingProcess::ReplaceUnhealthy => "unhealthy ones stay",
        ScalingProcess::ScheduledActions => "the clock changes nothing",
    }
}

/// Suspends what is checked and was not, and resumes what was and is not.
async fn suspend(api: &Api, group: &AutoScalingGroup, fields: &Fields) -> Result<(), Refusal> {
    let changed = ScalingProcess::ALL
        .into_iter()
        .filter(|process| fields.is_set(process.as_str()) != group.suspends(*process));
    let (suspend, resume): (Vec<_>, Vec<_>) =
        changed.partition(|process| fields.is_set(process.as_str()));
    let name = &group.auto_scaling_group_name;
    let query = |scaling_processes| ScalingProcessQuery { scaling_processes };
    // To name none means all.
    if !suspend.is_empty() {
        api::suspend_processes(api, name, query(suspend)).await?;
    }
    if !resume.is_empty() {
        api::resume_processes(api, name, query(resume)).await?;
    }
    Ok(())
}
