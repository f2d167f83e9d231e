//! Showing what is: once, or again and again until Ctrl-C.

use std::{
    collections::HashSet,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use serde::Serialize;
use tokio::time::sleep;

use super::connect;
use crate::{
    cli::{Output, Watching},
    control_api::ControlApi,
    failure::{Exit, Failure},
    output::{print_on, say, show},
};

/// From one answer to the next question: what is shown is at most this and an answer old.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows what `fetch` answers, once or as it changes.
pub(super) async fn read<T: Serialize>(
    args: &Watching,
    fetch: impl AsyncFn(&ControlApi) -> Result<T, Failure>,
    render: impl Fn(&T, Output) -> String,
) -> Result<(), Failure> {
    let api = connect(&args.reading.connection)?;
    let output = args.reading.output;
    if !args.watch {
        return show(output, &fetch(&api).await?, render);
    }
    let text = |data: &T| match output {
        // An answer is a line: what comes is a stream of them.
        Output::Json => serde_json::to_string(data).unwrap_or_default() + "\n",
        output => render(data, output),
    };
    let watching = watch(async || fetch(&api).await.map(|data| text(&data)), output);
    tokio::select! {
        ended = watching => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::signals(&error))
        }
    }
}

/// Until the reader of stdout leaves. A control plane that is away is waited for, except at the
/// beginning, where it is likelier to be a mistake.
async fn watch(
    fetch: impl AsyncFn() -> Result<String, Failure>,
    output: Output,
) -> Result<(), Failure> {
    let stdout = io::stdout();
    let redraws = stdout.is_terminal() && output != Output::Json;
    let mut changes = Changes::default();
    let mut text = fetch().await?;
    let mut away = false;
    loop {
        let goes_on = match redraws {
            true => redraw(&text).map_err(|error| Failure::stdout_closed(&error))?,
            false => print_on(changes.of(&text).as_bytes())?,
        };
        if !goes_on {
            return Ok(());
        }
        sleep(PAUSE).await;
        match fetch().await {
            Ok(next) => (text, away) = (next, false),
            Err(failure) if failure.exit == Exit::Unreachable => {
                if !away {
                    say(failure.what());
                }
                away = true;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// In place of what stood on the terminal; false once that is gone.
fn redraw(text: &str) -> io::Result<bool> {
    let plain;
    let text = match AutoStream::choice(&io::stdout()) {
        ColorChoice::Never => {
            plain = strip_str(text).to_string();
            &plain
        }
        _ => text,
    };
    let mut stdout = io::stdout().lock();
    // To the upper left corner; then each line clears what is left of an older one, and the
    // last all below it. Clearing first would flicker.
    let mut frame = "\x1b[H".to_owned();
    for line in text.lines() {
        frame.push_str(line);
        frame.push_str("\x1b[K\n");
    }
    frame.push_str("\x1b[J");
    match stdout
        .write_all(frame.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Which lines were not there the last time.
#[derive(Default)]
struct Changes(HashSet<String>);

impl Changes {
    fn of(&mut self, text: &str) -> String {
        // A column that has grown wider is no news.
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines = text.lines().filter(|line| !line.is_empty());
        let fresh: String = lines
            .clone()
            .filter(|line| !self.0.contains(&words(line)))
            .flat_map(|line| [line, "\n"])
            .collect();
        self.0 = lines.map(words).collect();
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_changed_are_added() {
        let mut changes = Changes::default();
        assert_eq!(changes.of("NAME  N\nweb   1\n"), "NAME  N\nweb   1\n");
        assert_eq!(changes.of("NAME  N\nweb   1\n"), "");
        assert_eq!(
            changes.of("NAME      N\nweb       1\nlong-one  2\n"),
            "long-one  2\n"
        );
        assert_eq!(changes.of("NAME  N\nweb   2\n"), "web   2\n");
        assert_eq!(changes.of("NAME  N\nweb   1\n"), "web   1\n");
    }
}
