use super::{Classification, FieldFault, Reason};

/// Why a request is refused whatever the mode: there is no single reading of its head, or it
/// is beyond a limit. The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the request line is too long")]
    RequestLineTooLong,
    #[error("the head is too long")]
    HeadTooLong,
    #[error("a field is too long")]
    FieldTooLong,
    #[error("X-Forwarded-For has more than 30 addresses")]
    ManyAddresses,
    #[error("empty lines stand before the request line")]
    EmptyLines,
    #[error("the method is not a token")]
    Method,
    #[error("the request target has a byte that is not allowed")]
    Target,
    #[error("the request target has a blank")]
    BlankInTarget,
    #[error("the request target's form is not allowed")]
    TargetForm,
    #[error("the request target's host is not valid")]
    TargetHost,
    #[error("the request line has no valid version")]
    Version,
    #[error("the minor version is not known")]
    MinorVersion,
    #[error("the major version is not spoken here")]
    MajorVersion,
    #[error("{0}")]
    Field(#[from] FieldFault),
    #[error("no Host field")]
    NoHost,
    #[error("more than one Host field")]
    ManyHosts,
    #[error("the Host field is not valid")]
    Host,
    #[error("Content-Length is not one number")]
    ContentLength,
    #[error("Content-Length has several values")]
    DifferingContentLengths,
    #[error("Transfer-Encoding names `chunked` more than once")]
    ManyChunked,
    #[error("Transfer-Encoding is not one `chunked`")]
    NotChunked,
    #[error("the transfer coding is not implemented")]
    TransferCoding,
    #[error("Transfer-Encoding in HTTP/1.0")]
    TransferEncodingInHttp10,
    #[error("the expectation is not known")]
    Expectation,
}

impl Refusal {
    /// The status that answers it. ALB documents 400 for a head and a field beyond its limits,
    /// 414 for a URL, 463, 501 and 505; 417 and 431 are RFC 9110's and RFC 6585's.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::RequestLineTooLong => 414,
            Self::Expectation => 417,
            Self::Field(FieldFault::Many) => 431,
            Self::ManyAddresses => 463,
            Self::TransferCoding => 501,
            Self::MajorVersion => 505,
            _ => 400,
        }
    }

    /// Severe, as no mode lets it pass, whatever ALB's class of the reason; `None` if it is
    /// a matter of limits or of what we can do, not of framing.
    pub(crate) fn classification(self) -> Option<Classification> {
        self.reason().map(|_| Classification::Severe)
    }

    /// ALB's nearest word.
    pub(crate) fn reason(self) -> Option<Reason> {
        Some(match self {
            Self::Method | Self::EmptyLines => Reason::BadMethod,
            Self::Target | Self::TargetForm | Self::TargetHost => Reason::BadUri,
            Self::BlankInTarget => Reason::SpaceInUri,
            Self::Version => Reason::BadVersion,
            Self::MinorVersion | Self::MajorVersion => Reason::NonCompliantVersion,
            Self::Field(FieldFault::Many | FieldFault::ManyOptions) => return None,
            Self::Field(FieldFault::NoName | FieldFault::Folded) => Reason::EmptyHeader,
            Self::Field(_) | Self::NoHost | Self::ManyHosts | Self::Host => Reason::BadHeader,
            Self::ContentLength => Reason::BadContentLength,
            Self::DifferingContentLengths => Reason::MultipleContentLength,
            Self::ManyChunked => Reason::MultipleTransferEncodingChunked,
            Self::NotChunked | Self::TransferCoding => Reason::BadTransferEncoding,
            Self::TransferEncodingInHttp10 => Reason::UndefinedTransferEncodingSemantics,
            Self::RequestLineTooLong
            | Self::HeadTooLong
            | Self::FieldTooLong
            | Self::ManyAddresses
            | Self::Expectation => return None,
        })
    }
}
