//! The chunked coding (RFC 9112 7.1), decoded where it lies.

use super::{FieldFault, syntax::is_control, trailers::Trailers};

/// As many as a `u64` takes.
const MAX_SIZE_DIGITS: u8 = 16;
/// In all chunks of a body together: nobody needs them, and they cost (CVE-2023-39326).
const MAX_EXTENSIONS: usize = 16 << 10;

/// Finds the data in a chunked body. Keeps nothing of it but the trailers.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
    extensions: usize,
    trailers: Trailers,
}

/// What comes next in the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Consume this many bytes of framing and come again with more.
    More { consumed: usize },
    /// `buf[start..end]` is data, at least a byte; consume `end` bytes.
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
    #[error("a line of the chunked coding does not end in CRLF")]
    LineEnd,
    #[error("a trailer is not valid: {0}")]
    Trailer(FieldFault),
    #[error("the trailer section is too long")]
    LongTrailers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        size: u64,
        digits: u8,
    },
    /// Blanks after a size, before an extension or the line end.
    Blank {
        size: u64,
    },
    Extension {
        size: u64,
    },
    /// The LF of a size line.
    SizeEnd {
        size: u64,
    },
    /// Never 0.
    Data {
        remaining: u64,
    },
    DataCr,
    DataLf,
    Trailers,
    End,
}

impl State {
    const START: Self = Self::Size { size: 0, digits: 0 };
}

impl ChunkedDecoder {
    pub(crate) fn new() -> Self {
        Self {
            state: State::START,
            extensions: 0,
            trailers: Trailers::default(),
        }
    }

    /// Looks at the bytes that are not consumed yet. Not to be called after a fault.
    pub(crate) fn decode(&mut self, buf: &[u8]) -> Result<Piece, ChunkFault> {
        let mut at = 0;
        loop {
            match self.state {
                State::Data { remaining } => return Ok(self.data(buf, at, remaining)),
                State::Trailers => {
                    let (consumed, is_end) = self.trailers.read(&buf[at..])?;
                    let consumed = at + consumed;
                    if !is_end {
                        return Ok(Piece::More { consumed });
                    }
                    self.state = State::End;
                    return Ok(Piece::End { consumed });
                }
                State::End => return Ok(Piece::End { consumed: at }),
                state => {
                    let Some(&byte) = buf.get(at) else {
                        return Ok(Piece::More { consumed: at });
                    };
                    self.state = self.step(state, byte)?;
                    at += 1;
                }
            }
        }
    }

    fn data(&mut self, buf: &[u8], start: usize, remaining: u64) -> Piece {
        let there = buf.len() - start;
        let len = usize::try_from(remaining).map_or(there, |remaining| remaining.min(there));
        if len == 0 {
            return Piece::More { consumed: start };
        }
        self.pass(len as u64);
        Piece::Data {
            start,
            end: start + len,
        }
    }

    /// What follows on one byte of framing.
    fn step(&mut self, state: State, byte: u8) -> Result<State, ChunkFault> {
        match (state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == MAX_SIZE_DIGITS {
                    return Err(ChunkFault::Size);
                }
                Ok(State::Size {
                    size: size << 4 | u64::from(hex_digit(byte)),
                    digits: digits + 1,
                })
            }
            (State::Size { digits: 0, .. }, _) => Err(ChunkFault::Size),
            (
                State::Size { size, .. } | State::Blank { size } | State::Extension { size },
                b'\r',
            ) => Ok(State::SizeEnd { size }),
            (_, b'\n') if state.is_in_size_line() => Err(ChunkFault::LineEnd),
            (State::Size { size, .. } | State::Blank { size }, b' ' | b'\t') => {
                self.count_extension()?;
                Ok(State::Blank { size })
            }
            (State::Size { size, .. } | State::Blank { size }, b';') => {
                self.count_extension()?;
                Ok(State::Extension { size })
            }
            (State::Size { .. } | State::Blank { .. }, _) => Err(ChunkFault::Size),
            (State::Extension { .. }, _) => match is_control(byte) {
                true => Err(ChunkFault::Extension),
                false => self.count_extension().map(|()| state),
            },
            (State::SizeEnd { size: 0 }, b'\n') => Ok(State::Trailers),
            (State::SizeEnd { size }, b'\n') => Ok(State::Data { remaining: size }),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::START),
            _ => Err(ChunkFault::LineEnd),
        }
    }

    fn count_extension(&mut self) -> Result<(), ChunkFault> {
        self.extensions += 1;
        match self.extensions > MAX_EXTENSIONS {
            true => Err(ChunkFault::LongExtensions),
            false => Ok(()),
        }
    }

    /// How much data of the current chunk is still to come.
    pub(crate) fn remaining(&self) -> u64 {
        match self.state {
            State::Data { remaining } => remaining,
            _ => 0,
        }
    }

    /// Takes note of `count` bytes of data, at most `remaining`, that went by unseen.
    pub(crate) fn pass(&mut self, count: u64) {
        debug_assert!(count <= self.remaining());
        self.state = match self.remaining().saturating_sub(count) {
            0 => State::DataCr,
            remaining => State::Data { remaining },
        };
    }

    /// The trailer fields that may be passed on, each as `Name: value\r\n`; whole after `End`.
    pub(crate) fn trailers(&self) -> &[u8] {
        self.trailers.kept()
    }
}

impl State {
    fn is_in_size_line(self) -> bool {
        matches!(
            self,
            Self::Size { .. } | Self::Blank { .. } | Self::Extension { .. }
        )
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests;
