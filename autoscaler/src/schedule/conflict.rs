//! Two actions of a group at one instant: which of them wins would be a surprise.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use jiff::{SignedDuration, Timestamp};

use super::{ScheduledAction, next_occurrence};

/// How far ahead coincidences are looked for.
const HORIZON: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Runs of a group that are looked at: actions of every minute would be walked for long.
const MAX_RUNS: usize = 20_000;

/// The other action that runs once, at the very time at which `action` does.
pub fn one_off_conflict<'a>(
    action: &ScheduledAction,
    others: impl IntoIterator<Item = &'a ScheduledAction>,
) -> Option<&'a ScheduledAction> {
    let at = action.spec.start_time.filter(|_| action.is_one_off())?;
    others.into_iter().find(|other| {
        other.name != action.name && other.is_one_off() && other.spec.start_time == Some(at)
    })
}

/// Pairs that run at one instant after `now`, within a year or the group's first 20 000 runs:
/// each pair with the first such instant, and each action in one pair.
pub fn coincidences(
    actions: &[ScheduledAction],
    now: Timestamp,
) -> Vec<(&ScheduledAction, &ScheduledAction, Timestamp)> {
    let end = now.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
    let next = |index: usize, after| {
        let at = next_occurrence(&actions[index], after)?;
        (at <= end).then_some(Reverse((at, index)))
    };
    let mut runs: BinaryHeap<_> = (0..actions.len())
        .filter_map(|index| next(index, now))
        .collect();
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    let mut last: Option<(Timestamp, usize)> = None;
    for _ in 0..MAX_RUNS {
        let Some(Reverse((at, index))) = runs.pop() else {
            break;
        };
        if let Some((before, other)) = last
            && before == at
            && told.insert(index)
        {
            found.push((&actions[other], &actions[index], at));
        }
        last = Some((at, index));
        runs.extend(next(index, at));
    }
    found
}
