//! Quantities with a unit in their text: `30s`, `128MiB`. A bare number is never guessed at.

use std::time::Duration;

use super::fault::{Mistake, quoted, shortened};

/// A number of bytes, shown in the largest unit that leaves it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(super) u64);

/// Bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rate(pub(super) u64);

/// What is measured, and how it is written.
pub(super) struct Measure {
    name: &'static str,
    /// How it is written, with an example.
    form: &'static str,
    /// The unit that who left it out most likely meant.
    common: &'static str,
    /// Accepted units and their size in the base unit.
    units: &'static [(&'static str, f64)],
    /// What people write for each elsewhere, in lower case.
    spellings: &'static [(&'static str, &'static [&'static str])],
}

pub(super) const TIME: Measure = Measure {
    name: "a duration",
    form: "a number and ms, s, m or h, such as 30s",
    common: "s",
    units: &[("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)],
    spellings: &[
        ("ms", &["ms", "msec", "millis", "milliseconds"]),
        ("s", &["s", "sec", "secs", "second", "seconds"]),
        ("m", &["m", "min", "mins", "minute", "minutes"]),
        ("h", &["h", "hr", "hrs", "hour", "hours"]),
    ],
};

pub(super) const SIZE: Measure = Measure {
    name: "a size",
    form: "a number and KiB, MiB or GiB, such as 128MiB",
    common: "MiB",
    units: &[("KiB", KIB), ("MiB", KIB * KIB), ("GiB", KIB * KIB * KIB)],
    spellings: &[
        ("KiB", &["k", "ki", "kb", "kib"]),
        ("MiB", &["m", "mi", "mb", "mib"]),
        ("GiB", &["g", "gi", "gb", "gib"]),
    ],
};

pub(super) const RATE: Measure = Measure {
    name: "a rate",
    form: "a number and B/s, KiB/s or MiB/s, such as 240B/s",
    common: "B/s",
    units: &[("B/s", 1.0), ("KiB/s", KIB), ("MiB/s", KIB * KIB)],
    spellings: &[
        ("B/s", &["b", "b/s"]),
        ("KiB/s", &["k", "kb", "kib", "k/s", "kb/s", "kib/s"]),
        ("MiB/s", &["m", "mb", "mib", "m/s", "mb/s", "mib/s"]),
    ],
};

const KIB: f64 = 1024.0;

pub(crate) fn duration(text: &str) -> Result<Duration, Mistake> {
    let seconds = TIME.read(text)?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Mistake::new(format!("{} is too long", quoted(text))))
}

pub(crate) fn bytes(text: &str) -> Result<Bytes, Mistake> {
    if let Some(mistake) = bare_bytes(text) {
        return Err(mistake);
    }
    SIZE.read(text).map(whole).map(Bytes)
}

pub(crate) fn rate(text: &str) -> Result<Rate, Mistake> {
    RATE.read(text).map(whole).map(Rate)
}

fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "never negative, and a cast of a float saturates: limits come after"
    )]
    {
        number.round() as u64
    }
}

/// A number too large to be meant in MiB is one of bytes.
fn bare_bytes(text: &str) -> Option<Mistake> {
    const MIB: u64 = 1024 * 1024;
    let bytes = text.parse::<u64>().ok().filter(|bytes| *bytes >= MIB)?;
    let mistake = Mistake::new(format!("{} has no unit", quoted(text)));
    Some(mistake.hint(format!("write {}", Bytes(bytes / MIB * MIB))))
}

/// `1500ms`, `90s`, `2m`: the largest unit that leaves a whole number.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut value = self.0;
        let mut unit = if value == 0 { "KiB" } else { "" };
        for larger in ["KiB", "MiB", "GiB"] {
            if value == 0 || !value.is_multiple_of(1024) {
                break;
            }
            value /= 1024;
            unit = larger;
        }
        write!(f, "{value}{unit}")
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            bytes if bytes == 0 || !bytes.is_multiple_of(1024) => write!(f, "{bytes}B/s"),
            bytes => write!(f, "{}/s", Bytes(bytes)),
        }
    }
}

impl Measure {
    /// What [`read`](Self::read) takes, as a regular expression.
    pub(super) fn pattern(&self) -> String {
        let units: Vec<_> = self.units.iter().map(|(unit, _)| *unit).collect();
        format!(r"^(\d+(\.\d*)?|\.\d+)({})$", units.join("|"))
    }

    fn read(&self, text: &str) -> Result<f64, Mistake> {
        let end = text.find(|c: char| !matches!(c, '0'..='9' | '.'));
        let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
        let size = self.units.iter().find(|(known, _)| *known == unit);
        match (digits.parse::<f64>(), size) {
            (Ok(number), Some((_, size))) => Ok(number * size),
            (Ok(_), None) => Err(self.misspelt(text, digits, unit)),
            (Err(_), _) => Err(self.unreadable(text)),
        }
    }

    fn misspelt(&self, text: &str, digits: &str, unit: &str) -> Mistake {
        if unit.is_empty() {
            let mistake = Mistake::new(format!("{} has no unit", quoted(text)));
            return mistake.hint(format!("write {}{}", shortened(digits), self.common));
        }
        let unit = unit.trim().to_lowercase();
        let meant = self
            .spellings
            .iter()
            .find(|(_, all)| all.contains(&unit.as_str()));
        match meant {
            Some((ours, _)) => Mistake::new(format!("{} is not {}", quoted(text), self.name))
                .hint(format!("write {}{ours}", shortened(digits))),
            None => self.unreadable(text),
        }
    }

    fn unreadable(&self, text: &str) -> Mistake {
        Mistake::new(format!("{} is not {}", quoted(text), self.name))
            .hint(format!("write {}", self.form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_of_ours() {
        for (text, millis) in [
            ("0s", 0),
            ("100ms", 100),
            ("1.5s", 1500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("0.5h", 1_800_000),
        ] {
            assert_eq!(
                duration(text).unwrap(),
                Duration::from_millis(millis),
                "{text}"
            );
        }
        for (text, expected) in [
            ("30", "`30` has no unit; write 30s"),
            ("30 s", "`30 s` is not a duration; write 30s"),
            ("30S", "`30S` is not a duration; write 30s"),
            ("30 seconds", "`30 seconds` is not a duration; write 30s"),
            (
                "-5s",
                "`-5s` is not a duration; write a number and ms, s, m or h, such as 30s",
            ),
            (
                "1m30s",
                "`1m30s` is not a duration; write a number and ms, s, m or h, such as 30s",
            ),
            (
                "",
                "`` is not a duration; write a number and ms, s, m or h, such as 30s",
            ),
            (
                "s",
                "`s` is not a duration; write a number and ms, s, m or h, such as 30s",
            ),
            (
                "1.2.3s",
                "`1.2.3s` is not a duration; write a number and ms, s, m or h, such as 30s",
            ),
        ] {
            assert_eq!(duration(text).unwrap_err().to_string(), expected, "{text}");
        }
        assert!(duration(&format!("{}h", "9".repeat(500))).is_err());
    }

    #[test]
    fn sizes_need_a_binary_unit() {
        for (text, size) in [
            ("512KiB", 512 << 10),
            ("128MiB", 128 << 20),
            ("1.5GiB", 1536 << 20),
        ] {
            assert_eq!(bytes(text).unwrap(), Bytes(size), "{text}");
        }
        for (text, expected) in [
            ("128", "`128` has no unit; write 128MiB"),
            ("134217728", "`134217728` has no unit; write 128MiB"),
            ("128MB", "`128MB` is not a size; write 128MiB"),
            ("1g", "`1g` is not a size; write 1GiB"),
            (
                "1TiB",
                "`1TiB` is not a size; write a number and KiB, MiB or GiB, such as 128MiB",
            ),
        ] {
            assert_eq!(bytes(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn rates_are_bytes_a_second() {
        for (text, bytes) in [("240B/s", 240), ("1.5KiB/s", 1536), ("2MiB/s", 2 << 20)] {
            assert_eq!(rate(text).unwrap(), Rate(bytes), "{text}");
        }
        for (text, expected) in [
            ("240", "`240` has no unit; write 240B/s"),
            ("4kB/s", "`4kB/s` is not a rate; write 4KiB/s"),
            (
                "8kbps",
                "`8kbps` is not a rate; write a number and B/s, KiB/s or MiB/s, such as 240B/s",
            ),
        ] {
            assert_eq!(rate(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn quantities_are_shown_as_they_are_written() {
        for text in ["0s", "100ms", "1500ms", "90s", "5m", "2h"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        for text in ["512KiB", "6MiB", "1024GiB"] {
            assert_eq!(bytes(text).unwrap().to_string(), text);
        }
        for text in ["0B/s", "240B/s", "64KiB/s"] {
            assert_eq!(rate(text).unwrap().to_string(), text);
        }
    }
}
