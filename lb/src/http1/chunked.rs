/// Decodes the chunked coding (RFC 9112 7.1) where it lies.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    remaining: u64,
    trailers: Vec<u8>,
}

/// What comes next in the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Consume this many bytes of framing and come again with more.
    More { consumed: usize },
    /// `buf[start..end]` is data; consume `end` bytes.
    Data { start: usize, end: usize },
    /// The body is over after this many bytes.
    End { consumed: usize },
}

/// Why a body is not in the chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkFault {
    #[error("a chunk's size is not valid")]
    Size,
    #[error("a chunk's extension has a control character")]
    Extension,
    #[error("the chunk extensions are too long")]
    LongExtensions,
    #[error("a chunk's line end is missing")]
    LineEnd,
    #[error("a trailer field is not valid")]
    Trailer,
    #[error("the trailer section is too long")]
    LongTrailers,
}

impl ChunkedDecoder {
    pub(crate) fn new() -> Self {
        Self {
            remaining: 0,
            trailers: Vec::new(),
        }
    }

    /// Looks at the bytes that are not consumed yet. Not to be called after `End` or a fault.
    pub(crate) fn decode(&mut self, _buf: &[u8]) -> Result<Piece, ChunkFault> {
        todo!()
    }

    /// How much data of the current chunk is still to come.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Takes note of `count` bytes of data, at most `remaining`, that went by unseen.
    pub(crate) fn pass(&mut self, count: u64) {
        debug_assert!(count <= self.remaining);
        self.remaining -= count;
    }

    /// The trailer fields that may be passed on, each as `Name: value\r\n`; whole after `End`.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }
}
