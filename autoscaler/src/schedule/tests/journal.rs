use jiff::{SignedDuration, Timestamp};

use crate::{
    capacity::Capacity,
    schedule::{
        Due, Kept, ScheduleJournal, ScheduledAction, ScheduledActionSpec, coincidences,
        journal::CATCH_UP, merge, next_occurrence, one_off_conflict,
    },
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn daily(name: &str, cron: &str) -> ScheduledAction {
    let spec = ScheduledActionSpec {
        recurrence: Some(cron.to_owned()),
        desired_capacity: Some(2),
        ..ScheduledActionSpec::default()
    };
    ScheduledAction::try_new(name, spec).unwrap()
}

fn once(name: &str, time: &str) -> ScheduledAction {
    let spec = ScheduledActionSpec {
        start_time: Some(at(time)),
        min_size: Some(1),
        ..ScheduledActionSpec::default()
    };
    ScheduledAction::try_new(name, spec).unwrap()
}

fn journal(actions: &[ScheduledAction], now: &str) -> ScheduleJournal {
    ScheduleJournal::new(merge(Vec::new(), actions, at(now)))
}

fn times(due: &[Due]) -> Vec<(String, String)> {
    due.iter()
        .map(|due| (due.name.clone(), due.at.to_string()))
        .collect()
}

#[test]
fn start_is_an_occurrence_and_end_the_last() {
    let mut action = daily("a", "0 8 * * *");
    action.spec.start_time = Some(at("2026-01-01T10:00:00Z"));
    action.spec.end_time = Some(at("2026-01-03T08:00:00Z"));
    let runs = std::iter::successors(next_occurrence(&action, Timestamp::UNIX_EPOCH), |at| {
        next_occurrence(&action, *at)
    });
    let runs: Vec<String> = runs.map(|at| at.to_string()).collect();
    let expected = [
        "2026-01-01T10:00:00Z",
        "2026-01-02T08:00:00Z",
        "2026-01-03T08:00:00Z",
    ];
    assert_eq!(runs, expected);
}

#[test]
fn action_runs_once_at_its_time() {
    let mut journal = journal(&[daily("a", "0 8 * * *")], "2026-01-01T08:00:00Z");
    assert_eq!(journal.due(at("2026-01-02T07:59:59Z")), []);
    let due = journal.due(at("2026-01-02T08:00:00.2Z"));
    assert_eq!(times(&due), [("a".into(), "2026-01-02T08:00:00Z".into())]);
    journal.ran(&due[0]);
    assert_eq!(journal.due(at("2026-01-02T08:00:01Z")), []);
    assert_eq!(journal.due(at("2026-01-02T07:00:00Z")), [], "set back");
    assert_eq!(
        journal.due(at("2026-01-02T08:00:00Z")),
        [],
        "and come again"
    );
}

#[test]
fn latest_missed_of_each_runs_in_order() {
    let actions = [
        daily("evening", "0 20 * * *"),
        daily("hourly", "0 * * * *"),
        daily("morning", "0 8 * * *"),
    ];
    let mut journal = journal(&actions, "2026-01-01T00:00:00Z");
    let due = journal.due(at("2026-01-09T09:30:00Z"));
    assert_eq!(
        times(&due),
        [
            ("evening".into(), "2026-01-08T20:00:00Z".into()),
            ("morning".into(), "2026-01-09T08:00:00Z".into()),
            ("hourly".into(), "2026-01-09T09:00:00Z".into()),
        ]
    );
}

#[test]
fn missed_by_more_than_a_day_does_not_run() {
    let mut journal = journal(
        &[
            once("once", "2026-01-02T00:00:00Z"),
            daily("mondays", "0 8 * * MON"),
        ],
        "2026-01-01T00:00:00Z",
    );
    assert_eq!(journal.due(at("2026-01-06T09:00:00Z")), []);
    let due = journal.due(at("2026-01-12T08:00:00Z"));
    assert_eq!(
        times(&due),
        [("mondays".into(), "2026-01-12T08:00:00Z".into())]
    );
}

#[test]
fn clock_that_was_far_ahead_does_not_silence_a_schedule() {
    let mut journal = journal(&[daily("a", "0 8 * * *")], "2030-01-01T00:00:00Z");
    assert_eq!(
        journal.due(at("2026-01-01T09:00:00Z")),
        [],
        "nothing of the past"
    );
    assert_eq!(journal.due(at("2026-01-02T08:00:00Z")).len(), 1);
}

#[test]
fn api_changes_stay_until_the_file_changes_that_action() {
    let now = at("2026-01-01T00:00:00Z");
    let (nine, ten) = (daily("a", "0 9 * * *"), daily("a", "0 10 * * *"));
    let rows = merge(Vec::new(), std::slice::from_ref(&nine), now);
    let mut journal = ScheduleJournal::new(rows);
    journal.keep(Kept::Row(Box::new(journal.put(&ten, now))));
    journal.keep(Kept::Row(Box::new(
        journal.put(&once("b", "2026-02-01T00:00:00Z"), now),
    )));
    let rows = |journal: &ScheduleJournal| -> Vec<_> {
        journal.describe().map(|(_, row, _)| row.clone()).collect()
    };
    let same = ScheduleJournal::new(merge(rows(&journal), std::slice::from_ref(&nine), now));
    let kept: Vec<_> = same.actions().cloned().collect();
    assert_eq!(kept, [ten, once("b", "2026-02-01T00:00:00Z")]);
    let eleven = daily("a", "0 11 * * *");
    let changed = merge(rows(&journal), std::slice::from_ref(&eleven), now);
    assert_eq!(changed[0].current.as_ref(), Some(&eleven.spec));
    let removed = ScheduleJournal::new(merge(rows(&journal), &[], now));
    let left: Vec<_> = removed
        .actions()
        .map(|action| action.name.as_str())
        .collect();
    assert_eq!(left, ["b"]);
    // Deleted through the API, it stays deleted while the file says the same.
    let deleted = journal.delete("a", now).unwrap();
    let Kept::Row(row) = deleted else {
        panic!("{deleted:?}")
    };
    let still = ScheduleJournal::new(merge(vec![*row.clone()], std::slice::from_ref(&nine), now));
    assert_eq!(still.actions().count(), 0);
    let back = ScheduleJournal::new(merge(vec![*row], &[eleven], now));
    assert_eq!(back.actions().count(), 1);
}

#[test]
fn what_cannot_run_again_is_forgotten_unless_the_file_has_it() {
    let now = at("2026-01-01T00:00:00Z");
    let action = once("a", "2026-01-01T01:00:00Z");
    let mut by_api = ScheduleJournal::default();
    by_api.keep(Kept::Row(Box::new(by_api.put(&action, now))));
    let mut by_file = journal(&[action], "2026-01-01T00:00:00Z");
    let due = by_api.due(at("2026-01-01T01:00:00Z")).remove(0);
    assert_eq!(by_api.ran(&due), Some(Kept::Nothing("a".to_owned())));
    assert!(matches!(by_file.ran(&due), Some(Kept::Row(row)) if row.last_run == Some(due.at)));
    assert_eq!(by_file.due(at("2026-01-01T01:00:01Z")), []);
}

#[test]
fn actions_at_one_instant_are_found() {
    let now = at("2026-01-01T00:00:00Z");
    let actions = [
        daily("weekdays", "0 8 * * MON-FRI"),
        daily("saturdays", "0 8 * * SAT"),
        daily("first", "0 8 1 * *"),
        once("once", "2026-01-03T08:00:00Z"),
    ];
    let found: Vec<_> = coincidences(&actions, now)
        .into_iter()
        .map(|(one, other, at)| (one.name.as_str(), other.name.as_str(), at.to_string()))
        .collect();
    assert_eq!(
        found,
        [
            ("weekdays", "first", "2026-01-01T08:00:00Z".to_owned()),
            ("saturdays", "once", "2026-01-03T08:00:00Z".to_owned()),
        ]
    );
    let twin = once("twin", "2026-01-03T08:00:00Z");
    let conflict = one_off_conflict(&twin, &actions).map(|other| other.name.as_str());
    assert_eq!(conflict, Some("once"));
    assert!(one_off_conflict(&once("once", "2026-01-03T08:00:00Z"), &actions).is_none());
}

#[test]
fn desired_moves_into_the_bounds() {
    let before = Capacity {
        min_size: 1,
        max_size: 4,
        desired_capacity: 3,
    };
    for (min, max, desired, expected) in [
        (None, None, Some(9), Ok((1, 4, 4))),
        (None, None, Some(0), Ok((1, 4, 1))),
        (None, Some(2), None, Ok((1, 2, 2))),
        (Some(4), None, None, Ok((4, 4, 4))),
        (Some(0), Some(0), None, Ok((0, 0, 0))),
        (Some(5), None, None, Err(())),
    ] {
        let mut action = daily("a", "* * * * *");
        (
            action.spec.min_size,
            action.spec.max_size,
            action.spec.desired_capacity,
        ) = (min, max, desired);
        let applied = action.sizes().applied_to(before);
        let applied = applied
            .map(|c| (c.min_size, c.max_size, c.desired_capacity))
            .map_err(drop);
        assert_eq!(applied, expected);
    }
}

#[test]
fn faults_of_an_action_name_their_member() {
    let spec = |change: fn(&mut ScheduledActionSpec)| {
        let mut spec = ScheduledActionSpec {
            recurrence: Some("0 8 * * *".to_owned()),
            min_size: Some(1),
            ..ScheduledActionSpec::default()
        };
        change(&mut spec);
        let faults = ScheduledAction::try_new("a", spec).unwrap_err();
        faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    for (found, expected) in [
        (
            spec(|s| s.recurrence = None),
            "it never runs; add recurrence",
        ),
        (
            spec(|s| s.min_size = None),
            "it changes nothing; add min_size",
        ),
        (
            spec(|s| s.time_zone = Some("Berlin".to_owned())),
            "time_zone: there is no time zone `Berlin`; did you mean Europe/Berlin?",
        ),
        (
            spec(|s| s.max_size = Some(0)),
            "min_size: min_size 1 is above max_size 0; write 0 or less, or raise max_size",
        ),
        (
            spec(|s| s.desired_capacity = Some(0)),
            "desired_capacity: desired_capacity 0 is outside the action's own bounds; write 1 to 1000",
        ),
        (
            spec(|s| s.max_size = Some(1001)),
            "max_size: 1001 is above 1000; write 1000 or less",
        ),
        (
            spec(|s| {
                s.start_time = Some(Timestamp::UNIX_EPOCH);
                s.end_time = Some(Timestamp::MIN);
            }),
            "end_time: it is before start_time 1970-01-01T00:00:00Z; write a later one, or remove it",
        ),
        (
            spec(|s| s.end_time = Some(Timestamp::UNIX_EPOCH)),
            "end_time: it is before the first occurrence; write a later end_time, or remove it",
        ),
    ] {
        assert!(found.starts_with(expected), "{found}");
    }
}

proptest::proptest! {
    /// Whatever the clock does within a day, an action's runs only ever go forward.
    #[test]
    fn no_occurrence_runs_twice(minutes in proptest::collection::vec(-700_i64..1000, 1..60)) {
        let actions = [daily("often", "*/7 * * * *"), daily("daily", "30 4 * * *")];
        let mut journal = journal(&actions, "2026-01-01T00:00:00Z");
        let mut now = at("2026-01-01T00:00:00Z");
        let mut latest = now;
        let mut ran = std::collections::BTreeMap::new();
        for step in minutes {
            let earliest = latest - CATCH_UP;
            now = (now + SignedDuration::from_mins(step)).max(earliest);
            latest = latest.max(now);
            for due in journal.due(now) {
                proptest::prop_assert!(due.at <= now && now.duration_since(due.at) <= SignedDuration::from_hours(24));
                let before = ran.insert(due.name.clone(), due.at);
                proptest::prop_assert!(before.is_none_or(|before| before < due.at), "{:?}", due);
                journal.ran(&due);
            }
        }
    }
}
