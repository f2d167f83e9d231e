//! What the files say. Pure; every function takes a whole file and any text at all.

use std::time::Duration;

/// cgroup v1 writes "no limit" as the largest multiple of a page; nothing real comes near.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// A file of one number.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.strip_suffix('\n')?.parse().ok()
}

/// The number on the line that begins with `key`.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?
        .parse()
        .ok()
}

/// `cpu.max` of v2: quota (absent for `max`) and period.
pub(crate) fn cpu_max(text: &str) -> Option<(Option<Duration>, Duration)> {
    let (quota, period) = text.strip_suffix('\n')?.split_once(' ')?;
    let period = Duration::from_micros(period.parse().ok()?);
    match quota {
        "max" => Some((None, period)),
        quota => Some((Some(Duration::from_micros(quota.parse().ok()?)), period)),
    }
}

/// A memory limit of either version, absent where there is none.
pub(crate) fn memory_limit(text: &str) -> Option<u64> {
    number(text).filter(|limit| *limit < NO_LIMIT_BYTES)
}

/// Time in which some task waited, of a pressure file.
pub(crate) fn pressure(text: &str) -> Option<Duration> {
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("some "))?
        .split(' ')
        .find_map(|field| field.strip_prefix("total="))?;
    total.parse().ok().map(Duration::from_micros)
}

/// Clock ticks as a duration, within what fits one.
pub(crate) fn ticks(count: u64, tick: Duration) -> Duration {
    let nanoseconds = u128::from(count) * tick.as_nanos();
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_whole_or_absent() {
        assert_eq!(number("42\n"), Some(42));
        for text in [
            "",
            "\n",
            "42",
            "max\n",
            "-1\n",
            "4 2\n",
            "99999999999999999999\n",
        ] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn keys_are_not_confused_with_longer_ones() {
        let text = "inactive_file_x 1\ntotal_inactive_file 2\ninactive_file 3\n";
        assert_eq!(keyed(text, "inactive_file"), Some(3));
        assert_eq!(keyed(text, "total_inactive_file"), Some(2));
        assert_eq!(keyed(text, "inactive"), None);
        assert_eq!(keyed("usage_usec\n", "usage_usec"), None);
        assert_eq!(keyed("usage_usec lots\n", "usage_usec"), None);
    }

    #[test]
    fn limits_may_be_missing() {
        let milliseconds = Duration::from_millis;
        assert_eq!(cpu_max("max 100000\n"), Some((None, milliseconds(100))));
        assert_eq!(
            cpu_max("20000 100000\n"),
            Some((Some(milliseconds(20)), milliseconds(100)))
        );
        for text in ["", "max\n", "max max\n", "20000\n", "-1 5\n", "1 2 3\n"] {
            assert_eq!(cpu_max(text), None, "{text:?}");
        }
        assert_eq!(memory_limit("134217728\n"), Some(134_217_728));
        assert_eq!(memory_limit("9223372036854771712\n"), None);
        assert_eq!(memory_limit("max\n"), None);
    }

    #[test]
    fn pressure_is_that_of_some() {
        let text = "some avg10=0.00 avg60=0.10 avg300=0.00 total=2500000\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(pressure(text), Some(Duration::from_millis(2500)));
        assert_eq!(pressure("full avg10=0.00 total=7\n"), None);
        assert_eq!(pressure("some avg10=0.00 total=\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), numbers in "[a-z0-9 =\n-]{0,64}") {
            for text in [text, numbers] {
                let _ = (number(&text), keyed(&text, "a"), cpu_max(&text));
                let _ = (memory_limit(&text), pressure(&text));
            }
        }
    }
}
