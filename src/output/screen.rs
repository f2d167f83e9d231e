use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;
use unicode_width::UnicodeWidthChar;

use super::say;

/// What is said of something that goes on: drawn in place on a terminal, else a line for each
/// change. To stderr: it is for people.
pub(crate) struct Screen {
    is_terminal: bool,
    /// Lines that stand on the terminal.
    drawn: usize,
    digest: String,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            drawn: 0,
            digest: String::new(),
        }
    }

    /// Draws `lines`, or says `line` where `digest` is not the last one's.
    pub(crate) fn draw(
        &mut self,
        lines: impl FnOnce() -> Vec<String>,
        digest: String,
        line: impl FnOnce(&str) -> String,
    ) {
        if self.is_terminal {
            self.redraw(&lines());
        } else if digest != self.digest {
            say(line(&digest));
            self.digest = digest;
        }
    }

    fn redraw(&mut self, lines: &[String]) {
        let size = tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
        let mut text = match self.drawn {
            0 => String::new(),
            // Up to the first line, then clear to the end of the screen.
            drawn => format!("\x1b[{drawn}A\x1b[J"),
        };
        for line in lines {
            text.push_str(cut(line, width(size)));
            text.push('\n');
        }
        self.drawn = lines.len();
        // Not through what takes colours out: that would take the way up with them.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// A terminal that does not know its width says 0.
fn width(columns: u16) -> usize {
    match columns {
        0 => 80,
        columns => columns.into(),
    }
}

/// As much of `line`, which has no colours, as fits: one that wraps would be two to go up.
fn cut(line: &str, width: usize) -> &str {
    let mut used = 0;
    let end = line.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or_default();
        used >= width
    });
    end.map_or(line, |(index, _)| &line[..index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_never_wrap() {
        assert_eq!(cut("abc", 10), "abc");
        assert_eq!(cut("abcdef", 4), "abc");
        assert_eq!(cut("日本日本", 5), "日本");
        assert_eq!(width(0), 80);
    }
}
