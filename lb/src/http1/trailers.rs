//! The trailer section of a chunked body (RFC 9112 7.1.2).

use memchr::memchr;

use super::{FieldName, chunked::ChunkFault, fields::FieldLine};

const MAX_TRAILERS: usize = 16 << 10;

/// Fields besides those of [`FieldName`] that say how to route, authenticate, read or answer
/// a message, which they cannot when it is over (RFC 9110 6.5.1).
const NOT_IN_TRAILERS: &[&str] = &[
    "accept",
    "age",
    "allow",
    "authorization",
    "content-disposition",
    "content-language",
    "content-location",
    "content-range",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "strict-transport-security",
    "via",
    "warning",
    "www-authenticate",
    "x-real-ip",
];

#[derive(Debug, Default)]
pub(super) struct Trailers {
    /// Of all lines, those dropped included.
    length: usize,
    /// What has come of the current line.
    line: Vec<u8>,
    kept: Vec<u8>,
}

impl Trailers {
    /// Takes in what `buf` has of the section: how many bytes that are, and whether they end it.
    pub(super) fn read(&mut self, buf: &[u8]) -> Result<(usize, bool), ChunkFault> {
        let mut consumed = 0;
        while let Some(newline) = memchr(b'\n', &buf[consumed..]) {
            self.extend(&buf[consumed..consumed + newline])?;
            consumed += newline + 1;
            if self.end_line()? {
                return Ok((consumed, true));
            }
        }
        self.extend(&buf[consumed..])?;
        Ok((buf.len(), false))
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), ChunkFault> {
        self.length += part.len();
        if self.length > MAX_TRAILERS {
            return Err(ChunkFault::LongTrailers);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    /// Whether the line that ends is the last.
    fn end_line(&mut self) -> Result<bool, ChunkFault> {
        let line = self.line.strip_suffix(b"\r").ok_or(ChunkFault::LineEnd)?;
        if line.is_empty() {
            return Ok(true);
        }
        let parts = FieldLine::parse(line).map_err(ChunkFault::Trailer)?;
        let name = &line[..parts.name_end];
        if may_trail(name) {
            self.kept.extend_from_slice(name);
            self.kept.extend_from_slice(b": ");
            self.kept
                .extend_from_slice(&line[parts.value_start..parts.value_end]);
            self.kept.extend_from_slice(b"\r\n");
        }
        self.line.clear();
        Ok(false)
    }

    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }
}

fn may_trail(name: &[u8]) -> bool {
    let is_it = |other: &&str| name.eq_ignore_ascii_case(other.as_bytes());
    match FieldName::of(name) {
        FieldName::Etag => true,
        FieldName::Other => {
            FieldName::look_alike(name).is_none() && !NOT_IN_TRAILERS.iter().any(is_it)
        }
        _ => false,
    }
}
