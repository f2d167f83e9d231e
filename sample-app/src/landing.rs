use hyper::{HeaderMap, header::ACCEPT};
use serde_json::json;

use crate::Config;

/// The body of `GET /` and its media type: JSON for those who ask for it.
pub(crate) fn page(
    config: &Config,
    requests_served: u64,
    headers: &HeaderMap,
) -> (String, &'static str) {
    match wants_json(headers) {
        true => (as_json(config, requests_served), "application/json"),
        false => (
            as_text(config, requests_served),
            "text/plain; charset=utf-8",
        ),
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|accepted| accepted.contains("application/json"))
    })
}

fn as_json(config: &Config, requests_served: u64) -> String {
    let mut text = json!({
        "instance_id": config.instance_id,
        "availability_zone": config.availability_zone,
        "launch_template_version": config.launch_template_version,
        "requests_served": requests_served,
        "greeting": config.greeting,
    })
    .to_string();
    text.push('\n');
    text
}

fn as_text(config: &Config, requests_served: u64) -> String {
    let part = |label: &str, value: &Option<String>| match value {
        Some(value) => format!(", {label} {value}"),
        None => String::new(),
    };
    format!(
        "{} from {}{}{}\nrequests served: {requests_served}\n",
        config.greeting,
        config.instance_id,
        part("zone", &config.availability_zone),
        part("version", &config.launch_template_version),
    )
}
