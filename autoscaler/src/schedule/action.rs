//! One scheduled action, as it is written and as it was checked.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Cron, Fault, Recurrence, time_zone};
use crate::{
    capacity::Capacity,
    config::{self, MAX_SIZE},
};

/// `XmlStringMaxLen255` of botocore's model.
const MAX_TEXT: usize = 255;

/// `ScheduledUpdateGroupAction` as it is written: body of the API, and text in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduledActionSpec {
    /// Five fields of cron.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
    /// Whose clocks `recurrence` reads: an IANA name. UTC where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// When a one-off action runs, and a recurring one for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// A recurring action does not run after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_capacity: Option<u32>,
}

/// A scheduled action that can run: checked by [`ScheduledAction::try_new`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScheduledAction {
    pub name: String,
    #[serde(flatten)]
    pub spec: ScheduledActionSpec,
    /// As `spec` has it.
    #[serde(skip)]
    pub recurrence: Option<Recurrence>,
}

/// What a scheduled action sets; absent ones stay. At least one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub min_size: Option<u32>,
    pub max_size: Option<u32>,
    pub desired_capacity: Option<u32>,
}

impl ScheduledAction {
    /// Everything that can be judged without knowing the time or the group.
    ///
    /// # Errors
    /// Every fault there is, each with the member that it is in. Never empty.
    pub fn try_new(name: &str, spec: ScheduledActionSpec) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        faults.extend(check_name(name).err());
        let mut keep = |fault| faults.push(fault);
        let cron = spec.recurrence.as_deref().map(read_cron).transpose();
        let cron = cron.map_err(&mut keep).ok();
        let zone = spec.time_zone.as_deref().map(time_zone).transpose();
        let zone = zone.map_err(&mut keep).ok();
        faults.extend(check_times(&spec));
        faults.extend(check_sizes(&spec));
        let (Some(cron), Some(zone)) = (cron, zone) else {
            return Err(faults);
        };
        let recurrence = cron.map(|cron| Recurrence {
            cron,
            time_zone: zone.unwrap_or(TimeZone::UTC),
        });
        let action = Self {
            name: name.to_owned(),
            spec,
            recurrence,
        };
        if faults.is_empty()
            && action.spec.end_time.is_some()
            && action.spec.start_time.is_none()
            && next_occurrence(&action, Timestamp::UNIX_EPOCH).is_none()
        {
            faults.push(Fault::new(
                "end_time",
                "it is before the first occurrence",
                "write a later end_time, or remove it",
            ));
        }
        match faults.is_empty() {
            true => Ok(action),
            false => Err(faults),
        }
    }

    pub fn sizes(&self) -> Sizes {
        Sizes {
            min_size: self.spec.min_size,
            max_size: self.spec.max_size,
            desired_capacity: self.spec.desired_capacity,
        }
    }

    pub fn is_one_off(&self) -> bool {
        self.recurrence.is_none()
    }
}

/// The first time after `after` at which `action` runs. `start_time`, where there is one, is
/// an occurrence itself, as it is with AWS.
pub fn next_occurrence(action: &ScheduledAction, after: Timestamp) -> Option<Timestamp> {
    let (start, end) = (action.spec.start_time, action.spec.end_time);
    if let Some(start) = start
        && start > after
    {
        return Some(start);
    }
    let next = action.recurrence.as_ref()?.next_after(after)?;
    end.is_none_or(|end| next <= end).then_some(next)
}

impl Sizes {
    /// The group's capacity once the action has run: a desired capacity, given or not, moves
    /// into the bounds.
    ///
    /// # Errors
    /// A lower bound above the upper one, where the action sets one of them alone.
    pub fn applied_to(self, before: Capacity) -> Result<Capacity, String> {
        let min_size = self.min_size.unwrap_or(before.min_size);
        let max_size = self.max_size.unwrap_or(before.max_size);
        if min_size > max_size {
            return Err(format!(
                "min_size {min_size} is above max_size {max_size}: let the action set both"
            ));
        }
        let desired = self.desired_capacity.unwrap_or(before.desired_capacity);
        Ok(Capacity {
            min_size,
            max_size,
            desired_capacity: desired.clamp(min_size, max_size),
        })
    }
}

/// # Errors
/// A name that is empty, has more than 255 characters, or any that cannot be seen.
pub fn check_name(name: &str) -> Result<(), Fault> {
    let length = name.chars().count();
    if (1..=MAX_TEXT).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Fault::new(
        "name",
        format!("a name of {length} characters, or with control characters"),
        format!("use 1 to {MAX_TEXT} characters that can be seen"),
    ))
}

fn read_cron(text: &str) -> Result<Cron, Fault> {
    if text.chars().count() > MAX_TEXT {
        return Err(Fault::new(
            "recurrence",
            format!("more than {MAX_TEXT} characters"),
            "write a shorter one, or two actions",
        ));
    }
    text.parse()
}

fn check_times(spec: &ScheduledActionSpec) -> Option<Fault> {
    let recurs = spec.recurrence.is_some();
    match (spec.start_time, spec.end_time) {
        (None, _) if !recurs => Some(Fault::new(
            "",
            "it never runs",
            "add recurrence: \"0 8 * * MON-FRI\", or start_time: 2030-01-01T08:00:00Z",
        )),
        (_, Some(_)) if !recurs => Some(Fault::new(
            "end_time",
            "an action that runs once has no end",
            "remove it, or add a recurrence",
        )),
        (Some(start), Some(end)) if end < start => Some(Fault::new(
            "end_time",
            format!("it is before start_time {start}"),
            "write a later one, or remove it",
        )),
        _ if spec.time_zone.is_some() && !recurs => Some(Fault::new(
            "time_zone",
            "an action that runs once has its time in start_time",
            "write the offset there, as in 2030-01-01T08:00:00+01:00",
        )),
        _ => None,
    }
}

fn check_sizes(spec: &ScheduledActionSpec) -> Option<Fault> {
    let (min, max, desired) = (spec.min_size, spec.max_size, spec.desired_capacity);
    let sizes = [
        ("min_size", min),
        ("max_size", max),
        ("desired_capacity", desired),
    ];
    if sizes.iter().all(|(_, size)| size.is_none()) {
        return Some(Fault::new(
            "",
            "it changes nothing",
            "add min_size, max_size or desired_capacity",
        ));
    }
    let too_large = |(_, size): &&(&str, Option<u32>)| size.is_some_and(|size| size > MAX_SIZE);
    if let Some((field, Some(size))) = sizes.iter().find(too_large) {
        return Some(Fault::new(
            field,
            format!("{size} is above {}", config::MAX_SIZE),
            format!("write {} or less", config::MAX_SIZE),
        ));
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Some(Fault::new(
            "min_size",
            format!("min_size {min} is above max_size {max}"),
            format!("write {max} or less, or raise max_size"),
        ));
    }
    let low = min.unwrap_or(0);
    let high = max.unwrap_or(MAX_SIZE);
    desired
        .filter(|desired| !(low..=high).contains(desired))
        .map(|desired| {
            Fault::new(
                "desired_capacity",
                format!("desired_capacity {desired} is outside the action's own bounds"),
                format!("write {low} to {high}"),
            )
        })
}
