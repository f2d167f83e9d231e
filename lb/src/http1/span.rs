/// A half-open range of the buffer that a head was parsed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// A head is far below 4 GiB: [`HeadLimits`](super::HeadLimits) bound it.
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// What it names of `buf`, which begins where the buffer began that was parsed.
    pub(crate) fn of(self, buf: &[u8]) -> &[u8] {
        &buf[self.start as usize..self.end as usize]
    }

    /// The span of `part`, which lies in `text`, which this span names.
    pub(super) fn part(self, text: &[u8], part: &[u8]) -> Self {
        let start = self.start() + (part.as_ptr().addr() - text.as_ptr().addr());
        Self::new(start, start + part.len())
    }

    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    pub(crate) fn end(self) -> usize {
        self.end as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}
