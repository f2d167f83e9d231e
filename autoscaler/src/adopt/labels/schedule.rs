//! `Mon-Fri 08:00-19:00 min=2; Sat 10:00-14:00 max=4`: each window is a pair of scheduled
//! actions, one that sets and one that puts the labels' own values back.

use super::{
    reader::Fields,
    size::{self, Size},
};
use crate::{
    config::{
        fault::{Mistake, quoted},
        nearest,
        node::Value,
    },
    schedule::{self, ScheduledAction, ScheduledActionSpec},
};

/// Twice as many actions stay far below AWS's quota.
const MAX_WINDOWS: usize = 20;

const MINUTES_OF_DAY: u32 = 24 * 60;
const MINUTES_OF_WEEK: u32 = 7 * MINUTES_OF_DAY;

const DAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

const FORM: &str = "write such as Mon-Fri 08:00-19:00 min=2";

/// A span of each of its days, and what holds in it.
#[derive(Debug)]
struct Window<'a> {
    written: &'a str,
    /// From Monday.
    days: [bool; 7],
    /// Minutes from midnight of each day.
    start: u32,
    /// Up to a day.
    length: u32,
    sizes: Sizes,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    min: Option<u32>,
    max: Option<u32>,
    desired: Option<u32>,
}

/// The scheduled actions; empty where the label is at fault.
pub(super) fn read(fields: &Fields<'_>, own: Size) -> Vec<ScheduledAction> {
    let zone = fields.read_text("time-zone", |name| {
        schedule::time_zone(name)
            .map(|_| name.to_owned())
            .map_err(|fault| Mistake::new(fault.message).hint(fault.hint))
    });
    if fields.has("time-zone") && !fields.has("schedule") {
        let mistake = Mistake::new("no schedule goes by it");
        fields.refuse(
            "time-zone",
            mistake.hint("add minicloud.schedule, or remove the label"),
        );
    }
    let actions = fields.read_text("schedule", |text| actions(text, zone.as_deref(), own));
    actions.unwrap_or_default()
}

fn actions(text: &str, zone: Option<&str>, own: Size) -> Result<Vec<ScheduledAction>, Mistake> {
    let parts = || {
        text.split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    let count = parts().count();
    if count > MAX_WINDOWS {
        let mistake = Mistake::new(format!("{count} windows are too many"));
        return Err(mistake.hint(format!("write up to {MAX_WINDOWS}")));
    }
    let windows = parts().map(|part| Window::read(part, own));
    let windows = windows.collect::<Result<Vec<_>, _>>()?;
    if windows.is_empty() {
        return Err(Mistake::new("no window").hint(FORM));
    }
    for (index, window) in windows.iter().enumerate() {
        if let Some(other) = windows[..index].iter().find(|other| other.overlaps(window)) {
            let (one, other) = (quoted(window.written), quoted(other.written));
            return Err(Mistake::new(format!("{one} overlaps with {other}"))
                .hint("let one end before the other begins"));
        }
    }
    let pairs = windows.iter().enumerate();
    pairs
        .flat_map(|(index, window)| window.actions(index + 1, zone, own))
        .collect()
}

impl<'a> Window<'a> {
    fn read(written: &'a str, own: Size) -> Result<Self, Mistake> {
        let at_fault = |mistake: Mistake| {
            let (message, hint) = mistake.into_parts();
            let hint = hint.unwrap_or_else(|| FORM.to_owned());
            Mistake::new(format!("{}: {message}", quoted(written))).hint(hint)
        };
        let mut words = written.split_whitespace().peekable();
        let begins_with_days = words
            .peek()
            .is_some_and(|word| word.starts_with(|c: char| c.is_alphabetic()));
        let days = match words.next_if(|_| begins_with_days) {
            Some(word) => days(word).map_err(at_fault)?,
            None => [true; 7],
        };
        let span = words.next().unwrap_or_default();
        let (start, length) = span_of_day(span).map_err(at_fault)?;
        let sizes = Sizes::read(words, own).map_err(at_fault)?;
        Ok(Self {
            written,
            days,
            start,
            length,
            sizes,
        })
    }

    /// Minutes from Monday's midnight at which it begins.
    fn starts(&self) -> impl Iterator<Item = u32> {
        let days = (0..7u32).zip(self.days).filter(|(_, on)| *on);
        days.map(|(day, _)| day * MINUTES_OF_DAY + self.start)
    }

    fn overlaps(&self, other: &Self) -> bool {
        // Weeks follow one another: Sunday's window may end on Monday.
        let after = |from: u32, to: u32| (to + MINUTES_OF_WEEK - from) % MINUTES_OF_WEEK;
        self.starts().any(|one| {
            other
                .starts()
                .any(|two| after(one, two) < self.length || after(two, one) < other.length)
        })
    }

    /// Of actions at the same time the one whose name is later in the alphabet has the last
    /// word: a window that follows another at once.
    fn actions(
        &self,
        number: usize,
        zone: Option<&str>,
        own: Size,
    ) -> [Result<ScheduledAction, Mistake>; 2] {
        let Sizes { min, max, desired } = self.sizes;
        let end = self.start + self.length;
        let mut last_days = self.days;
        if end >= MINUTES_OF_DAY {
            last_days.rotate_right(1);
        }
        let own = Sizes {
            min: min.map(|_| own.min),
            max: max.map(|_| own.max),
            desired: desired.map(|_| own.desired),
        };
        [
            ("start", self.start, self.days, self.sizes),
            ("end", end % MINUTES_OF_DAY, last_days, own),
        ]
        .map(|(edge, minute, days, sizes)| {
            let spec = ScheduledActionSpec {
                recurrence: Some(cron(minute, days)),
                time_zone: zone.map(str::to_owned),
                min_size: sizes.min,
                max_size: sizes.max,
                desired_capacity: sizes.desired,
                ..ScheduledActionSpec::default()
            };
            ScheduledAction::try_new(&format!("schedule-{edge}-{number:02}"), spec).map_err(
                |faults| {
                    let words: Vec<_> = faults.iter().map(ToString::to_string).collect();
                    Mistake::new(words.join("; "))
                },
            )
        })
    }
}

fn cron(minute: u32, days: [bool; 7]) -> String {
    let names: Vec<_> = DAYS
        .iter()
        .zip(days)
        .filter_map(|(name, on)| on.then_some(*name))
        .collect();
    let days = match names.len() {
        7 => "*".to_owned(),
        _ => names.join(","),
    };
    format!("{} {} * * {days}", minute % 60, minute / 60)
}

/// `Mon`, `Sat,Sun`, `Mon-Wed,Fri`, `Fri-Mon`.
fn days(text: &str) -> Result<[bool; 7], Mistake> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|offset| days[(first + offset) % 7] = true);
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, Mistake> {
    const WHOLE: [&str; 7] = [
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY",
    ];
    let place = |names: [&str; 7]| {
        let mut names = names.iter();
        names.position(|name| name.eq_ignore_ascii_case(text))
    };
    place(DAYS).or_else(|| place(WHOLE)).ok_or_else(|| {
        Mistake::new(format!("{} is no day", quoted(text)))
            .hint("write Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    })
}

/// `08:00-19:00`; over midnight where it ends before it begins.
fn span_of_day(text: &str) -> Result<(u32, u32), Mistake> {
    let Some((start, end)) = text.split_once('-') else {
        let mistake = Mistake::new(format!("{} is no span of a day", quoted(text)));
        return Err(mistake.hint(FORM));
    };
    let (start, end) = (time(start)?, time(end)?);
    if start == MINUTES_OF_DAY {
        return Err(Mistake::new("it begins at 24:00").hint("write 00:00, and the next day"));
    }
    match (end + MINUTES_OF_DAY - start) % MINUTES_OF_DAY {
        0 if end == MINUTES_OF_DAY => Ok((start, MINUTES_OF_DAY)),
        0 => Err(Mistake::new("it ends as it begins").hint("write 00:00-24:00 for a whole day")),
        length => Ok((start, length)),
    }
}

/// Minutes from midnight.
fn time(text: &str) -> Result<u32, Mistake> {
    let minutes = || {
        let (hour, minute) = text.split_once(':')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let formed = (1..=2).contains(&hour.len()) && minute.len() == 2;
        if !formed || !digits(hour) || !digits(minute) {
            return None;
        }
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        let minutes = hour * 60 + minute;
        (minute < 60 && minutes <= MINUTES_OF_DAY).then_some(minutes)
    };
    minutes().ok_or_else(|| {
        Mistake::new(format!("{} is no time of day", quoted(text)))
            .hint("write 00:00 to 23:59, or 24:00 for an end")
    })
}

impl Sizes {
    fn read<'a>(words: impl Iterator<Item = &'a str>, own: Size) -> Result<Self, Mistake> {
        let mut sizes = Self::default();
        for word in words {
            let Some((name, number)) = word.split_once('=') else {
                return Err(Mistake::new(format!("{} sets nothing", quoted(word))).hint(FORM));
            };
            let size = match name {
                "min" => &mut sizes.min,
                "max" => &mut sizes.max,
                "desired" => &mut sizes.desired,
                other => return Err(unknown(other)),
            };
            if size.is_some() {
                let mistake = Mistake::new(format!("{} stands twice", quoted(name)));
                return Err(mistake.hint("keep one of the two"));
            }
            let value = number
                .parse()
                .map_or_else(|_| Value::Text(number.to_owned()), Value::Integer);
            *size = Some(size::count(&value)?);
        }
        sizes.check(own).map(|()| sizes)
    }

    fn check(self, own: Size) -> Result<(), Mistake> {
        if self.min.or(self.max).or(self.desired).is_none() {
            return Err(Mistake::new("it changes nothing").hint("add min=, max= or desired="));
        }
        let (min, max) = (self.min.unwrap_or(own.min), self.max.unwrap_or(own.max));
        if min > max {
            let mistake = Mistake::new(format!("min {min} is above max {max}"));
            return Err(mistake.hint(match self.max {
                None => format!("add max={min} or more"),
                Some(_) => "raise max, or lower min".to_owned(),
            }));
        }
        match self.desired {
            Some(desired) if !(min..=max).contains(&desired) => Err(Mistake::new(format!(
                "desired {desired} is outside min {min} to max {max}"
            ))
            .hint("move one of the three")),
            _ => Ok(()),
        }
    }
}

fn unknown(name: &str) -> Mistake {
    let mistake = Mistake::new(format!("{} is unknown", quoted(name)));
    match nearest(name, ["min", "max", "desired"]) {
        Some(near) => mistake.hint(format!("did you mean {near}?")),
        None => mistake.hint("write min=, max= or desired="),
    }
}
