//! Scheduled actions: what changes a group's capacity at a time, after botocore's
//! `PutScheduledUpdateGroupAction`. Pure but for `journal`, which keeps in the store what ran.

mod action;
mod conflict;
mod cron;
mod journal;
mod recurrence;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use self::journal::{Due, Kept, ScheduleJournal, ScheduledActionRecord, merge};
pub use self::{
    action::{ScheduledAction, ScheduledActionSpec, Sizes, check_name, next_occurrence},
    conflict::{coincidences, one_off_conflict},
    cron::Cron,
    recurrence::{Recurrence, time_zone},
};

/// Scheduled actions of one group: AWS's quota.
pub const MAX_ACTIONS: usize = 125;

/// What is wrong with one member of a scheduled action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In snake_case; empty where it is the whole action.
    pub field: &'static str,
    pub message: String,
    pub hint: String,
}

impl Fault {
    fn new(field: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl std::error::Error for Fault {}
