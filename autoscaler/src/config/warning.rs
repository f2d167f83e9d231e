//! What a valid file says that is hardly meant, as of a time.

use std::fmt;

use jiff::Timestamp;

use super::{AutoScalingGroup, Config, ProviderKind, fault::shortened};
use crate::{
    instance_type::HostSize,
    schedule::{ScheduledAction, coincidences, next_occurrence},
};

/// Something of the file that works, and probably not as wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Keys from the root, and the name of the item.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Config {
    /// What is allowed and may yet not be meant, or not work: with `provider` in use, or with
    /// any where there is none; on a machine of the size of `host`; without the launch templates of a control API, or because of what is past at
    /// `now` or comes to pass in the year after it.
    pub fn warnings(
        &self,
        provider: Option<ProviderKind>,
        host: Option<HostSize>,
        now: Timestamp,
    ) -> Vec<Warning> {
        let templates = self.launch_templates.iter();
        let too_large = templates.filter_map(|(name, template)| {
            Some(Warning {
                path: format!("launch_templates.{name}"),
                message: template.instance_type.as_ref()?.exceeds(host?)?,
            })
        });
        let groups = self.auto_scaling_groups.values();
        let elsewhere = groups.clone().filter_map(|group| self.not_in_file(group));
        let schedules = groups.flat_map(|group| of_schedule(group, now));
        let unenforced = self.unenforced(provider).into_iter();
        let warnings = too_large.chain(elsewhere).chain(schedules);
        warnings.chain(unenforced).collect()
    }

    fn not_in_file(&self, group: &AutoScalingGroup) -> Option<Warning> {
        let template = &group.launch_template.name;
        (!self.launch_templates.contains_key(template)).then(|| Warning {
            path: format!("auto_scaling_groups.{}", group.name),
            message: format!(
                "the launch template `{template}` is not in this file; it must have been made with `minicloud launch-template create {template}`"
            ),
        })
    }
}

fn of_schedule(group: &AutoScalingGroup, now: Timestamp) -> Vec<Warning> {
    let warning = |action: &ScheduledAction, message| Warning {
        path: format!(
            "auto_scaling_groups.{}.scheduled_actions.{}",
            group.name,
            shortened(&action.name)
        ),
        message,
    };
    let actions = &group.scheduled_actions;
    let past = actions.iter().filter_map(|action| {
        let spec = &action.spec;
        let message = match spec.start_time.filter(|start| *start <= now) {
            Some(start) if action.is_one_off() => {
                format!("start_time {start} is past: it runs only if it was there before that")
            }
            _ if next_occurrence(action, now).is_none() => {
                "end_time is past, or comes before the next occurrence: it does not run any more"
                    .to_owned()
            }
            Some(_) | None => return None,
        };
        Some(warning(action, message))
    });
    let together = coincidences(actions, now).into_iter().map(|(one, other, at)| {
        let message = format!(
            "it runs at the same time as {}, for the first time at {at}: the one whose name is later in the alphabet has the last word",
            shortened(&one.name)
        );
        warning(other, message)
    });
    past.chain(together).collect()
}
