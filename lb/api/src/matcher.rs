use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// HTTP codes that count as a passed health check: single codes and ranges,
/// comma-separated, each within 200 to 499 (ELB's `Matcher.HttpCode`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Matcher(Vec<(u16, u16)>);

#[derive(Debug, PartialEq, Eq)]
pub struct MatcherError(String);

impl Matcher {
    pub fn matches(&self, code: u16) -> bool {
        self.0
            .iter()
            .any(|&(low, high)| (low..=high).contains(&code))
    }
}

impl Default for Matcher {
    fn default() -> Self {
        Self(vec![(200, 200)])
    }
}

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = |part: &str| {
            part.trim()
                .parse::<u16>()
                .ok()
                .filter(|code| (200..=499).contains(code))
                .ok_or_else(|| {
                    MatcherError(format!(
                        "`{part}` is not an HTTP code from 200 to 499; write \"200\", \"200,204\" or \"200-299\""
                    ))
                })
        };
        let ranges = text
            .split(',')
            .map(|part| match part.split_once('-') {
                None => code(part).map(|code| (code, code)),
                Some((low, high)) => match (code(low)?, code(high)?) {
                    (low, high) if low <= high => Ok((low, high)),
                    _ => Err(MatcherError(format!("the range `{part}` runs backwards"))),
                },
            })
            .collect::<Result<_, _>>()?;
        Ok(Self(ranges))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (low, high)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match low == high {
                true => write!(f, "{comma}{low}")?,
                false => write!(f, "{comma}{low}-{high}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Matcher {
    type Error = MatcherError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Matcher> for String {
    fn from(matcher: Matcher) -> Self {
        matcher.to_string()
    }
}

impl fmt::Display for MatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MatcherError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_ranges_match() {
        let matcher: Matcher = "200,204, 301-302".parse().unwrap();
        for code in [200, 204, 301, 302] {
            assert!(matcher.matches(code), "{code}");
        }
        for code in [201, 300, 303, 500] {
            assert!(!matcher.matches(code), "{code}");
        }
        assert_eq!(matcher.to_string(), "200,204,301-302");
    }

    #[test]
    fn bad_matchers_are_refused() {
        for text in ["", "abc", "199", "500", "300-200", "200,,201", "200-"] {
            assert!(text.parse::<Matcher>().is_err(), "{text:?}");
        }
    }
}
