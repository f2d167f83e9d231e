use serde::Deserialize;

/// What an action that was sent has done. A page is told by a code in its address, never by
/// text: nobody can put words there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Notice {
    Scaled,
    Protected,
    Unprotected,
    Draining,
    PutBack,
    Terminated,
    Suspended,
    Refreshing,
    RefreshCancelled,
}

impl Notice {
    /// As it is in an address.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Scaled => "scaled",
            Self::Protected => "protected",
            Self::Unprotected => "unprotected",
            Self::Draining => "draining",
            Self::PutBack => "put_back",
            Self::Terminated => "terminated",
            Self::Suspended => "suspended",
            Self::Refreshing => "refreshing",
            Self::RefreshCancelled => "refresh_cancelled",
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Scaled => "The capacity is set. Activities below tell what follows.",
            Self::Protected => "The instance is protected from scale-in.",
            Self::Unprotected => "The instance is no longer protected from scale-in.",
            Self::Draining => "The instance drains: once nothing is in flight it stands by.",
            Self::PutBack => "The instance is being put back into service.",
            Self::Suspended => "Processes are suspended and resumed as asked.",
            Self::Refreshing => "The refresh has begun. Activities below tell how it goes.",
            Self::RefreshCancelled => "The refresh begins nothing more.",
            Self::Terminated => {
                "The instance is being terminated: it finishes what it has in flight first."
            }
        }
    }
}
