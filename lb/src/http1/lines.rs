use memchr::memchr;

use super::Span;

/// How long a head may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    /// All of it, with its line ends.
    pub(crate) head: usize,
    pub(crate) fields: usize,
    /// The request line or status line, without its line end.
    pub(crate) request_line: usize,
    /// One field line, without its line end.
    pub(crate) field: usize,
}

/// ALB's limits, which it does not let one set; it documents none on the number of fields.
impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            head: 64 << 10,
            fields: 100,
            request_line: 16 << 10,
            field: 16 << 10,
        }
    }
}

/// Takes a head apart into lines, over as many reads as it takes and looking at no byte twice.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where the next line starts.
    start: usize,
    /// No line end is before this.
    scanned: usize,
}

/// A line without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) start: usize,
    pub(super) end: usize,
    /// It ends in LF alone.
    pub(super) is_bare: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum TooLong {
    Line,
    Head,
}

impl Lines {
    /// The next line, if it is there as a whole. A line that is too long is found as soon as
    /// it is, and found alike however many reads it comes in.
    pub(super) fn next(
        &mut self,
        buf: &[u8],
        line_limit: usize,
        head_limit: usize,
    ) -> Result<Option<Line>, TooLong> {
        let line_end = self.start.saturating_add(line_limit).saturating_add(2);
        let limit = line_end.min(head_limit);
        let visible = &buf[..buf.len().min(limit)];
        let unseen = visible.get(self.scanned..).unwrap_or_default();
        let Some(offset) = memchr(b'\n', unseen) else {
            self.scanned = visible.len();
            return match (visible.len() < limit, line_end < head_limit) {
                (true, _) => Ok(None),
                (false, true) => Err(TooLong::Line),
                (false, false) => Err(TooLong::Head),
            };
        };
        let line = self.take(buf, self.scanned + offset);
        match line.end - line.start > line_limit {
            true => Err(TooLong::Line),
            false => Ok(Some(line)),
        }
    }

    fn take(&mut self, buf: &[u8], newline: usize) -> Line {
        let start = self.start;
        self.start = newline + 1;
        self.scanned = self.start;
        let is_bare = !buf[start..newline].ends_with(b"\r");
        let end = newline - usize::from(!is_bare);
        Line {
            start,
            end,
            is_bare,
        }
    }

    /// How many bytes the lines so far take.
    pub(super) fn consumed(&self) -> usize {
        self.start
    }
}

impl Line {
    pub(super) fn of(self, buf: &[u8]) -> &[u8] {
        &buf[self.start..self.end]
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The span of what is from `start` to `end` in the line.
    pub(super) fn span(self, start: usize, end: usize) -> Span {
        Span::new(self.start + start, self.start + end)
    }
}
