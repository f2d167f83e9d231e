//! Conditions and actions in a few words, as logs, tables and pages have them.

use std::fmt;

use crate::{Action, Condition, Patterns, QueryStringKeyValuePair};

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(forward) => {
                f.write_str("forward to ")?;
                let alone = forward.target_groups.len() == 1;
                for (index, tuple) in forward.target_groups.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{}", tuple.target_group)?;
                    if !alone {
                        write!(f, " ({})", tuple.weight)?;
                    }
                }
                Ok(())
            }
            Self::Redirect(redirect) => write!(
                f,
                "redirect {} to {}://{}:{}{}?{}",
                redirect.status_code,
                redirect.protocol,
                redirect.host,
                redirect.port,
                redirect.path,
                redirect.query
            ),
            Self::FixedResponse(response) => {
                write!(f, "fixed response {}", response.status_code)
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostHeader(patterns) => write!(f, "host is {patterns}"),
            Self::PathPattern(patterns) => write!(f, "path is {patterns}"),
            Self::HttpHeader {
                http_header_name,
                patterns,
            } => write!(f, "{http_header_name} is {patterns}"),
            Self::HttpRequestMethod(methods) => write!(f, "method is {}", methods.join(" or ")),
            Self::QueryString(pairs) => {
                let pairs: Vec<String> = pairs.iter().map(ToString::to_string).collect();
                write!(f, "query has {}", pairs.join(" or "))
            }
            Self::SourceIp(networks) => {
                let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
                write!(f, "client is of {}", networks.join(" or "))
            }
        }
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.iter().cloned();
        let regexes = self.regex_values.iter().map(|regex| format!("~{regex}"));
        f.write_str(&values.chain(regexes).collect::<Vec<_>>().join(" or "))
    }
}

impl fmt::Display for QueryStringKeyValuePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key}={}", self.value),
            None => f.write_str(&self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_aloud() {
        for (condition, text) in [
            (
                serde_json::json!({ "path_pattern": { "values": ["/cart*", "/pay"] } }),
                "path is /cart* or /pay",
            ),
            (
                serde_json::json!({ "host_header": { "regex_values": ["a.+"] } }),
                "host is ~a.+",
            ),
            (
                serde_json::json!({ "http_header": { "http_header_name": "X-Beta", "values": ["1"] } }),
                "X-Beta is 1",
            ),
            (
                serde_json::json!({ "query_string": [{ "key": "v", "value": "2" }, { "value": "x" }] }),
                "query has v=2 or x",
            ),
            (
                serde_json::json!({ "source_ip": ["10.0.0.0/8"] }),
                "client is of 10.0.0.0/8",
            ),
        ] {
            let condition: Condition = serde_json::from_value(condition).unwrap();
            assert_eq!(condition.to_string(), text);
        }
    }
}
