//! Data for people and programs. Stdout carries nothing else.

use std::io::{self, Write};

use comfy_table::{Row, Table, presets};
use serde::Serialize;

use crate::{
    cli::Output,
    failure::{Exit, Failure},
};

/// Prints `data` as JSON, or what `table` makes of it.
pub(crate) fn show<T: Serialize>(
    output: Output,
    data: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    match output {
        Output::Table => print(table(data).as_bytes()),
        Output::Json => {
            let mut json = serde_json::to_vec_pretty(data)
                .map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
            json.push(b'\n');
            print(&json)
        }
    }
}

/// Writes to stdout. A reader that has left (`| head`) has what it wanted.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    print_on(bytes).map(drop)
}

/// The same, of what goes on: false once the reader has left.
pub(crate) fn print_on(bytes: &[u8]) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(
            Exit::Failure,
            format!("cannot write to stdout: {error}"),
        )),
    }
}

/// Writes for people to stderr; where that is gone there is nobody to tell.
pub(crate) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A table without borders, two blanks between columns, each line ending in a line feed.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for row in rows {
        table.add_row(Row::from(row.map(|cell| plain(&cell))));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n") + "\n"
}

/// One line, and nothing that steers a terminal: cells repeat text from outside.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A percentage without decimals; a dash where there is no data.
pub(crate) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_no_borders_and_no_trailing_blanks() {
        let rows = [
            ["web".to_owned(), "1".to_owned()],
            ["a\u{1b}[2J\nb".to_owned(), String::new()],
        ];
        let expected = "NAME     MIN\nweb      1\na [2J b\n";
        assert_eq!(table(["NAME", "MIN"], rows), expected);
    }

    #[test]
    fn missing_data_is_a_dash() {
        assert_eq!(percent(None), "-");
        assert_eq!(percent(Some(80.4)), "80 %");
    }
}
