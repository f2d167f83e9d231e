use serde::Deserialize;

use super::{Fields, Input, Question};
use crate::{
    api::{self, Api},
    command::{Command, EnterStandby, ExitStandby, InstanceProtection},
    console::{notice::Notice, page::Refusal},
    describe::{AutoScalingGroup, Instance},
};

/// What can be done to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InstanceAction {
    Protect,
    Unprotect,
    Drain,
    Undrain,
    Terminate,
}

impl InstanceAction {
    pub(super) fn question(self, group: &AutoScalingGroup, instance: &Instance) -> Question {
        let (id, name) = (&instance.instance_id, &group.auto_scaling_group_name);
        let in_flight = instance.in_flight;
        match self {
            Self::Protect => Question::new(
                format!("Protect {id}"),
                format!(
                    "{name} does not choose {id} when it scales in. A failed health check replaces it all the same."
                ),
                "Protect from scale-in",
            ),
            Self::Unprotect => Question::new(
                format!("Unprotect {id}"),
                format!("{name} may choose {id} when it scales in."),
                "Remove protection",
            ),
            Self::Drain => Question {
                inputs: vec![decrement(true)],
                ..Question::new(
                    format!("Drain {id}"),
                    format!(
                        "{id} gets no new requests, finishes the {in_flight} it has in flight, and then stands by: it runs on, and {name} does not count it until it is put back."
                    ),
                    "Drain",
                )
            },
            Self::Undrain => Question::new(
                format!("Put {id} back into service"),
                format!(
                    "{id} gets requests again, and the desired capacity of {name} grows by one for it."
                ),
                "Put back into service",
            ),
            Self::Terminate => Question {
                is_grave: true,
                inputs: vec![decrement(false)],
                ..Question::new(
                    format!("Terminate {id}"),
                    format!(
                        "{id} of {name} gets no new requests, finishes the {in_flight} it has in flight, and is ended. The group launches another in its place, unless the desired capacity is lowered with it."
                    ),
                    "Terminate",
                )
            },
        }
    }

    pub(super) async fn perform(
        self,
        api: &Api,
        instance: &Instance,
        fields: &Fields,
    ) -> Result<Notice, Refusal> {
        let name = instance.auto_scaling_group_name.to_string();
        let instance_id = instance.instance_id.clone();
        let should_decrement_desired_capacity = fields.is_set("decrement");
        Ok(match self {
            Self::Protect => {
                protect(api, instance, true).await?;
                Notice::Protected
            }
            Self::Unprotect => {
                protect(api, instance, false).await?;
                Notice::Unprotected
            }
            Self::Drain => {
                let request = EnterStandby {
                    instance_ids: vec![instance_id],
                    should_decrement_desired_capacity,
                };
                let command = |reply| Command::EnterStandby {
                    name,
                    request,
                    reply,
                };
                api::ask(api, command).await?;
                Notice::Draining
            }
            Self::Undrain => {
                let request = ExitStandby {
                    instance_ids: vec![instance_id],
                };
                let command = |reply| Command::ExitStandby {
                    name,
                    request,
                    reply,
                };
                api::ask(api, command).await?;
                Notice::PutBack
            }
            Self::Terminate => {
                let command = |reply| Command::TerminateInstanceInAutoScalingGroup {
                    instance_id,
                    should_decrement_desired_capacity,
                    reply,
                };
                api::ask(api, command).await?;
                Notice::Terminated
            }
        })
    }
}

fn decrement(is_set: bool) -> Input {
    Input::Box {
        name: "decrement".to_owned(),
        label: "Lower the desired capacity by one, so that no other takes its place".to_owned(),
        hint: "",
        is_set,
    }
}

async fn protect(
    api: &Api,
    instance: &Instance,
    protected_from_scale_in: bool,
) -> Result<(), Refusal> {
    let protection = InstanceProtection {
        instance_ids: vec![instance.instance_id.clone()],
        protected_from_scale_in,
    };
    Ok(api::set_protection(api, &instance.auto_scaling_group_name, protection).await?)
}
