//! Why a request about key pairs is refused, with EC2's codes.

use super::PublicKeyError;

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyPairError {
    #[error("a key pair `{0}` exists already; delete it first, or choose another name")]
    Duplicate(String),
    #[error(
        "`{0}` is not the name of a key pair: use 1 to 255 visible ASCII characters, no blank first or last"
    )]
    MalformedName(String),
    #[error("{0}")]
    Format(#[from] PublicKeyError),
    #[error("there is no key pair `{name}`; known: {known}")]
    NotFound { name: String, known: String },
    #[error("the configuration file has the key pair `{0}`; remove it there")]
    OfFile(String),
    #[error("there are {0} key pairs, the most; delete some")]
    LimitExceeded(usize),
    #[error("the change could not be recorded: {0}")]
    Store(String),
}

impl KeyPairError {
    /// EC2's error code; those of its own that this has no counterpart for are general ones.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Duplicate(_) => "InvalidKeyPair.Duplicate",
            Self::MalformedName(_) => "InvalidParameterValue",
            Self::Format(_) => "InvalidKeyPair.Format",
            Self::NotFound { .. } => "InvalidKeyPair.NotFound",
            Self::OfFile(_) => "OperationNotPermitted",
            Self::LimitExceeded(_) => "KeyPairLimitExceeded",
            Self::Store(_) => "InternalFailure",
        }
    }
}
