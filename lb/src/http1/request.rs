use super::{
    BodyLength, Classification, Field, FieldName, HeadLimits, Reason, Refusal, Span, TargetForm,
    Version,
};

/// The methods that something here depends on. They are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Connect,
    Trace,
    Other,
}

/// A request's head. Reused for all requests of a connection: it keeps its allocation.
#[derive(Debug)]
pub(crate) struct RequestHead {
    fields: Vec<Field>,
}

impl RequestHead {
    pub(crate) fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// `Ok(None)`: more bytes are needed; the next call's `buf` begins with this one's bytes.
    /// `Ok(Some(len))`: the head is `buf[..len]`. What follows either of `Ok(Some)` and `Err`
    /// is a new head's parsing.
    pub(crate) fn parse(
        &mut self,
        _buf: &[u8],
        _limits: &HeadLimits,
    ) -> Result<Option<usize>, Refusal> {
        todo!()
    }

    pub(crate) fn method(&self) -> Method {
        todo!()
    }

    pub(crate) fn method_span(&self) -> Span {
        todo!()
    }

    /// The request target as it came.
    pub(crate) fn target(&self) -> Span {
        todo!()
    }

    pub(crate) fn target_form(&self) -> TargetForm {
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

    /// How the body is framed: `None`, `Length` or `Chunked`. It alone says so: neither a
    /// Content-Length nor a Transfer-Encoding field is to be copied from `fields`.
    pub(crate) fn body(&self) -> BodyLength {
        todo!()
    }

    /// The worst that was found.
    pub(crate) fn classification(&self) -> Classification {
        todo!()
    }

    /// What that is; `None` if the request is compliant.
    pub(crate) fn reason(&self) -> Option<Reason> {
        todo!()
    }

    /// Whether the client wants to use the connection again, and may: not after both
    /// Content-Length and Transfer-Encoding (RFC 9112 6.1).
    pub(crate) fn keeps_alive(&self) -> bool {
        todo!()
    }

    /// Never true in HTTP/1.0 (RFC 9110 10.1.1). Any other expectation is refused.
    pub(crate) fn expects_continue(&self) -> bool {
        todo!()
    }

    /// Whether TE names `trailers`.
    pub(crate) fn takes_trailers(&self) -> bool {
        todo!()
    }

    /// The one protocol that the client wants to switch to and that may be passed on: from a
    /// GET of HTTP/1.1 without a body, and not h2c, in which the target would speak past us.
    pub(crate) fn upgrade(&self) -> Option<Span> {
        todo!()
    }

    /// The host that is asked for: an absolute target's, else the Host field's. Valid; absent
    /// only in HTTP/1.0.
    pub(crate) fn host(&self) -> Option<Span> {
        todo!()
    }
}
