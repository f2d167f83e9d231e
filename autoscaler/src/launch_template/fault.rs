//! Why a request about launch templates is refused, with EC2's codes.

use super::VersionSelector;

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LaunchTemplateError {
    #[error("a launch template `{0}` exists already; add a version to it, or choose another name")]
    AlreadyExists(String),
    #[error(
        "`{0}` is not the name of a launch template: use 3 to 128 letters, digits, ( ) . - / and _"
    )]
    MalformedName(String),
    #[error("there is no launch template `{name}`; known: {known}")]
    NotFound { name: String, known: String },
    #[error("launch template `{name}` has no version {version}; its versions are {known}")]
    VersionNotFound {
        name: String,
        version: VersionSelector,
        known: String,
    },
    /// A version that the API made outlives the groups of the configuration.
    #[error(
        "version {version} of launch template `{name}` names the security group \
         `{security_group}`, which the configuration does not have"
    )]
    SecurityGroupNotFound {
        name: String,
        version: u64,
        security_group: String,
    },
    #[error("{0}")]
    InvalidData(String),
    #[error(
        "version {version} of `{name}` is its default and cannot be deleted; make another the \
         default first"
    )]
    DefaultVersion { name: String, version: u64 },
    #[error("launch template `{name}` is in use by {user}; {remedy}")]
    InUse {
        name: String,
        user: String,
        remedy: &'static str,
    },
    #[error("{0}")]
    LimitExceeded(String),
    #[error("the change could not be recorded: {0}")]
    Store(String),
}

impl LaunchTemplateError {
    /// EC2's error code; those of its own that this has no counterpart for are Auto Scaling's.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyExists(_) => "InvalidLaunchTemplateName.AlreadyExistsException",
            Self::MalformedName(_) => "InvalidLaunchTemplateName.MalformedException",
            Self::NotFound { name, .. } if name.starts_with("lt-") => {
                "InvalidLaunchTemplateId.NotFound"
            }
            Self::NotFound { .. } => "InvalidLaunchTemplateName.NotFoundException",
            Self::VersionNotFound { .. } => "InvalidLaunchTemplateId.VersionNotFound",
            Self::SecurityGroupNotFound { .. } => "InvalidGroup.NotFound",
            Self::InvalidData(_) => "ValidationError",
            Self::DefaultVersion { .. } => "OperationNotPermitted",
            Self::InUse { .. } => "ResourceInUse",
            Self::LimitExceeded(_) => "VersionLimitExceeded",
            Self::Store(_) => "InternalFailure",
        }
    }
}
