//! Which version of which template.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a group says of its launch template: EC2 Auto Scaling's `LaunchTemplateSpecification`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LaunchTemplateReference {
    pub name: String,
    pub version: VersionSelector,
}

/// `$Latest`, `$Default` or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum VersionSelector {
    #[default]
    Latest,
    Default,
    Number(u64),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("is no version of a launch template: write $Latest, $Default or a number from 1")]
pub struct VersionSelectorError;

impl fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$Latest"),
            Self::Default => f.write_str("$Default"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for VersionSelector {
    type Err = VersionSelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "$Latest" => Ok(Self::Latest),
            "$Default" => Ok(Self::Default),
            number => number
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .map(Self::Number)
                .ok_or(VersionSelectorError),
        }
    }
}

impl TryFrom<String> for VersionSelector {
    type Error = VersionSelectorError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<VersionSelector> for String {
    fn from(selector: VersionSelector) -> Self {
        selector.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_they_are_written() {
        for text in ["$Latest", "$Default", "1", "10000"] {
            assert_eq!(text.parse::<VersionSelector>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "$latest", "latest", "1.5"] {
            assert!(text.parse::<VersionSelector>().is_err(), "{text}");
        }
    }
}
