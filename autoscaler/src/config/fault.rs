//! What is wrong with a file, where, and what to do about it.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters of a source line that a snippet shows.
const SNIPPET_WIDTH: usize = 160;

/// Characters of what the file says that a message repeats: the text may be hostile and long.
const QUOTE_WIDTH: usize = 40;

/// Characters of a message that may repeat what the file says.
const SENTENCE_WIDTH: usize = 240;

/// One mistake in a configuration file. Line and column count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigurationFault)]
pub struct Fault {
    /// Keys from the root, such as `auto_scaling_groups.web.min_size`; empty for the whole file.
    pub path: String,
    pub line: usize,
    pub column: usize,
    pub message: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Every mistake found in one file, in the order of the file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// Where a part of the file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A fault that does not know its place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    message: String,
    hint: Option<String>,
}

impl Faults {
    /// `Ok` where there is no fault.
    pub(crate) fn check(mut faults: Vec<Fault>) -> Result<(), Self> {
        faults.sort_by_key(|fault| (fault.line, fault.column));
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self(faults))
        }
    }

    /// What another minicloud found; `None` where that is nothing.
    pub fn found(faults: Vec<Fault>) -> Option<Self> {
        (!faults.is_empty()).then_some(Self(faults))
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// Without places, for what came by another way than a file.
    pub(crate) fn as_sentence(&self) -> String {
        let faults = self.0.iter().map(|fault| {
            let message = fmt::from_fn(|f| write_message(f, &fault.message, fault.hint.as_deref()));
            match fault.path.as_str() {
                "" => message.to_string(),
                path => format!("{path}: {message}"),
            }
        });
        faults.collect::<Vec<_>>().join("; ")
    }

    /// One line a fault in the form of compilers, so that editors jump to the place.
    pub fn in_file(&self, name: &str) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            for (index, fault) in self.0.iter().enumerate() {
                let newline = if index == 0 { "" } else { "\n" };
                write!(f, "{newline}{name}:{fault}")?;
            }
            Ok(())
        })
    }

    /// The same, each with its line of the source and a caret below the place.
    pub fn with_source(&self, name: &str, source: &[u8]) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let lines: Vec<&[u8]> = source.split(|byte| *byte == b'\n').collect();
            for fault in &self.0 {
                writeln!(f, "{name}:{fault}")?;
                if let Some(line) = lines.get(fault.line.saturating_sub(1)) {
                    fault.write_snippet(f, &String::from_utf8_lossy(line))?;
                }
            }
            Ok(())
        })
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Fault {
    fn write_snippet(&self, f: &mut fmt::Formatter<'_>, line: &str) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let shown: String = line.chars().take(SNIPPET_WIDTH).map(printable).collect();
        writeln!(f, "{number} | {}", shown.trim_end())?;
        if self.column <= SNIPPET_WIDTH {
            writeln!(
                f,
                "{gutter} | {}^",
                " ".repeat(self.column.saturating_sub(1))
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write_message(f, &self.message, self.hint.as_deref())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_message(f, &self.message, self.hint.as_deref())
    }
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl Mistake {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// What is wrong, and what to do about it.
    pub(crate) fn into_parts(self) -> (String, Option<String>) {
        (self.message, self.hint)
    }

    pub(crate) fn at(self, position: Position, path: &str) -> Fault {
        Fault {
            path: path.to_owned(),
            line: position.line,
            column: position.column,
            message: self.message,
            hint: self.hint,
        }
    }
}

fn write_message(f: &mut fmt::Formatter<'_>, message: &str, hint: Option<&str>) -> fmt::Result {
    f.write_str(message)?;
    match hint {
        Some(hint) => write!(f, "; {hint}"),
        None => Ok(()),
    }
}

/// What the file says, in backticks: one line, no control characters, not too long.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text))
}

/// The same without the backticks.
pub(crate) fn shortened(text: &str) -> String {
    tamed(text, QUOTE_WIDTH)
}

/// Words that may quote the file, as one line.
pub(crate) fn sentence(words: &str) -> String {
    tamed(words, SENTENCE_WIDTH)
}

fn tamed(text: &str, width: usize) -> String {
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == width {
            shown.push('…');
            break;
        }
        match is_unsafe(character) {
            true => write!(shown, "{}", character.escape_default()).unwrap_or_default(),
            false => shown.push(character),
        }
    }
    shown
}

/// One column for one character; a terminal is given nothing that it would obey.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        c if is_unsafe(c) => '\u{fffd}',
        c => c,
    }
}

/// Control characters, which a terminal obeys, and those that break or reorder a line.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults() -> Faults {
        let unit = Mistake::new("`30` has no unit").hint("write 30s");
        let key = Mistake::new("unknown key");
        Faults::check(vec![
            unit.at(Position { line: 2, column: 4 }, "a.b"),
            key.at(Position { line: 1, column: 1 }, ""),
        ])
        .unwrap_err()
    }

    #[test]
    fn faults_are_sorted_and_editors_can_jump() {
        assert_eq!(
            faults().in_file("m.yaml").to_string(),
            "m.yaml:1:1: unknown key\nm.yaml:2:4: a.b: `30` has no unit; write 30s"
        );
    }

    #[test]
    fn caret_points_at_the_column() {
        assert_eq!(
            faults().with_source("m.yaml", b"x\nb:\t30\r\n").to_string(),
            "m.yaml:1:1: unknown key\n1 | x\n  | ^\n\
             m.yaml:2:4: a.b: `30` has no unit; write 30s\n2 | b: 30\u{fffd}\n  |    ^\n"
        );
    }

    #[test]
    fn hostile_text_is_tamed() {
        assert_eq!(quoted("a\u{1b}[0m\nb"), "`a\\u{1b}[0m\\nb`");
        assert_eq!(quoted("a\u{202e}b"), "`a\\u{202e}b`");
        assert_eq!(quoted(&"x".repeat(99)).chars().count(), QUOTE_WIDTH + 3);
    }
}
