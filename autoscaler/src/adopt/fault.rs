//! What keeps a service from being adopted, and what to do about it.

use std::fmt;

use crate::config::fault::{Mistake, shortened};

/// One reason; shown as one line of bounded length, whatever the label holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Which part of the service is at fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A label, and what it says; both shortened.
    Label { name: String, value: String },
    /// A key of the service in Compose's words, and the item below it where there are several.
    Key {
        name: &'static str,
        index: Option<usize>,
    },
    /// The service as a whole.
    Service,
}

impl Place {
    pub(super) fn label(name: &str, value: &str) -> Self {
        Self::Label {
            name: shortened(name),
            value: shortened(value),
        }
    }

    pub(super) fn key(name: &'static str) -> Self {
        Self::Key { name, index: None }
    }

    pub(super) fn item(name: &'static str, index: usize) -> Self {
        let index = Some(index);
        Self::Key { name, index }
    }

    pub(super) fn fault(self, mistake: Mistake) -> Fault {
        let (message, hint) = mistake.into_parts();
        Fault {
            place: self,
            message,
            hint,
        }
    }
}

/// In front of what is wrong there.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label { name, .. } => write!(f, "label {name}: "),
            Self::Key { name, .. } => write!(f, "{name}: "),
            Self::Service => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
