use super::Span;

/// The form of a request target (RFC 9112 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetForm {
    /// `query` is without its `?`.
    Origin { path: Span, query: Option<Span> },
    /// `scheme` is `http` or `https`. An empty `path` means `/`.
    Absolute {
        scheme: Span,
        authority: Span,
        path: Span,
        query: Option<Span>,
    },
    /// OPTIONS only.
    Asterisk,
    /// CONNECT only.
    Authority,
}
