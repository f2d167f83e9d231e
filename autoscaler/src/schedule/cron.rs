//! Cron expressions as `PutScheduledUpdateGroupAction` takes them: the five fields of
//! crontab(5), without seconds, years, `?`, `L`, `W`, `#` and `@daily`.
//!
//! A module of our own: the crates there are bring a second library for time, or a grammar
//! that AWS refuses, and none says of a bad field what to write instead.

use std::{fmt, str::FromStr};

use jiff::civil::{Date, DateTime, Weekday};

use super::Fault;

/// Two 29 Februaries are at most eight years apart, and every other day is more frequent.
const HORIZON_DAYS: u32 = 8 * 366;

/// When, on a clock on the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: Set,
    hours: Set,
    days_of_month: Set,
    months: Set,
    days_of_week: Set,
    /// With both kinds of days restricted, either one is enough.
    either_day: bool,
}

/// Small numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set(u64);

struct Field {
    name: &'static str,
    low: u8,
    high: u8,
    /// In the order of their numbers, from `low`.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field::new("minutes", 0, 59, &[]),
    Field::new("hours", 0, 23, &[]),
    Field::new("day of month", 1, 31, &[]),
    Field::new("month", 1, 12, &MONTHS),
    // 7 is Sunday as well.
    Field::new("day of week", 0, 7, &DAYS),
];

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// What other crons call by a name.
const SHORTHANDS: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl Cron {
    /// The first matching minute after `after`. None only where there never is one.
    pub fn next_after(&self, after: DateTime) -> Option<DateTime> {
        let floor = after.date().at(after.hour(), after.minute(), 0, 0);
        let start = floor.checked_add(jiff::Span::new().minutes(1)).ok()?;
        let rest_of_day = self.time_from(start.hour(), start.minute());
        if let Some((hour, minute)) = rest_of_day
            && self.is_day(start.date())
        {
            return Some(start.date().at(hour, minute, 0, 0));
        }
        let (hour, minute) = self.time_from(0, 0)?;
        let mut day = start.date();
        for _ in 0..HORIZON_DAYS {
            day = day.tomorrow().ok()?;
            if self.is_day(day) {
                return Some(day.at(hour, minute, 0, 0));
            }
        }
        None
    }

    fn time_from(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        if self.hours.has(hour)
            && let Some(minute) = self.minutes.first_from(minute)
        {
            return Some((hour, minute));
        }
        let hour = self.hours.first_from(hour + 1)?;
        Some((hour, self.minutes.first_from(0)?))
    }

    fn is_day(&self, day: Date) -> bool {
        let of_month = self.days_of_month.has(day.day());
        let of_week = self.days_of_week.has(number(day.weekday()));
        let fits = match self.either_day {
            true => of_month || of_week,
            false => of_month && of_week,
        };
        self.months.has(day.month()) && fits
    }
}

fn number(day: Weekday) -> i8 {
    day.to_sunday_zero_offset()
}

impl FromStr for Cron {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |message: String, hint: String| Fault::new("recurrence", message, hint);
        if let Some((_, long)) = SHORTHANDS.iter().find(|(short, _)| *short == text.trim()) {
            return Err(fault(
                format!("`{}` is not a cron expression of AWS's", text.trim()),
                format!("write {long}"),
            ));
        }
        let written: Vec<&str> = text.split_whitespace().collect();
        let Ok(written) = <[&str; 5]>::try_from(written.as_slice()) else {
            return Err(fault(
                format!("{} fields, not five", written.len()),
                "write minutes, hours, day of month, month and day of week: 30 8 * * MON-FRI"
                    .to_owned(),
            ));
        };
        let mut sets = [Set(0); 5];
        for ((set, field), text) in sets.iter_mut().zip(&FIELDS).zip(written) {
            *set = field.read(text)?;
        }
        let [minutes, hours, days_of_month, months, days_of_week] = sets;
        let restricted = |field: &str| !field.starts_with('*');
        let cron = Self {
            text: written.join(" "),
            minutes,
            hours,
            days_of_month,
            months,
            days_of_week: days_of_week.with_sunday_once(),
            either_day: restricted(written[2]) && restricted(written[4]),
        };
        match cron.next_after(Date::constant(2000, 1, 1).at(0, 0, 0, 0)) {
            Some(_) => Ok(cron),
            None => Err(fault(
                "there is no such day in any year".to_owned(),
                format!(
                    "day of month `{}` never comes in month `{}`",
                    written[2], written[3]
                ),
            )),
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Field {
    const fn new(name: &'static str, low: u8, high: u8, names: &'static [&'static str]) -> Self {
        Self {
            name,
            low,
            high,
            names,
        }
    }

    /// `*`, `5`, `MON`, `1-5`, `*/10`, `8-18/2`, and lists of these.
    fn read(&self, text: &str) -> Result<Set, Fault> {
        let mut set = Set(0);
        for item in text.split(',') {
            set.0 |= self.item(item)?.0;
        }
        Ok(set)
    }

    fn item(&self, item: &str) -> Result<Set, Fault> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (item, None),
        };
        let (low, high) = match (range, range.split_once('-')) {
            ("*", _) => (self.low, self.high),
            (_, Some((low, high))) => (self.number(low)?, self.number(high)?),
            (single, None) => {
                let number = self.number(single)?;
                if let Some(step) = step {
                    return Err(self.fault(
                        format!("`{item}` has a step and no range"),
                        format!("write {single}-{}/{step}", self.last()),
                    ));
                }
                (number, number)
            }
        };
        if low > high {
            return Err(self.fault(
                format!("the range `{range}` runs backwards"),
                "write its two parts, with a comma between".to_owned(),
            ));
        }
        let step = usize::from(step.unwrap_or(1));
        let numbers = (low..=high).step_by(step);
        Ok(Set(numbers.fold(0, |set, number| set | 1 << number)))
    }

    fn step(&self, text: &str) -> Result<u8, Fault> {
        let step = text
            .parse()
            .ok()
            .filter(|step| (1..=self.high).contains(step));
        step.ok_or_else(|| {
            self.fault(
                format!("`/{}` is not a step", excerpt(text)),
                format!("write a number from 1 to {}", self.high),
            )
        })
    }

    fn number(&self, text: &str) -> Result<u8, Fault> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        if let Some(index) = named.and_then(|index| u8::try_from(index).ok()) {
            return Ok(self.low + index);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text
            .parse()
            .ok()
            .filter(|n| digits && (self.low..=self.high).contains(n));
        number.ok_or_else(|| {
            let names = match self.names {
                [first, .., last] => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            self.fault(
                format!("`{}` is none of its values", excerpt(text)),
                format!(
                    "write *, or numbers from {} to {}{names}",
                    self.low,
                    self.last()
                ),
            )
        })
    }

    /// 7 for Sunday is allowed and never suggested.
    fn last(&self) -> u8 {
        match self.names {
            [] => self.high,
            names => self.low + u8::try_from(names.len()).unwrap_or(1) - 1,
        }
    }

    fn fault(&self, message: String, hint: String) -> Fault {
        Fault::new("recurrence", format!("{}: {message}", self.name), hint)
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(20).filter(|c| !c.is_control()).collect()
}

impl Set {
    fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.0 & 1 << number != 0)
    }

    fn first_from(self, number: i8) -> Option<i8> {
        let number = u32::try_from(number).ok()?;
        let rest = self.0.checked_shr(number)?;
        let first = number + rest.trailing_zeros();
        (rest != 0).then(|| i8::try_from(first).ok()).flatten()
    }

    fn with_sunday_once(self) -> Self {
        Self((self.0 | self.0 >> 7 & 1) & 0x7f)
    }
}
