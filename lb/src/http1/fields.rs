use super::{FieldName, Span};

/// A field line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) id: FieldName,
    pub(crate) name: Span,
    /// Without the blanks around it.
    pub(crate) value: Span,
    /// `Connection` names it, so it ends here (RFC 9110 7.6.1). Never true of Host and
    /// Content-Length: who frames and routes a message cannot hide that.
    pub(crate) is_named_by_connection: bool,
    /// Others may take its name for that of a field which frames the message or which we
    /// write (`Transfer_Encoding`, `X_Forwarded_For`). It must not be forwarded.
    pub(crate) is_suspicious: bool,
}

/// Why a line is no field line, or one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldFault {
    #[error("a field line is folded or begins with a blank")]
    Folded,
    #[error("a field has no name")]
    NoName,
    #[error("a field line has no colon")]
    NoColon,
    #[error("a blank stands before a field's colon")]
    BlankBeforeColon,
    #[error("a field name has a byte that is not allowed")]
    Name,
    #[error("a field value has a control character")]
    Value,
    #[error("Connection has too many options")]
    ManyOptions,
}
