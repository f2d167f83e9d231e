//! What a group's scheduled actions are, and which of their occurrences are done with.
//!
//! AWS runs an action within seconds, at most about two minutes late, and does not make up for
//! one that was suspended. A machine of one's own is switched off and put to sleep: of what an
//! action missed, the latest occurrence of the last [`CATCH_UP`] runs, late, and no other.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::{ScheduledAction, ScheduledActionSpec, Sizes, next_occurrence};

/// How late an action may still run. Also how far a clock may be set back without anything
/// being run again: one set back further was wrong before, and the schedule begins anew.
pub(crate) const CATCH_UP: SignedDuration = SignedDuration::from_hours(24);

/// Times that are shown of each action.
const SHOWN: usize = 3;

/// A row of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScheduledActionRecord {
    pub(crate) name: String,
    /// None: deleted through the API, though the file has it.
    pub(crate) current: Option<ScheduledActionSpec>,
    /// As the file last had it: a three-way apply needs both.
    pub(crate) file: Option<ScheduledActionSpec>,
    /// Occurrences up to here are done with.
    pub(crate) done_until: Timestamp,
    pub(crate) last_run: Option<Timestamp>,
}

/// The scheduled actions of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScheduleJournal {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// None where it is deleted.
    action: Option<ScheduledAction>,
    record: ScheduledActionRecord,
    /// The next occurrences after `done_until`, soonest first.
    upcoming: Vec<Timestamp>,
}

/// An action whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Timestamp,
    pub(crate) name: String,
    pub(crate) sizes: Sizes,
}

/// What a change leaves in the store: the row to write, or the name of the one to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Row(Box<ScheduledActionRecord>),
    Nothing(String),
}

/// The rows of a group after the file was read: what was changed through the API stays until
/// the file changes that action.
pub(crate) fn merge(
    stored: Vec<ScheduledActionRecord>,
    file: &[ScheduledAction],
    now: Timestamp,
) -> Vec<ScheduledActionRecord> {
    let mut rows: BTreeMap<String, ScheduledActionRecord> = stored
        .into_iter()
        .map(|row| (row.name.clone(), row))
        .collect();
    for row in rows.values_mut() {
        let in_file = file.iter().find(|action| action.name == row.name);
        let in_file = in_file.map(|action| action.spec.clone());
        if row.file != in_file {
            row.change(in_file.clone(), now);
            row.file = in_file;
        }
    }
    for action in file {
        rows.entry(action.name.clone())
            .or_insert_with(|| ScheduledActionRecord {
                name: action.name.clone(),
                current: Some(action.spec.clone()),
                file: Some(action.spec.clone()),
                done_until: now,
                last_run: None,
            });
    }
    let is_something = |row: &ScheduledActionRecord| row.current.is_some() || row.file.is_some();
    rows.into_values().filter(is_something).collect()
}

impl ScheduledActionRecord {
    /// A changed action has not run yet, and does not run for the past.
    fn change(&mut self, spec: Option<ScheduledActionSpec>, now: Timestamp) {
        if self.current != spec {
            self.current = spec;
            self.done_until = now;
            self.last_run = None;
        }
    }
}

impl ScheduleJournal {
    pub(crate) fn new(rows: Vec<ScheduledActionRecord>) -> Self {
        let entries = rows
            .into_iter()
            .map(|row| (row.name.clone(), Entry::new(row)));
        Self {
            entries: entries.collect(),
        }
    }

    /// Each action whose time has come once, in the order of their times, then of their names.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let due = self.entries.values_mut().filter_map(|entry| entry.due(now));
        let mut due: Vec<Due> = due.collect();
        due.sort_by(|one, other| (one.at, &one.name).cmp(&(other.at, &other.name)));
        due
    }

    /// Notes that an action has run; a one-off of the API's, or a recurring one that has
    /// ended, is gone with that, as it is with AWS.
    pub(crate) fn ran(&mut self, due: &Due) -> Option<Kept> {
        self.entries.get_mut(&due.name)?.record.last_run = Some(due.at);
        self.pass_over(due)
    }

    /// Notes that a time has come and gone.
    pub(crate) fn pass_over(&mut self, due: &Due) -> Option<Kept> {
        let entry = self.entries.get_mut(&due.name)?;
        entry.record.done_until = due.at;
        entry.look_ahead();
        if entry.upcoming.is_empty() && entry.record.file.is_none() {
            self.entries.remove(&due.name);
            return Some(Kept::Nothing(due.name.clone()));
        }
        Some(Kept::Row(Box::new(entry.record.clone())))
    }

    /// The row that says what `action` is from now on. It takes effect by [`keep`](Self::keep).
    pub(crate) fn put(&self, action: &ScheduledAction, now: Timestamp) -> ScheduledActionRecord {
        let spec = Some(action.spec.clone());
        match self.entries.get(&action.name) {
            Some(entry) => {
                let mut row = entry.record.clone();
                row.change(spec, now);
                row
            }
            None => ScheduledActionRecord {
                name: action.name.clone(),
                current: spec,
                file: None,
                done_until: now,
                last_run: None,
            },
        }
    }

    /// What deleting leaves; None where there is no such action.
    pub(crate) fn delete(&self, name: &str, now: Timestamp) -> Option<Kept> {
        let entry = self.entries.get(name)?;
        entry.action.as_ref()?;
        let mut row = entry.record.clone();
        row.change(None, now);
        Some(match row.file {
            Some(_) => Kept::Row(Box::new(row)),
            None => Kept::Nothing(name.to_owned()),
        })
    }

    pub(crate) fn keep(&mut self, kept: Kept) {
        match kept {
            Kept::Row(row) => drop(self.entries.insert(row.name.clone(), Entry::new(*row))),
            Kept::Nothing(name) => drop(self.entries.remove(&name)),
        }
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = &ScheduledAction> {
        self.entries
            .values()
            .filter_map(|entry| entry.action.as_ref())
    }

    /// Each action with its row and its next times, soonest first.
    pub(crate) fn describe(
        &self,
    ) -> impl Iterator<Item = (&ScheduledAction, &ScheduledActionRecord, &[Timestamp])> {
        self.entries.values().filter_map(|entry| {
            let action = entry.action.as_ref()?;
            Some((action, &entry.record, entry.upcoming.as_slice()))
        })
    }
}

impl Entry {
    fn new(record: ScheduledActionRecord) -> Self {
        let read =
            |spec: &ScheduledActionSpec| ScheduledAction::try_new(&record.name, spec.clone());
        let action = match record.current.as_ref().map(read).transpose() {
            Ok(action) => action,
            Err(faults) => {
                let name = &record.name;
                warn!(
                    name,
                    ?faults,
                    "a scheduled action of the store is not valid here: it does not run"
                );
                None
            }
        };
        let mut entry = Self {
            action,
            record,
            upcoming: Vec::new(),
        };
        entry.look_ahead();
        entry
    }

    fn look_ahead(&mut self) {
        let from = self.record.done_until;
        self.upcoming = match &self.action {
            Some(action) => {
                let times = std::iter::successors(next_occurrence(action, from), |at| {
                    next_occurrence(action, *at)
                });
                times.take(SHOWN).collect()
            }
            None => Vec::new(),
        };
    }

    fn due(&mut self, now: Timestamp) -> Option<Due> {
        self.action.as_ref()?;
        if self.record.done_until.duration_since(now) > CATCH_UP {
            self.record.done_until = now;
            self.look_ahead();
        }
        let first = *self.upcoming.first().filter(|at| **at <= now)?;
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(Timestamp::MIN);
        let action = self.action.as_ref()?;
        let first = match first < earliest {
            true => next_occurrence(action, earliest),
            false => Some(first),
        };
        let Some(mut latest) = first.filter(|at| *at <= now) else {
            // Missed by too much.
            self.record.done_until = earliest;
            self.look_ahead();
            return None;
        };
        while let Some(next) = next_occurrence(action, latest).filter(|at| *at <= now) {
            latest = next;
        }
        Some(Due {
            at: latest,
            name: action.name.clone(),
            sizes: action.sizes(),
        })
    }
}
