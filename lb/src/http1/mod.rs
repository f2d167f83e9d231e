//! HTTP/1.1 on the wire (RFC 9112): bytes to values and values to bytes. Pure.
//!
//! A head is read in place: what is found are [`Span`]s of the caller's buffer. There is one
//! reading of a head or none: what two parsers could read in two ways is a [`Refusal`], or is
//! classified ([`Classification`]) and has a form that only one reading fits when it is
//! written anew from what was parsed.
//!
//! - `request`, `response`: heads; `target`: the request target; `lines`, `fields`: what
//!   both share; `field_name`: the fields that a proxy acts on.
//! - `chunked`, `trailers`: the body's coding, decoded where it lies; `encode`: the other way.
//! - `desync`: ALB's desync mitigation; `refusal`: why a request is refused in any mode.
//!
//! Absent on purpose: multi-line field values, HTTP/0.9, codings other than `chunked`.

mod chunked;
mod desync;
mod encode;
mod field_name;
mod fields;
mod framing;
mod lines;
#[cfg(test)]
mod oracle;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod refusal;
mod request;
mod request_line;
mod response;
#[cfg(test)]
pub(crate) mod samples;
mod span;
mod syntax;
mod target;
mod trailers;

pub(crate) use chunked::{ChunkFault, ChunkedDecoder, Piece};
pub(crate) use desync::{Classification, Mitigation, Reason, mitigate};
pub(crate) use encode::{LAST_CHUNK, put_chunk_head, put_decimal};
pub(crate) use field_name::FieldName;
pub(crate) use fields::{Field, FieldFault};
pub(crate) use lines::HeadLimits;
pub(crate) use refusal::Refusal;
pub(crate) use request::RequestHead;
pub(crate) use request_line::Method;
pub(crate) use response::{ResponseFault, ResponseHead};
pub(crate) use span::Span;
pub(crate) use syntax::{members as list_members, trim_blanks};
pub(crate) use target::TargetForm;

/// The versions that are read; all else is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// How a message's body is framed (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    None,
    Length(u64),
    Chunked,
    /// Responses only: the target's end of the connection ends it.
    UntilClose,
}
