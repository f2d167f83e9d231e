use std::time::Duration;

use minicloud_lb_api::Stickiness;

use crate::config::{
    limits::Limits,
    node::Value,
    reader::{Entry, Fields},
    scalar,
    schema::{Absent, Form, Key, Section},
    units::show_duration,
};

pub(super) const SECTION: Section = Section {
    place: "target_groups.NAME.stickiness",
    keys: &[
        Key::new(
            LB_COOKIE,
            Form::Section(&LB_COOKIE_SECTION),
            Absent::OneOf,
            "A cookie of the balancer's own says which target it was.",
        ),
        Key::new(
            APP_COOKIE,
            Form::Section(&APP_COOKIE_SECTION),
            Absent::OneOf,
            "For as long as the application keeps a cookie of its own.",
        ),
    ],
    renamed: &[
        (
            "enabled",
            "remove it: stickiness is on where the key stands",
        ),
        (
            "type",
            "write lb_cookie: {} or app_cookie: { cookie_name: NAME }",
        ),
        ("duration", "it belongs in lb_cookie or app_cookie"),
        ("cookie", LB_COOKIE),
        ("cookie_name", "it belongs in app_cookie"),
    ],
};

const LB_COOKIE_SECTION: Section = Section {
    place: "target_groups.NAME.stickiness.lb_cookie",
    keys: &[A_DURATION],
    renamed: RENAMED_DURATION,
};

const APP_COOKIE_SECTION: Section = Section {
    place: "target_groups.NAME.stickiness.app_cookie",
    keys: &[
        Key::new(
            "cookie_name",
            Form::Text("name of a cookie"),
            Absent::Fault("SESSION"),
            "The application's own.",
        ),
        A_DURATION,
    ],
    renamed: &[
        ("name", "cookie_name"),
        ("cookie", "cookie_name"),
        ("duration_seconds", "duration"),
    ],
};

const A_DURATION: Key = Key::new(
    "duration",
    Form::Duration(&DURATION),
    Absent::ByPace(|_| show_duration(DEFAULT_DURATION)),
    "How long the target stays the client's.",
);

const RENAMED_DURATION: &[(&str, &str)] = &[("duration_seconds", "duration")];

const LB_COOKIE: &str = "lb_cookie";
const APP_COOKIE: &str = "app_cookie";

/// The short form.
pub(super) const SHORT: Form = Form::OneOf(&[LB_COOKIE]);

/// ELB's bounds, and its default.
pub(crate) const DURATION: Limits<Duration> =
    Limits::new(Duration::from_secs(1), Duration::from_secs(7 * 86400));
pub(crate) const DEFAULT_DURATION: Duration = Duration::from_secs(86400);

pub(super) fn read(entry: &Entry<'_>) -> Option<Option<Stickiness>> {
    if !matches!(entry.value(), Value::Mapping(_)) {
        let stickiness = Stickiness::LbCookie {
            duration: DEFAULT_DURATION,
        };
        entry.read(|word| scalar::one_of(word, &[LB_COOKIE], &[()]))?;
        return Some(Some(stickiness));
    }
    let fields = entry.fields(&SECTION)?;
    let (kind, entry) = fields.only("keep one of the two")?;
    let stickiness = match kind {
        LB_COOKIE => lb_cookie(entry),
        _ => app_cookie(entry),
    };
    stickiness.map(Some)
}

fn lb_cookie(entry: &Entry<'_>) -> Option<Stickiness> {
    let duration = duration(&entry.fields(&LB_COOKIE_SECTION)?)?;
    Some(Stickiness::LbCookie { duration })
}

fn app_cookie(entry: &Entry<'_>) -> Option<Stickiness> {
    let fields = entry.fields(&APP_COOKIE_SECTION)?;
    let name = fields.required("cookie_name", |entry| entry.read(scalar::text));
    let duration = duration(&fields);
    Some(Stickiness::AppCookie {
        cookie_name: name?.to_owned(),
        duration: duration?,
    })
}

fn duration(fields: &Fields<'_>) -> Option<Duration> {
    fields.or("duration", DEFAULT_DURATION, |entry| {
        entry.read(|time| scalar::duration(time, &DURATION))
    })
}
