//! What a valid file says that is hardly meant, as of a time.

use std::fmt;

use jiff::Timestamp;

use super::{AutoScalingGroup, Config, fault::shortened};
use crate::schedule::{ScheduledAction, coincidences, next_occurrence};

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
    /// What of it is past at `now`, or will come to pass in the year after it, without having
    /// been meant.
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let groups = self.auto_scaling_groups.values();
        groups.flat_map(|group| of_schedule(group, now)).collect()
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
