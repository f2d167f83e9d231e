//! Text from outside, before it reaches the terminal.

use std::time::Duration;

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output::plain;

/// At most `width` columns of `text`, as one line that steers no terminal. What was cut ends in
/// an ellipsis.
pub(in super::super) fn cut(text: &str, width: usize) -> String {
    // What a person can read of it is far shorter; what is longer need not be looked at whole.
    let near = text.char_indices().nth(width.saturating_mul(4) + 64);
    let near = near.map_or(text, |(index, _)| &text[..index]);
    let line = plain(near);
    if line.width() <= width {
        return line;
    }
    let mut used = 1;
    let kept = line.chars().take_while(|c| {
        used += c.width().unwrap_or_default();
        used <= width
    });
    let mut kept: String = kept.collect();
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// How long ago that was, in two or three characters and a unit.
pub(in super::super) fn age(of: Timestamp, now: Timestamp) -> String {
    let since = now.duration_since(of);
    duration(since.try_into().unwrap_or_default())
}

pub(in super::super) fn duration(of: Duration) -> String {
    match of.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A rate or a time, with a decimal where it is small.
pub(in super::super) fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 9.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// Seconds as milliseconds, which are what answers take.
pub(in super::super) fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(
        || "-".to_owned(),
        |seconds| format!("{} ms", figure(seconds * 1000.0)),
    )
}

/// `text` in at most so many lines of `width` columns, broken between words where that is
/// possible.
pub(in super::super) fn wrap(text: &str, width: usize, most_lines: usize) -> Vec<String> {
    let text = cut(text, width.saturating_mul(most_lines));
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let is_last = lines.len() + 1 >= most_lines;
        if !line.is_empty() && line.width() + 1 + word.width() > width && !is_last {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_the_columns_that_it_takes() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本日本", 5), "日本…");
        assert_eq!(cut("日本日本", 4), "日…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cut("a\u{1b}[2Jb\nc\u{202e}d", 20), "a [2Jb c d");
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(wrap("one two three", 8, 3), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 8, 2), ["one two", "three f…"]);
        assert_eq!(wrap("incomprehensible", 6, 2), ["incom…"]);
        assert!(wrap("", 6, 2).is_empty());
    }

    #[test]
    fn figures_are_short() {
        let figures = [0.0, 0.04, 1.25, 9.96, 1234.5].map(figure);
        assert_eq!(figures, ["0", "0.0", "1.2", "10", "1234"]);
        let ages = [59, 60, 3600, 90_000].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(ages, ["59 s", "1 min", "1 h", "1 d"]);
        assert_eq!(milliseconds(Some(0.0125)), "12 ms");
    }
}
