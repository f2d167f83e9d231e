use std::time::Duration;

use super::{launch_template, target_group};
use crate::config::{
    BusyCheck, BusyQuestion,
    fault::Mistake,
    limits::Limits,
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
};

pub(super) const SECTION: Section = Section {
    place: "auto_scaling_groups.NAME.busy_check",
    keys: &[
        Key::new(
            "path",
            Form::Text("path, from its `/`, up to 1024 characters"),
            Absent::Default("none"),
            "What is asked for, with GET, where the balancer reaches the instance: 200 means busy. This or `command`.",
        ),
        Key::new(
            "command",
            Form::Texts("list of a program and its arguments"),
            Absent::Default("none"),
            "What is run inside the instance: exit code 0 means busy. Works in Compose too, where the autoscaler shares no network with instances.",
        ),
        Key::new(
            "timeout",
            Form::Duration(&TIMEOUT),
            Absent::Default("`2s`"),
            "How long an answer may take. No answer means busy, for a minute.",
        ),
        Key::new(
            "interval",
            Form::Duration(&INTERVAL),
            Absent::Default("`5s`"),
            "How long an answer counts that does not say so itself.",
        ),
    ],
    renamed: &[
        ("url", "path"),
        ("http", "path"),
        ("cmd", "command"),
        ("exec", "command"),
        ("timeout_seconds", "timeout"),
        ("period", "interval"),
    ],
};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// A pass later the answer must still count.
const INTERVAL: Limits<Duration> = Limits::new(Duration::from_secs(2), Duration::from_secs(300));
const TIMEOUT: Limits<Duration> = Limits::new(Duration::from_millis(100), Duration::from_secs(30));

pub(super) fn read(entry: &Entry<'_>) -> Option<BusyCheck> {
    let fields = entry.fields(&SECTION)?;
    let path = fields.optional("path", |entry| entry.read(target_group::path));
    let command = fields.optional("command", launch_template::command);
    let timeout = fields.or("timeout", DEFAULT_TIMEOUT, |entry| {
        entry.read(|time| scalar::duration(time, &TIMEOUT))
    });
    let interval = fields.or("interval", DEFAULT_INTERVAL, |entry| {
        entry.read(|time| scalar::duration(time, &INTERVAL))
    });
    let question = match (path?, command?) {
        (Some(path), None) => BusyQuestion::Path(path),
        (None, Some(command)) => BusyQuestion::Command(command),
        (None, None) => {
            entry.refuse(Mistake::new("nothing to ask").hint("add path: /busy, or command: [...]"));
            return None;
        }
        (Some(_), Some(_)) => {
            let mistake = Mistake::new("command stands beside path");
            if let Some(command) = fields.get("command") {
                command.refuse_label(mistake.hint("keep one of the two"));
            }
            return None;
        }
    };
    Some(BusyCheck {
        question,
        timeout: timeout?,
        interval: interval?,
    })
}
