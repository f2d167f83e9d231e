use std::{borrow::Borrow, iter};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::plain;
use crate::cli::Output;

const GAP: usize = 2;

/// How a list of `T` is shown: what names one of them, and the columns of a table.
pub(crate) struct Listing<T> {
    name: fn(&T) -> String,
    columns: Vec<Column<T>>,
}

struct Column<T> {
    header: &'static str,
    is_wide: bool,
    cell: fn(&T) -> Cell,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// What a state means to whoever looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// As it should be.
    Good,
    /// On the way from one state to another.
    Busy,
    /// Somebody should look.
    Bad,
    /// Over.
    Faint,
}

impl Tone {
    pub(crate) fn paint(self, text: &str) -> String {
        let style = match self {
            Self::Plain => return text.to_owned(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Busy => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Faint => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }

    pub(crate) fn cell(self, text: impl Into<String>) -> Cell {
        Cell {
            text: text.into(),
            tone: self,
        }
    }
}

impl<S: Into<String>> From<S> for Cell {
    fn from(text: S) -> Self {
        Tone::Plain.cell(text)
    }
}

impl<T> Listing<T> {
    /// `name` is what other verbs and scripts call it by.
    pub(crate) fn new(name: fn(&T) -> String) -> Self {
        Self {
            name,
            columns: Vec::new(),
        }
    }

    pub(crate) fn column(self, header: &'static str, cell: fn(&T) -> Cell) -> Self {
        self.with(header, false, cell)
    }

    /// A column of `-o wide` alone.
    pub(crate) fn wide(self, header: &'static str, cell: fn(&T) -> Cell) -> Self {
        self.with(header, true, cell)
    }

    fn with(mut self, header: &'static str, is_wide: bool, cell: fn(&T) -> Cell) -> Self {
        self.columns.push(Column {
            header,
            is_wide,
            cell,
        });
        self
    }

    /// A table, or a name on each line; each line ends in a line feed.
    pub(crate) fn render<I: Borrow<T>>(
        &self,
        items: impl IntoIterator<Item = I>,
        output: Output,
    ) -> String {
        let items = items.into_iter();
        if output == Output::Name {
            let names = items.map(|item| plain(&(self.name)(item.borrow())) + "\n");
            return names.collect();
        }
        let columns: Vec<_> = self
            .columns
            .iter()
            .filter(|column| !column.is_wide || output == Output::Wide)
            .collect();
        let header = columns.iter().map(|column| Cell::from(column.header));
        let header: Vec<_> = header.collect();
        let rows = items.map(|item| {
            let cells = columns.iter().map(|column| (column.cell)(item.borrow()));
            cells.collect()
        });
        table(iter::once(header).chain(rows).collect())
    }
}

/// Without borders, two blanks between columns.
fn table(rows: Vec<Vec<Cell>>) -> String {
    let rows: Vec<Vec<Cell>> = rows
        .into_iter()
        .map(|row| row.into_iter().map(one_line).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.text.width())
                .max()
                .unwrap_or_default()
        })
        .collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn one_line(cell: Cell) -> Cell {
    Cell {
        text: plain(&cell.text),
        ..cell
    }
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    // Blanks are written before what follows them: a line never ends in one.
    let (mut line, mut blanks) = (String::new(), 0);
    for (cell, width) in row.iter().zip(widths) {
        if !cell.text.is_empty() {
            line.extend(iter::repeat_n(' ', blanks));
            line.push_str(&cell.tone.paint(&cell.text));
            blanks = 0;
        }
        blanks += width - cell.text.width() + GAP;
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (&'static str, &'static str);

    fn pairs() -> Listing<Pair> {
        Listing::new(|(name, _): &Pair| (*name).to_owned())
            .column("NAME", |(name, _)| (*name).into())
            .column("STATE", |(_, state)| Tone::Good.cell(*state))
            .wide("LENGTH", |(name, _)| name.len().to_string().into())
    }

    fn plainly(items: &[Pair], output: Output) -> String {
        let text = pairs().render(items, output);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn tables_have_no_borders_and_no_trailing_blanks() {
        let rows = [("web", "1"), ("a\u{1b}[2J\nb", ""), ("日本", "x")];
        let expected = "NAME     STATE\nweb      1\na [2J b\n日本     x\n";
        assert_eq!(plainly(&rows, Output::Table), expected);
    }

    #[test]
    fn wide_tables_have_more_and_names_stand_alone() {
        let rows = [("web", "1"), ("api", "2")];
        let expected = "NAME  STATE  LENGTH\nweb   1      3\napi   2      3\n";
        assert_eq!(plainly(&rows, Output::Wide), expected);
        assert_eq!(plainly(&rows, Output::Name), "web\napi\n");
    }

    #[test]
    fn tones_are_around_the_text_alone() {
        let text = pairs().render([("web", "up")], Output::Table);
        assert!(text.contains("web   \u{1b}[32mup\u{1b}[0m\n"), "{text:?}");
    }
}
