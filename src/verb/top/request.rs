use minicloud_autoscaler::{
    api::{Activities, CancelInstanceRefresh, StartInstanceRefresh},
    command::{CapacityUpdate, EnterStandby, ExitStandby, InstanceProtection},
    describe::AutoScalingGroup,
    instance::InstanceId,
    instance_refresh::{InstanceRefresh, RefreshPreferences},
    scaling_process::{ScalingProcess, ScalingProcessQuery},
};

use crate::{control_api::ControlApi, failure::Failure, http_client::segment};

/// What a key asks the control API for, once that is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Scale {
        group: String,
        update: CapacityUpdate,
    },
    Protect {
        group: String,
        instance: InstanceId,
        protected: bool,
    },
    Terminate {
        instance: InstanceId,
        decrement: bool,
    },
    EnterStandby {
        group: String,
        instance: InstanceId,
        decrement: bool,
    },
    ExitStandby {
        group: String,
        instance: InstanceId,
    },
    StartRefresh {
        group: String,
        skip_matching: bool,
    },
    CancelRefresh {
        group: String,
    },
    /// The processes named, or all where none is.
    Suspend {
        group: String,
        processes: Vec<ScalingProcess>,
    },
    Resume {
        group: String,
        processes: Vec<ScalingProcess>,
    },
}

impl Request {
    /// While it is asked for.
    pub(super) fn doing(&self) -> String {
        match self {
            Self::Scale { group, .. } => format!("scaling {group}"),
            Self::Protect {
                instance,
                protected: true,
                ..
            } => format!("protecting {instance}"),
            Self::Protect { instance, .. } => format!("unprotecting {instance}"),
            Self::Terminate { instance, .. } => format!("terminating {instance}"),
            Self::EnterStandby { instance, .. } => format!("draining {instance}"),
            Self::ExitStandby { instance, .. } => format!("putting back {instance}"),
            Self::StartRefresh { group, .. } => format!("refreshing {group}"),
            Self::CancelRefresh { group } => format!("cancelling the refresh of {group}"),
            Self::Suspend { group, .. } => format!("suspending processes of {group}"),
            Self::Resume { group, .. } => format!("resuming processes of {group}"),
        }
    }

    /// Resolves with what became of it, in a sentence.
    pub(super) async fn perform(self, api: &ControlApi) -> Result<String, Failure> {
        match self {
            Self::Scale { group, update } => {
                let group = api.update(&group, update).await?;
                Ok(format!(
                    "{} wants {}, from {} to {}",
                    group.auto_scaling_group_name,
                    group.desired_capacity,
                    group.min_size,
                    group.max_size
                ))
            }
            Self::Protect {
                group,
                instance,
                protected,
            } => {
                let protection = InstanceProtection {
                    instance_ids: vec![instance.clone()],
                    protected_from_scale_in: protected,
                };
                api.protect(&group, &protection).await?;
                Ok(match protected {
                    true => format!("{instance} is protected from scale-in"),
                    false => format!("{instance} is protected no longer"),
                })
            }
            Self::Terminate {
                instance,
                decrement,
            } => Ok(api.terminate(&instance, decrement).await?.description),
            Self::EnterStandby {
                group,
                instance,
                decrement,
            } => {
                let request = EnterStandby {
                    instance_ids: vec![instance],
                    should_decrement_desired_capacity: decrement,
                };
                Ok(described(&api.enter_standby(&group, &request).await?))
            }
            Self::ExitStandby { group, instance } => {
                let request = ExitStandby {
                    instance_ids: vec![instance],
                };
                Ok(described(&api.exit_standby(&group, &request).await?))
            }
            Self::StartRefresh {
                group,
                skip_matching,
            } => {
                let preferences = RefreshPreferences {
                    skip_matching,
                    ..RefreshPreferences::default()
                };
                let path = format!("/v1/groups/{}/instance-refreshes", segment(&group));
                let refresh: InstanceRefresh = api
                    .post(&path, &StartInstanceRefresh { preferences })
                    .await?;
                let left = refresh.instances_to_update;
                Ok(format!(
                    "the refresh of {group} has begun: {left} to replace"
                ))
            }
            Self::CancelRefresh { group } => {
                let path = format!("/v1/groups/{}/instance-refreshes/cancel", segment(&group));
                let refresh: InstanceRefresh = api.post(&path, &CancelInstanceRefresh {}).await?;
                Ok(format!("the refresh of {group} is {}", refresh.status))
            }
            Self::Suspend { group, processes } => {
                let scaling_processes = processes;
                let query = ScalingProcessQuery { scaling_processes };
                Ok(suspended(&api.suspend(&group, &query).await?))
            }
            Self::Resume { group, processes } => {
                let scaling_processes = processes;
                let query = ScalingProcessQuery { scaling_processes };
                Ok(suspended(&api.resume(&group, &query).await?))
            }
        }
    }
}

fn described(begun: &Activities) -> String {
    let descriptions = begun.activities.iter().map(|one| one.description.as_str());
    descriptions.collect::<Vec<_>>().join(", ")
}

/// What of the group is suspended now.
pub(super) fn suspended(group: &AutoScalingGroup) -> String {
    let processes = group.suspended_processes.iter();
    let processes: Vec<&str> = processes.map(|one| one.process_name.as_str()).collect();
    match processes.as_slice() {
        [] => "no process is suspended".to_owned(),
        processes => format!("suspended: {}", processes.join(", ")),
    }
}
