use std::collections::HashSet;

use jiff::Timestamp;

use super::auto_scaling_group::SIZE;
use crate::{
    config::{
        fault::{Mistake, quoted},
        node::Value,
        reader::{Entry, Fields},
        scalar,
        schema::{Absent, Form, Key, Section},
    },
    schedule::{self, MAX_ACTIONS, ScheduledAction, ScheduledActionSpec, one_off_conflict},
};

pub(in crate::config) const SECTION: Section = Section {
    place: "auto_scaling_groups.NAME.scheduled_actions[]",
    keys: &[
        Key::new(
            "name",
            Form::Text("1 to 255 characters"),
            Absent::Fault("morning"),
            "Unique in the group.",
        ),
        Key::new(
            "recurrence",
            Form::Text("cron: minutes, hours, day of month, month, day of week"),
            Absent::Default("once, at `start_time`"),
            "When it runs, again and again.",
        ),
        Key::new(
            "time_zone",
            Form::Text("IANA name"),
            Absent::Default("`UTC`"),
            "Whose clocks `recurrence` reads. A time that a change of clocks skips runs at the change, one that comes twice the first time.",
        ),
        Key::new(
            "start_time",
            Form::Text("time such as `2030-01-01T08:00:00Z`"),
            Absent::Default("none"),
            "When it runs for the first time.",
        ),
        Key::new(
            "end_time",
            Form::Text("time such as `2030-12-31T08:00:00Z`"),
            Absent::Default("none"),
            "A recurring action does not run after it.",
        ),
        Key::new(
            "min_size",
            Form::Count(&SIZE),
            Absent::Default("as it is"),
            "The group's `min_size` from then on.",
        ),
        Key::new(
            "max_size",
            Form::Count(&SIZE),
            Absent::Default("as it is"),
            "The group's `max_size` from then on.",
        ),
        Key::new(
            "desired_capacity",
            Form::Count(&SIZE),
            Absent::Default("as it is"),
            "The group's `desired_capacity` then; it moves into the bounds. One of the three is needed.",
        ),
    ],
    renamed: &[
        ("scheduled_action_name", "name"),
        ("cron", "recurrence"),
        ("schedule", "recurrence"),
        ("timezone", "time_zone"),
        ("tz", "time_zone"),
        ("start", "start_time"),
        ("time", "start_time"),
        ("at", "start_time"),
        ("end", "end_time"),
        ("min", "min_size"),
        ("max", "max_size"),
        ("desired", "desired_capacity"),
    ],
};

/// The group's scheduled actions.
pub(super) fn list(entry: &Entry<'_>) -> Option<Vec<ScheduledAction>> {
    let items = entry.list()?;
    if items.len() > MAX_ACTIONS {
        let mistake = Mistake::new(format!("{} scheduled actions", items.len()));
        entry.refuse(mistake.hint(format!("a group has {MAX_ACTIONS} at the most")));
        return None;
    }
    let mut names = HashSet::new();
    let mut actions: Vec<ScheduledAction> = Vec::new();
    for item in &items {
        let Some(action) = read(item, &mut names) else {
            continue;
        };
        if let Some(other) = one_off_conflict(&action, &actions) {
            let mistake = Mistake::new(format!(
                "the action {} runs once at the same time",
                quoted(&other.name)
            ));
            item.nearest_to("start_time")
                .refuse(mistake.hint("make one of the two, or give it another time"));
        }
        actions.push(action);
    }
    (actions.len() == items.len()).then_some(actions)
}

fn read(entry: &Entry<'_>, names: &mut HashSet<String>) -> Option<ScheduledAction> {
    let fields = entry.fields(&SECTION)?;
    let name = fields.required("name", |entry| new_name(entry, names));
    let size = |entry: &Entry<'_>| entry.read(|size| scalar::count(size, &SIZE));
    let text = |entry: &Entry<'_>| entry.read(scalar::text).map(str::to_owned);
    let recurrence = fields.optional("recurrence", text);
    let time_zone = fields.optional("time_zone", text);
    let start_time = fields.optional("start_time", time);
    let end_time = fields.optional("end_time", time);
    let min_size = fields.optional("min_size", size);
    let max_size = fields.optional("max_size", size);
    let desired_capacity = fields.optional("desired_capacity", size);
    let (name, spec) = (
        name?,
        ScheduledActionSpec {
            recurrence: recurrence?,
            time_zone: time_zone?,
            start_time: start_time?,
            end_time: end_time?,
            min_size: min_size?,
            max_size: max_size?,
            desired_capacity: desired_capacity?,
        },
    );
    ScheduledAction::try_new(&name, spec)
        .map_err(|faults| {
            faults
                .into_iter()
                .for_each(|fault| refuse(entry, &fields, fault))
        })
        .ok()
}

fn refuse(entry: &Entry<'_>, fields: &Fields<'_>, fault: schedule::Fault) {
    let mistake = Mistake::new(fault.message).hint(fault.hint);
    match fault.field {
        "" => entry.refuse(mistake),
        field => fields.get(field).unwrap_or(entry).refuse(mistake),
    }
}

fn new_name(entry: &Entry<'_>, names: &mut HashSet<String>) -> Option<String> {
    let name = entry.read(scalar::text)?.to_owned();
    if let Err(fault) = schedule::check_name(&name) {
        entry.refuse(Mistake::new(fault.message).hint(fault.hint));
        return None;
    }
    if !names.insert(name.clone()) {
        let mistake = Mistake::new(format!("another action is named {} too", quoted(&name)));
        entry.refuse(mistake.hint("give each action of the group its own name"));
    }
    Some(name)
}

fn time(entry: &Entry<'_>) -> Option<Timestamp> {
    entry.read(|value: &Value| {
        let text = scalar::text(value)?;
        text.parse().map_err(|_| {
            Mistake::new(format!("{} is not a time", quoted(text)))
                .hint("write date, time and offset, such as 2030-01-01T08:00:00Z")
        })
    })
}
