//! Logs go to stderr: stdout is for data.

use std::io;

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

use crate::failure::Failure;

/// Levels by `MINICLOUD_LOG` (`info`, or `warn,minicloud_lb=debug`); JSON lines where
/// `MINICLOUD_LOG_FORMAT` is `json`.
pub(crate) fn start(default: &str, env: impl Fn(&str) -> Option<String>) -> Result<(), Failure> {
    let levels = env("MINICLOUD_LOG").unwrap_or_else(|| default.to_owned());
    let filter: Targets = levels
        .parse()
        .map_err(|error| Failure::log_levels(&levels, &error))?;
    let ansi = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(ansi);
    let layer = match env("MINICLOUD_LOG_FORMAT").as_deref() {
        Some("json") => layer.json().flatten_event(true).boxed(),
        None | Some("" | "text") => layer.with_target(false).boxed(),
        Some(other) => return Err(Failure::log_format(other)),
    };
    registry().with(layer.with_filter(filter)).init();
    Ok(())
}
