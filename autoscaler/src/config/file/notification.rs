use std::collections::HashSet;

use super::some_of;
use crate::{
    config::{
        fault::{Mistake, quoted},
        reader::Entry,
        scalar,
        schema::{Absent, Form, Key, Section},
    },
    notification::{NotificationConfiguration, NotificationType, WebhookEndpoint},
};

pub(in crate::config) const SECTION: Section = Section {
    place: "auto_scaling_groups.NAME.notifications[]",
    keys: &[
        Key::new(
            "endpoint",
            Form::Text("URL such as `http://127.0.0.1:9000/hook`"),
            Absent::Fault("http://127.0.0.1:9000/hook"),
            "Where notifications are posted. Plain http alone: for https, let a relay on this machine send them on.",
        ),
        Key::new(
            "secret_file",
            Form::Text("path"),
            Absent::Fault("/etc/minicloud/webhook.secret"),
            "File with the secret that signs them: `whsec_` and base64, or 16 characters or more of text. Read at each delivery.",
        ),
        Key::new(
            "notification_types",
            Form::Texts(
                "list of `autoscaling:EC2_INSTANCE_LAUNCH`, `.._LAUNCH_ERROR`, `.._TERMINATE`, `.._TERMINATE_ERROR`, `autoscaling:TEST_NOTIFICATION`",
            ),
            Absent::Default("all"),
            "Which events are told.",
        ),
    ],
    renamed: &[
        ("url", "endpoint"),
        ("webhook", "endpoint"),
        ("topic_arn", "endpoint"),
        (
            "secret",
            "write it to a file, and that file's path as secret_file",
        ),
        ("types", "notification_types"),
        ("events", "notification_types"),
    ],
};

/// Topics of one group: AWS's quota.
const MAX_CONFIGURATIONS: usize = 10;
const MAX_PATH: usize = 4096;

/// The group's notification configurations, one for each endpoint.
pub(super) fn list(entry: &Entry<'_>) -> Option<Vec<NotificationConfiguration>> {
    let items = entry.list()?;
    if items.len() > MAX_CONFIGURATIONS {
        let mistake = Mistake::new(format!("{} notification configurations", items.len()));
        entry.refuse(mistake.hint(format!("a group has {MAX_CONFIGURATIONS} at the most")));
        return None;
    }
    let mut endpoints = HashSet::new();
    let read = |item| read(item, &mut endpoints);
    let configurations: Vec<_> = items.iter().filter_map(read).collect();
    (configurations.len() == items.len()).then_some(configurations)
}

fn read(entry: &Entry<'_>, endpoints: &mut HashSet<String>) -> Option<NotificationConfiguration> {
    let fields = entry.fields(&SECTION)?;
    let endpoint = fields.required("endpoint", |entry| endpoint(entry, endpoints));
    let secret_file = fields.required("secret_file", |entry| {
        entry.read(|path| match scalar::text(path)? {
            path if (1..=MAX_PATH).contains(&path.len()) => Ok(path.into()),
            _ => Err(Mistake::new("it names no file").hint("write the path of a file")),
        })
    });
    let notification_types = fields.or("notification_types", NotificationType::ALL.to_vec(), types);
    Some(NotificationConfiguration {
        endpoint: endpoint?,
        secret_file: secret_file?,
        notification_types: notification_types?,
    })
}

fn endpoint(entry: &Entry<'_>, endpoints: &mut HashSet<String>) -> Option<WebhookEndpoint> {
    let endpoint: WebhookEndpoint = entry.read(|url| {
        let text = scalar::text(url)?;
        text.parse::<WebhookEndpoint>().map_err(|error| {
            Mistake::new(format!("{} {}", quoted(text), error.fault)).hint(error.hint)
        })
    })?;
    if !endpoints.insert(endpoint.to_string()) {
        let mistake = Mistake::new("the endpoint is configured twice");
        entry.refuse(mistake.hint("keep one, with the types of both"));
    }
    Some(endpoint)
}

fn types(entry: &Entry<'_>) -> Option<Vec<NotificationType>> {
    let words = NotificationType::ALL.map(NotificationType::as_str);
    let known: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let items = entry.list()?;
    if items.is_empty() {
        let mistake = Mistake::new("no notification type");
        entry.refuse(mistake.hint(format!("write some of {}", some_of(&known))));
        return None;
    }
    let read =
        |item: &Entry<'_>| item.read(|word| scalar::one_of(word, &words, &NotificationType::ALL));
    let types: Vec<_> = items.iter().filter_map(read).collect();
    (types.len() == items.len()).then_some(types)
}
