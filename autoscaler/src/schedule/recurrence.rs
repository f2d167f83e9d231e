//! Occurrences of a cron expression in a time zone.
//!
//! Each matching time on the wall occurs once. One that a change of the clocks skips occurs at
//! the instant of the change; one that the clocks show twice occurs the first time.

use std::sync::LazyLock;

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

use super::{Cron, Fault};
use crate::config::nearest;

/// The release that this binary was built with: an answer must not depend on what the machine,
/// or a container without zone data, has installed.
static TIME_ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A cron expression and the zone whose clocks it reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    pub cron: Cron,
    pub time_zone: TimeZone,
}

impl Recurrence {
    /// The first occurrence after `after`.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut local = self.time_zone.to_datetime(after);
        loop {
            local = self.cron.next_after(local)?;
            let instant = self.instant(local)?;
            // While clocks show an hour for the second time, its occurrences are past.
            if instant > after {
                return Some(instant);
            }
        }
    }

    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.time_zone.to_ambiguous_timestamp(local);
        let earlier = ambiguous.earlier().ok()?;
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                let change = self.time_zone.following(earlier).next();
                change.map(|change| change.timestamp())
            }
            AmbiguousOffset::Fold { .. } | AmbiguousOffset::Unambiguous { .. } => Some(earlier),
        }
    }
}

/// The zone of that IANA name, in whatever case.
///
/// # Errors
/// No zone of that name; names the nearest.
pub fn time_zone(name: &str) -> Result<TimeZone, Fault> {
    TIME_ZONES.get(name).map_err(|_| {
        let shown: String = name.chars().take(40).filter(|c| !c.is_control()).collect();
        let hint = match near_time_zone(name) {
            Some(near) => format!("did you mean {near}?"),
            None => "write an IANA name such as Europe/Berlin, or UTC".to_owned(),
        };
        Fault::new(
            "time_zone",
            format!("there is no time zone `{shown}`"),
            hint,
        )
    })
}

/// By the whole name, or by the city alone.
fn near_time_zone(name: &str) -> Option<String> {
    let names: Vec<String> = TIME_ZONES
        .available()
        .map(|name| name.to_string())
        .collect();
    let city = |name: &str| {
        name.rsplit('/')
            .next()
            .unwrap_or_default()
            .replace('_', " ")
    };
    let written = name.replace('_', " ");
    if let Some(name) = names
        .iter()
        .find(|name| city(name).eq_ignore_ascii_case(&written))
    {
        return Some(name.clone());
    }
    let first = |name: &str| name.chars().next().map(|c| c.to_ascii_lowercase());
    let alike = names.iter().filter(|other| first(other) == first(name));
    nearest(name, alike.map(String::as_str)).map(str::to_owned)
}
