//! Values as pages write them.

use jiff::Timestamp;

/// `43 %`; `-` without data.
pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or_else(none, |value| format!("{value:.0} %"))
}

/// `120/s`; one decimal below 10.
pub(super) fn rate(value: Option<f64>) -> String {
    value.map_or_else(none, |value| match value < 9.95 && value > 0.0 {
        true => format!("{value:.1}/s"),
        false => format!("{value:.0}/s"),
    })
}

/// `3.2 ms`, `1.25 s`; `-` without data.
pub(super) fn seconds(value: Option<f64>) -> String {
    value.map_or_else(none, |value| match value {
        short if short < 0.1 => format!("{:.1} ms", 1000.0 * short),
        short if short < 1.0 => format!("{:.0} ms", 1000.0 * short),
        long => format!("{long:.2} s"),
    })
}

/// `40 s`, `5 min`, `3 h 20 min`, `2 d 3 h`; the time between, whichever comes first.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().unsigned_abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// `2026-01-31 14:03:22 UTC`.
pub(super) fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn none() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_long_as_they_need_be() {
        assert_eq!(percent(Some(42.6)), "43 %");
        assert_eq!(percent(None), "-");
        assert_eq!(rate(Some(0.0)), "0/s");
        assert_eq!(rate(Some(1.26)), "1.3/s");
        assert_eq!(rate(Some(120.4)), "120/s");
        assert_eq!(seconds(Some(0.0032)), "3.2 ms");
        assert_eq!(seconds(Some(0.25)), "250 ms");
        assert_eq!(seconds(Some(1.254)), "1.25 s");
    }

    #[test]
    fn spans_are_rough() {
        let start = Timestamp::UNIX_EPOCH;
        let after = |seconds| span(start, Timestamp::from_second(seconds).unwrap());
        assert_eq!(after(40), "40 s");
        assert_eq!(after(-40), "40 s");
        assert_eq!(after(301), "5 min");
        assert_eq!(after(12_000), "3 h 20 min");
        assert_eq!(after(183_600), "2 d 3 h");
    }
}
