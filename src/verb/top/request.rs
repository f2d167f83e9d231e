use minicloud_autoscaler::{
    command::{CapacityUpdate, InstanceProtection},
    instance::InstanceId,
};

use crate::{control_api::ControlApi, failure::Failure};

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
        }
    }
}
