use anstream::adapter::strip_str;
use bytes::{Buf, Bytes, BytesMut};

/// A longer line is shown in parts: an instance may never end one.
const LONGEST: usize = 16 * 1024;

/// Pieces in, whole lines out.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: BytesMut,
    has_ended: bool,
}

impl Lines {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// No more comes: what is there is the last line.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// A line without its end.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let seen = &self.bytes[..self.bytes.len().min(LONGEST)];
        match seen.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let line = self.bytes.split_to(end).freeze();
                self.bytes.advance(1);
                Some(line)
            }
            None if self.bytes.len() >= LONGEST => Some(self.bytes.split_to(LONGEST).freeze()),
            None if self.has_ended && !self.bytes.is_empty() => Some(self.bytes.split().freeze()),
            None => None,
        }
    }
}

/// As it is printed. A terminal gets text that does not steer it; a file gets the bytes.
pub(super) fn shown(prefix: &str, line: &[u8], is_terminal: bool) -> Vec<u8> {
    let mut shown = prefix.as_bytes().to_vec();
    match is_terminal {
        false => shown.extend_from_slice(line),
        true => {
            let text = String::from_utf8_lossy(line);
            let text = strip_str(&text).to_string();
            let text = text.chars().filter(|c| *c == '\t' || !c.is_control());
            shown.extend(text.collect::<String>().bytes());
        }
    }
    shown.push(b'\n');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<String> {
        std::iter::from_fn(|| lines.next())
            .map(|line| String::from_utf8_lossy(&line).into_owned())
            .collect()
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let mut lines = Lines::default();
        lines.push(b"one\n\ntw");
        assert_eq!(all(&mut lines), ["one", ""]);
        lines.push(b"o\nthree");
        assert_eq!(all(&mut lines), ["two"]);
        lines.end();
        assert_eq!(all(&mut lines), ["three"]);
        assert!(lines.has_ended());
    }

    #[test]
    fn endless_line_comes_in_parts() {
        let mut lines = Lines::default();
        lines.push(&[b'x'; 2 * LONGEST + 3]);
        let parts = all(&mut lines);
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.len() == LONGEST));
    }

    #[test]
    fn log_steers_no_terminal() {
        let hostile = b"\x1b[2Ja\x1b]0;title\x07b\tc\r\xff";
        let shown_there = shown("i-1  ", hostile, true);
        assert_eq!(
            String::from_utf8_lossy(&shown_there),
            "i-1  ab\tc\u{fffd}\n"
        );
        assert_eq!(shown("", hostile, false), [hostile, &b"\n"[..]].concat());
    }
}
