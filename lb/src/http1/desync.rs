//! ALB's desync mitigation: how far a request is from what every parser reads alike, and what
//! a listener does about it.
//!
//! Words and classes are those of ALB's access log:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#classification-reasons>

use minicloud_lb_api::DesyncMitigationMode;

/// How a request stands to RFC 9112.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Classification {
    #[default]
    Compliant,
    /// Not to the letter, and read alike by all known parsers.
    Acceptable,
    /// Read by some parsers in another way.
    Ambiguous,
    /// Made to be read in two ways.
    Severe,
}

impl Classification {
    /// ALB's word in the field `classification`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Compliant => "Compliant",
            Self::Acceptable => "Acceptable",
            Self::Ambiguous => "Ambiguous",
            Self::Severe => "Severe",
        }
    }
}

/// What made a request less than compliant. Of ALB's reasons AmbiguousUri is absent: a request
/// target with control characters is refused as BadUri.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    BadContentLength,
    BadHeader,
    BadTransferEncoding,
    BadUri,
    BadMethod,
    BadVersion,
    BothTeClPresent,
    DuplicateContentLength,
    EmptyHeader,
    GetHeadZeroContentLength,
    MultipleContentLength,
    MultipleTransferEncodingChunked,
    NonCompliantHeader,
    NonCompliantVersion,
    SpaceInUri,
    SuspiciousHeader,
    SuspiciousTeClPresent,
    UndefinedContentLengthSemantics,
    UndefinedTransferEncodingSemantics,
}

impl Reason {
    /// ALB's word in the field `classification_reason`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BadContentLength => "BadContentLength",
            Self::BadHeader => "BadHeader",
            Self::BadTransferEncoding => "BadTransferEncoding",
            Self::BadUri => "BadUri",
            Self::BadMethod => "BadMethod",
            Self::BadVersion => "BadVersion",
            Self::BothTeClPresent => "BothTeClPresent",
            Self::DuplicateContentLength => "DuplicateContentLength",
            Self::EmptyHeader => "EmptyHeader",
            Self::GetHeadZeroContentLength => "GetHeadZeroContentLength",
            Self::MultipleContentLength => "MultipleContentLength",
            Self::MultipleTransferEncodingChunked => "MultipleTransferEncodingChunked",
            Self::NonCompliantHeader => "NonCompliantHeader",
            Self::NonCompliantVersion => "NonCompliantVersion",
            Self::SpaceInUri => "SpaceInUri",
            Self::SuspiciousHeader => "SuspiciousHeader",
            Self::SuspiciousTeClPresent => "SuspiciousTeClPresent",
            Self::UndefinedContentLengthSemantics => "UndefinedContentLengthSemantics",
            Self::UndefinedTransferEncodingSemantics => "UndefinedTransferEncodingSemantics",
        }
    }

    /// The class that ALB gives it.
    pub(crate) fn classification(self) -> Classification {
        match self {
            Self::GetHeadZeroContentLength
            | Self::NonCompliantHeader
            | Self::NonCompliantVersion
            | Self::SpaceInUri => Classification::Acceptable,
            Self::BothTeClPresent
            | Self::DuplicateContentLength
            | Self::EmptyHeader
            | Self::SuspiciousHeader
            | Self::UndefinedContentLengthSemantics
            | Self::UndefinedTransferEncodingSemantics => Classification::Ambiguous,
            Self::BadContentLength
            | Self::BadHeader
            | Self::BadTransferEncoding
            | Self::BadUri
            | Self::BadMethod
            | Self::BadVersion
            | Self::MultipleContentLength
            | Self::MultipleTransferEncodingChunked
            | Self::SuspiciousTeClPresent => Classification::Severe,
        }
    }
}

/// What a listener does with a classified request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mitigation {
    Forward,
    /// Forwards it, then closes the connections to client and target.
    ForwardAndClose,
    Refuse,
}

/// ALB's table of modes. What is a [`Refusal`](super::Refusal) is refused in each.
pub(crate) fn mitigate(mode: DesyncMitigationMode, class: Classification) -> Mitigation {
    use Classification::{Acceptable, Ambiguous, Compliant, Severe};
    match (mode, class) {
        (_, Compliant) | (DesyncMitigationMode::Monitor, _) => Mitigation::Forward,
        (DesyncMitigationMode::Strictest, _) => Mitigation::Refuse,
        (DesyncMitigationMode::Defensive, Acceptable) => Mitigation::Forward,
        (DesyncMitigationMode::Defensive, Ambiguous) => Mitigation::ForwardAndClose,
        (DesyncMitigationMode::Defensive, Severe) => Mitigation::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::{Classification as Class, DesyncMitigationMode as Mode, Mitigation::*, *};

    #[test]
    fn modes_mitigate_as_albs_do() {
        let classes = [
            Class::Compliant,
            Class::Acceptable,
            Class::Ambiguous,
            Class::Severe,
        ];
        let table = [
            (Mode::Monitor, [Forward, Forward, Forward, Forward]),
            (Mode::Defensive, [Forward, Forward, ForwardAndClose, Refuse]),
            (Mode::Strictest, [Forward, Refuse, Refuse, Refuse]),
        ];
        for (mode, expected) in table {
            assert_eq!(
                classes.map(|class| mitigate(mode, class)),
                expected,
                "{mode:?}"
            );
        }
    }
}
