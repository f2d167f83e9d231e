use std::time::Duration;

use super::{BodyLength, Field, FieldFault, FieldName, HeadLimits, Span, Version};

/// Why a target's response cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResponseFault {
    #[error("the status line is too long")]
    StatusLineTooLong,
    #[error("the head is too long")]
    HeadTooLong,
    #[error("a field is too long")]
    FieldTooLong,
    #[error("there are too many fields")]
    ManyFields,
    #[error("the status line is not valid")]
    StatusLine,
    #[error("{0}")]
    Field(#[from] FieldFault),
    #[error("Content-Length is not one number")]
    ContentLength,
    #[error("Transfer-Encoding is not one `chunked`")]
    TransferEncoding,
}

/// A response's head. Reused as a [`RequestHead`](super::RequestHead) is.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    fields: Vec<Field>,
}

impl ResponseHead {
    pub(crate) fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// As [`RequestHead::parse`](super::RequestHead::parse). Interim responses (1xx) are
    /// parsed one by one.
    pub(crate) fn parse(
        &mut self,
        _buf: &[u8],
        _limits: &HeadLimits,
        _to_head_request: bool,
    ) -> Result<Option<usize>, ResponseFault> {
        todo!()
    }

    /// 100 to 599.
    pub(crate) fn status(&self) -> u16 {
        todo!()
    }

    pub(crate) fn reason(&self) -> Span {
        todo!()
    }

    pub(crate) fn version(&self) -> Version {
        todo!()
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The first field of that name.
    pub(crate) fn get(&self, _name: FieldName) -> Option<&Field> {
        todo!()
    }

    pub(crate) fn count(&self, _name: FieldName) -> usize {
        todo!()
    }

    /// How the body is framed.
    pub(crate) fn body(&self) -> BodyLength {
        todo!()
    }

    /// What Content-Length says; in a response to HEAD and in a 304, of a body that is not sent.
    pub(crate) fn content_length(&self) -> Option<u64> {
        todo!()
    }

    /// Whether the target says that the connection can be used again.
    pub(crate) fn keeps_alive(&self) -> bool {
        todo!()
    }

    /// Readable, but not what a sound server sends: the connection must not be used again.
    pub(crate) fn is_doubtful(&self) -> bool {
        todo!()
    }

    /// How long the target keeps an idle connection, if it says so.
    pub(crate) fn keep_alive_timeout(&self) -> Option<Duration> {
        todo!()
    }

    /// The protocol that a 101 switches to.
    pub(crate) fn upgrade(&self) -> Option<Span> {
        todo!()
    }
}
