//! Data for people and programs. Stdout carries nothing else.
//!
//! Text is made with its colours in it, as `anstyle` writes them; what it is written through takes
//! them out wherever they are not wanted: beyond a terminal, under `NO_COLOR`, by `--color never`.

mod listing;
mod screen;

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

pub(crate) use self::{
    listing::{Cell, Listing, Tone},
    screen::Screen,
};
use crate::{cli::Output, failure::Failure};

/// Settles for all that is printed from here on whether it has colours.
pub(crate) fn choose_color(choice: clap::ColorChoice) {
    match choice {
        clap::ColorChoice::Auto => ColorChoice::Auto,
        clap::ColorChoice::Always => ColorChoice::Always,
        clap::ColorChoice::Never => ColorChoice::Never,
    }
    .write_global();
}

/// Prints `data` as JSON, or what `render` makes of it for one of the other forms.
pub(crate) fn show<T: Serialize>(
    output: Output,
    data: &T,
    render: impl FnOnce(&T, Output) -> String,
) -> Result<(), Failure> {
    match output {
        Output::Json => print((pretty(data) + "\n").as_bytes()),
        output => print(render(data, output).as_bytes()),
    }
}

fn pretty(data: &impl Serialize) -> String {
    serde_json::to_string_pretty(data).expect("answers are plain data with text for keys")
}

/// Writes to stdout. A reader that has left (`| head`) has what it wanted.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    print_on(bytes).map(drop)
}

/// The same, of what goes on: false once the reader has left.
pub(crate) fn print_on(bytes: &[u8]) -> Result<bool, Failure> {
    written(anstream::stdout().lock(), bytes)
}

fn written(mut stdout: impl Write, bytes: &[u8]) -> Result<bool, Failure> {
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::stdout_closed(&error)),
    }
}

/// Writes bytes that are not ours to stdout, as they are but for colours before them, which the
/// caller puts there where [`has_colors`].
pub(crate) fn print_raw(bytes: &[u8]) -> Result<bool, Failure> {
    written(io::stdout().lock(), bytes)
}

pub(crate) fn has_colors() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Writes for people to stderr; where that is gone there is nobody to tell.
pub(crate) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// One line, and nothing that steers a terminal: cells repeat text from outside.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if steers(c) { ' ' } else { c })
        .collect()
}

/// Control characters, and those without a shape that turn or join what stands beside them.
fn steers(c: char) -> bool {
    let is_shapeless = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || is_shapeless
}

/// A dash where there is none.
pub(crate) fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

/// A name as the control API spells it.
pub(crate) fn word(name: &impl Serialize) -> String {
    match serde_json::to_value(name) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A percentage without decimals; a dash where there is no data.
pub(crate) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_neither_steers_nor_turns() {
        assert_eq!(plain("a\u{1b}[2J\u{202e}b\u{feff}\nc"), "a [2J b  c");
    }

    #[test]
    fn missing_data_is_a_dash() {
        assert_eq!(percent(None), "-");
        assert_eq!(percent(Some(80.4)), "80 %");
    }
}
