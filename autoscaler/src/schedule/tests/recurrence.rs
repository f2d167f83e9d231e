use jiff::{SignedDuration, Timestamp, ToSpan, civil::DateTime, tz::TimeZone};
use proptest::prelude::*;

use crate::schedule::{Recurrence, time_zone};

fn recurrence(cron: &str, zone: &str) -> Recurrence {
    Recurrence {
        cron: cron.parse().unwrap(),
        time_zone: time_zone(zone).unwrap(),
    }
}

fn occurrences(recurrence: &Recurrence, from: &str, count: usize) -> Vec<String> {
    let from: Timestamp = from.parse().unwrap();
    let times = std::iter::successors(recurrence.next_after(from), |at| recurrence.next_after(*at));
    times.take(count).map(|at| at.to_string()).collect()
}

#[test]
fn skipped_times_run_when_the_clocks_change() {
    for (cron, zone, from, expected) in [
        // 02:00 to 03:00 on 29 March.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            [
                "2026-03-28T01:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-30T00:30:00Z",
            ],
        ),
        // All of a skipped hour are one, and that at its end is the same one.
        (
            "*/30 2,3 * * *",
            "America/New_York",
            "2026-03-08T00:00:00-05:00",
            [
                "2026-03-08T07:00:00Z",
                "2026-03-08T07:30:00Z",
                "2026-03-09T06:00:00Z",
            ],
        ),
        // Half an hour: 02:00 to 02:30 on 4 October.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-02T16:00:00Z",
            [
                "2026-10-03T15:30:00Z",
                "2026-10-04T15:15:00Z",
                "2026-10-05T15:15:00Z",
            ],
        ),
    ] {
        let found = occurrences(&recurrence(cron, zone), from, 3);
        assert_eq!(found, expected, "{cron} {zone}");
    }
}

#[test]
fn repeated_times_run_once() {
    for (cron, zone, from, expected) in [
        // 03:00 back to 02:00 on 25 October: 02:30 the first time, in summer time.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "*/30 1 * * *",
            "America/New_York",
            "2026-11-01T00:00:00-04:00",
            ["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"],
        ),
        // 02:00 back to 01:30 on 5 April.
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:00:00Z",
            ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
        ),
    ] {
        let found = occurrences(&recurrence(cron, zone), from, 2);
        assert_eq!(found, expected, "{cron} {zone}");
    }
}

#[test]
fn unknown_zones_name_the_nearest() {
    for (name, expected) in [
        ("Europe/Berlln", "did you mean Europe/Berlin?"),
        ("berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        (
            "Mars/Olympus_Mons",
            "write an IANA name such as Europe/Berlin, or UTC",
        ),
        ("", "write an IANA name such as Europe/Berlin, or UTC"),
    ] {
        let fault = time_zone(name).unwrap_err();
        assert_eq!(fault.hint, expected, "{name}");
    }
    assert_eq!(
        time_zone("europe/berlin").unwrap().iana_name(),
        Some("Europe/Berlin")
    );
}

/// The minutes of which a naive reader of clocks on the wall would say that `recurrence` runs:
/// each minute of real time is looked at, with what the clocks show then and what they have
/// shown before.
fn oracle(recurrence: &Recurrence, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let zone: &TimeZone = &recurrence.time_zone;
    let shown = |at: Timestamp| zone.to_datetime(at);
    let matches = |at: DateTime| {
        let before = at.checked_sub(1.minute()).unwrap();
        recurrence.cron.next_after(before) == Some(at)
    };
    // The latest that clocks have shown so far: a fold repeats what is not beyond it.
    let mut latest = shown(from);
    let mut runs = Vec::new();
    for minute in 1..=minutes {
        let at = from + SignedDuration::from_mins(minute);
        let now = shown(at);
        let mut runs_now = false;
        while latest < now {
            latest = latest.checked_add(1.minute()).unwrap();
            runs_now |= matches(latest);
        }
        if runs_now {
            runs.push(at);
        }
    }
    runs
}

fn field(low: u8, high: u8) -> impl Strategy<Value = String> {
    let number = low..=high;
    prop_oneof![
        2 => Just("*".to_owned()),
        2 => number.clone().prop_map(|n| n.to_string()),
        1 => (1..=high).prop_map(|step| format!("*/{step}")),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{},{}", a, b)),
        1 => (number.clone(), number, 1..=high)
            .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Over the days around each change of clocks, and over leap days, the arithmetic finds
    /// what looking at each minute finds.
    #[test]
    fn arithmetic_agrees_with_looking_at_each_minute(
        minutes in field(0, 59),
        hours in prop_oneof![field(0, 23), field(1, 3)],
        days in prop_oneof![3 => Just("*".to_owned()), 1 => field(1, 28)],
        weekdays in prop_oneof![3 => Just("*".to_owned()), 1 => field(0, 7)],
        (zone, around) in prop_oneof![
            Just(("Europe/Berlin", "2026-03-29T01:00:00Z")),
            Just(("Europe/Berlin", "2026-10-25T01:00:00Z")),
            Just(("America/New_York", "2026-03-08T07:00:00Z")),
            Just(("America/New_York", "2026-11-01T06:00:00Z")),
            Just(("Australia/Lord_Howe", "2026-10-03T15:30:00Z")),
            Just(("Australia/Lord_Howe", "2026-04-04T15:00:00Z")),
            Just(("Pacific/Apia", "2011-12-30T10:00:00Z")),
            Just(("UTC", "2028-02-29T00:00:00Z")),
        ],
        offset in 0_i64..1440,
    ) {
        const MINUTES: i64 = 3 * 1440;
        let cron = format!("{minutes} {hours} {days} * {weekdays}");
        let recurrence = recurrence(&cron, zone);
        let around: Timestamp = around.parse().unwrap();
        let from = around - SignedDuration::from_mins(1440 + offset);
        let end = from + SignedDuration::from_mins(MINUTES);
        let times = std::iter::successors(recurrence.next_after(from), |at| recurrence.next_after(*at));
        let found: Vec<Timestamp> = times.take_while(|at| *at <= end).collect();
        prop_assert_eq!(found, oracle(&recurrence, from, MINUTES), "{} {}", cron, zone);
    }
}
