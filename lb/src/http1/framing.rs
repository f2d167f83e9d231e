use super::syntax::{decimal, members};

/// What Content-Length and Transfer-Encoding say, in however many fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    length: Option<u64>,
    pub(super) has_several_lengths: bool,
    codings: Codings,
}

/// Why they cannot frame a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FramingFault {
    Length,
    DifferingLengths,
}

/// What Transfer-Encoding comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Absent,
    Chunked,
    /// `chunked` more than once.
    ManyChunked,
    /// `chunked` and `identity`, or neither.
    NotChunked,
    Unknown,
}

#[derive(Clone, Copy, Debug, Default)]
struct Codings {
    fields: usize,
    /// Fields that are one `chunked` and nothing else.
    plain: usize,
    chunked: usize,
    has_unknown: bool,
}

impl Framing {
    /// Takes in one number, of a field or of a list in one.
    pub(super) fn add_length(&mut self, value: &[u8]) -> Result<(), FramingFault> {
        let length = decimal(value).ok_or(FramingFault::Length)?;
        match self.length.replace(length) {
            Some(other) if other != length => return Err(FramingFault::DifferingLengths),
            Some(_) => self.has_several_lengths = true,
            None => {}
        }
        Ok(())
    }

    pub(super) fn add_coding(&mut self, value: &[u8]) {
        self.codings.fields += 1;
        self.codings.plain += usize::from(value.eq_ignore_ascii_case(b"chunked"));
        for coding in members(value) {
            if coding.eq_ignore_ascii_case(b"chunked") {
                self.codings.chunked += 1;
            } else if !coding.eq_ignore_ascii_case(b"identity") {
                self.codings.has_unknown = true;
            }
        }
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    pub(super) fn coding(&self) -> Coding {
        match self.codings {
            Codings { fields: 0, .. } => Coding::Absent,
            Codings {
                has_unknown: true, ..
            } => Coding::Unknown,
            Codings {
                fields: 1,
                plain: 1,
                ..
            } => Coding::Chunked,
            Codings { chunked: 2.., .. } => Coding::ManyChunked,
            _ => Coding::NotChunked,
        }
    }
}
