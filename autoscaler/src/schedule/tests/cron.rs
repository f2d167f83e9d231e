use crate::schedule::Cron;

#[test]
fn next_minute_matches_every_field() {
    for (cron, after, expected) in [
        ("* * * * *", "2026-01-01T00:00", "2026-01-01T00:01"),
        ("* * * * *", "2026-12-31T23:59", "2027-01-01T00:00"),
        ("30 8 * * MON-FRI", "2026-01-02T08:30", "2026-01-05T08:30"),
        ("30 8 * * 1-5", "2026-01-02T08:29", "2026-01-02T08:30"),
        ("0 22 * * sun", "2026-01-01T00:00", "2026-01-04T22:00"),
        ("0 22 * * 7", "2026-01-01T00:00", "2026-01-04T22:00"),
        ("0 22 * * 5-7", "2026-01-03T22:00", "2026-01-04T22:00"),
        ("*/20 8-10/2 * * *", "2026-01-01T08:40", "2026-01-01T10:00"),
        ("30 0 1 1,6,12 *", "2026-01-01T00:30", "2026-06-01T00:30"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 29 2 *", "2096-02-29T00:00", "2104-02-29T00:00"),
        ("0 0 31 * *", "2026-01-31T00:00", "2026-03-31T00:00"),
        // Both days restricted: either.
        ("0 0 13 * FRI", "2026-01-01T00:00", "2026-01-02T00:00"),
        ("0 0 13 * FRI", "2026-01-09T00:00", "2026-01-13T00:00"),
        // One begins with a star: both.
        ("0 0 */2 * FRI", "2026-01-01T00:00", "2026-01-09T00:00"),
    ] {
        let after = after.parse().unwrap();
        let next = cron.parse::<Cron>().unwrap().next_after(after).unwrap();
        assert_eq!(next, expected.parse().unwrap(), "{cron} after {after}");
    }
}

#[test]
fn mistakes_say_what_to_write() {
    for (cron, expected) in [
        ("", "0 fields, not five; write minutes, hours"),
        ("0 8 * *", "4 fields, not five; write minutes, hours"),
        ("0 0 8 * * *", "6 fields, not five; write minutes, hours"),
        (
            "@daily",
            "`@daily` is not a cron expression of AWS's; write 0 0 * * *",
        ),
        (
            "60 * * * *",
            "minutes: `60` is none of its values; write *, or numbers from 0 to 59",
        ),
        ("* 24 * * *", "hours: `24` is none"),
        (
            "* * 0 * *",
            "day of month: `0` is none of its values; write *, or numbers from 1 to 31",
        ),
        (
            "* * * 13 *",
            "month: `13` is none of its values; write *, or numbers from 1 to 12, or JAN to DEC",
        ),
        (
            "* * * * 8",
            "day of week: `8` is none of its values; write *, or numbers from 0 to 6, or SUN to SAT",
        ),
        ("* * * * MO", "day of week: `MO` is none"),
        ("0 8 ? * *", "day of month: `?` is none"),
        ("0 8 L * *", "day of month: `L` is none"),
        ("+5 * * * *", "minutes: `+5` is none"),
        ("5- * * * *", "minutes: `` is none"),
        (
            "*/0 * * * *",
            "minutes: `/0` is not a step; write a number from 1 to 59",
        ),
        ("*/x * * * *", "minutes: `/x` is not a step"),
        (
            "5/15 * * * *",
            "minutes: `5/15` has a step and no range; write 5-59/15",
        ),
        (
            "* * * * FRI-MON",
            "day of week: the range `FRI-MON` runs backwards; write its two parts",
        ),
        (
            "0 0 30 2 *",
            "there is no such day in any year; day of month `30` never comes in month `2`",
        ),
        ("0 0 31 APR,JUN *", "there is no such day in any year"),
    ] {
        let fault = cron.parse::<Cron>().unwrap_err().to_string();
        let expected = format!("recurrence: {expected}");
        assert!(fault.starts_with(&expected), "{cron}: {fault}");
    }
}
