//! Logs go to stderr: stdout is for data.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

use crate::failure::{Exit, Failure};

/// Levels by `MINICLOUD_LOG` (`info`, or `warn,minicloud_lb=debug`); JSON lines where
/// `MINICLOUD_LOG_FORMAT` is `json`.
pub(crate) fn start(default: &str, env: impl Fn(&str) -> Option<String>) -> Result<(), Failure> {
    let levels = env("MINICLOUD_LOG").unwrap_or_else(|| default.to_owned());
    let filter: Targets = levels.parse().map_err(|error| {
        Failure::new(
            Exit::Config,
            format!("MINICLOUD_LOG={levels}: {error}; write for example `info` or `warn,minicloud_lb=debug`"),
        )
    })?;
    let ansi = io::stderr().is_terminal() && env("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(ansi);
    let layer = match env("MINICLOUD_LOG_FORMAT").as_deref() {
        Some("json") => layer.json().flatten_event(true).boxed(),
        None | Some("" | "text") => layer.with_target(false).boxed(),
        Some(other) => {
            let message = format!("MINICLOUD_LOG_FORMAT={other}: it is `text` or `json`");
            return Err(Failure::new(Exit::Config, message));
        }
    };
    registry().with(layer.with_filter(filter)).init();
    Ok(())
}
