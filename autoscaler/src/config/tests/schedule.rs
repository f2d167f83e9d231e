//! Scheduled actions and notifications of the file.

use super::{balancer::EVERY_KEY, *};
use crate::notification::NotificationType;

/// A group with these items of a key.
fn file(key: &str, items: &str) -> String {
    format!(
        "version: 1
launch_templates: {{ t: {{ image: nginx, port: 80 }} }}
auto_scaling_groups:
  g:
    launch_template: t
    min_size: 1
    max_size: 3
    {key}:
{items}"
    )
}

fn faults(key: &str, item: &str) -> Vec<String> {
    let parsed = parse(&file(key, &format!("      - {item}\n")));
    let faults = parsed.err();
    let faults = faults.iter().flatten();
    let prefix = format!("auto_scaling_groups.g.{key}[0]");
    faults
        .map(|fault| fault.to_string().replace(&prefix, "~"))
        .collect()
}

#[test]
fn schedule_and_notifications_are_read() {
    let config = parse(EVERY_KEY).unwrap();
    let group = &config.auto_scaling_groups["web"];
    let [office, load_test] = group.scheduled_actions.as_slice() else {
        panic!("{group:?}")
    };
    assert_eq!(office.name, "office hours");
    assert_eq!(
        office.spec.start_time.unwrap().to_string(),
        "2026-01-05T07:00:00Z"
    );
    assert_eq!(office.spec.max_size, Some(8));
    assert!(!office.is_one_off() && load_test.is_one_off());
    let [notification] = group.notifications.as_slice() else {
        panic!("{group:?}")
    };
    assert_eq!(notification.endpoint.authority(), "127.0.0.1:9000");
    let types = [NotificationType::InstanceLaunch, NotificationType::Test];
    assert_eq!(notification.notification_types, types);
}

#[test]
fn mistakes_of_a_schedule_say_where_and_what_to_write() {
    for (item, expected) in [
        (
            "{ name: a, recurrence: '0 8 * *', min_size: 1 }",
            "9:32: ~.recurrence: 4 fields, not five; write minutes, hours, day of month, month and day of week: 30 8 * * MON-FRI",
        ),
        (
            "{ name: a, recurrence: '0 0 30 2 *', min_size: 1 }",
            "9:32: ~.recurrence: there is no such day in any year; day of month `30` never comes in month `2`",
        ),
        (
            "{ name: a, recurrence: '0 0 * * *', time_zone: Europe/Berlln, min_size: 1 }",
            "9:56: ~.time_zone: there is no time zone `Europe/Berlln`; did you mean Europe/Berlin?",
        ),
        (
            "{ name: a, start_time: tomorrow, min_size: 1 }",
            "9:32: ~.start_time: `tomorrow` is not a time; write date, time and offset, such as 2030-01-01T08:00:00Z",
        ),
        (
            "{ name: a, cron: '0 0 * * *', min: 1 }",
            "9:20: ~.cron: unknown key; write recurrence",
        ),
        (
            "{ name: a, recurrence: '0 0 * * *' }",
            "9:9: ~: it changes nothing; add min_size, max_size or desired_capacity",
        ),
        (
            "{ name: a, min_size: 1 }",
            "9:9: ~: it never runs; add recurrence: \"0 8 * * MON-FRI\", or start_time: 2030-01-01T08:00:00Z",
        ),
        (
            "{ recurrence: '0 0 * * *', min_size: 1 }",
            "9:9: ~: name is missing; add name: morning",
        ),
        (
            "{ name: '', recurrence: '0 0 * * *', min_size: 1 }",
            "9:17: ~.name: a name of 0 characters, or with control characters; use 1 to 255 characters that can be seen",
        ),
    ] {
        let found = faults("scheduled_actions", item);
        assert_eq!(
            found.first().map(String::as_str),
            Some(expected),
            "{item}: {found:#?}"
        );
    }
}

#[test]
fn one_offs_at_one_time_and_twins_are_refused() {
    let once = "start_time: 2030-01-01T00:00:00Z, min_size: 1";
    let items = format!(
        "      - {{ name: a, {once} }}\n      - {{ name: b, {once} }}\n      - {{ name: a, recurrence: '1 * * * *', min_size: 1 }}\n"
    );
    let found = parse(&file("scheduled_actions", &items))
        .unwrap_err()
        .to_string();
    assert!(
        found.contains("[1].start_time: the action `a` runs once at the same time"),
        "{found}"
    );
    assert!(
        found.contains("[2].name: another action is named `a` too"),
        "{found}"
    );
    let many: String = (0..126)
        .map(|n| format!("      - {{ name: a{n}, recurrence: '0 0 * * *', min_size: 1 }}\n"))
        .collect();
    let found = parse(&file("scheduled_actions", &many))
        .unwrap_err()
        .to_string();
    assert!(
        found.contains("126 scheduled actions; a group has 125 at the most"),
        "{found}"
    );
}

#[test]
fn mistakes_of_notifications_say_what_to_write() {
    for (item, expected) in [
        (
            "{ endpoint: 'https://hooks.example/a', secret_file: s }",
            "9:21: ~.endpoint: `https://hooks.example/a` is https, which minicloud does not speak; let a relay on this machine send it on, and write that one's http URL",
        ),
        (
            "{ url: 'http://a/', secret_file: s }",
            "9:11: ~.url: unknown key; write endpoint",
        ),
        (
            "{ endpoint: 'http://a/' }",
            "9:9: ~: secret_file is missing; add secret_file: /etc/minicloud/webhook.secret",
        ),
        (
            "{ endpoint: 'http://a/', secret: hunter2, secret_file: s }",
            "9:34: ~.secret: unknown key; write it to a file, and that file's path as secret_file",
        ),
        (
            "{ endpoint: 'http://a/', secret_file: s, notification_types: ['autoscaling:EC2_INSTANCE_LAUNCHED'] }",
            "9:71: ~.notification_types[0]: unknown value `autoscaling:EC2_INSTANCE_LAUNCHED`; did you mean autoscaling:EC2_INSTANCE_LAUNCH?",
        ),
    ] {
        let found = faults("notifications", item);
        assert_eq!(
            found.first().map(String::as_str),
            Some(expected),
            "{item}: {found:#?}"
        );
    }
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    let items = "      - { name: past, start_time: 2025-01-01T00:00:00Z, min_size: 1 }
      - { name: over, recurrence: '0 8 * * *', end_time: 2025-01-01T00:00:00Z, min_size: 1 }
      - { name: daily, recurrence: '0 9 * * *', min_size: 1 }
      - { name: mondays, recurrence: '0 9 * * MON', min_size: 2 }
      - { name: begun, recurrence: '0 10 * * *', start_time: 2025-01-01T00:00:00Z, min_size: 1 }
";
    let config = parse(&file("scheduled_actions", items)).unwrap();
    let warnings = config.warnings(None, None, "2026-01-01T00:00:00Z".parse().unwrap());
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "auto_scaling_groups.g.scheduled_actions.past: start_time 2025-01-01T00:00:00Z is past: it runs only if it was there before that",
            "auto_scaling_groups.g.scheduled_actions.over: end_time is past, or comes before the next occurrence: it does not run any more",
            "auto_scaling_groups.g.scheduled_actions.mondays: it runs at the same time as daily, for the first time at 2026-01-05T09:00:00Z: the one whose name is later in the alphabet has the last word",
        ]
    );
}
