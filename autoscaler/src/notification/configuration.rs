use std::{fmt, path::PathBuf, str::FromStr};

use axum::http::Uri;
use serde::{Deserialize, Serialize};

/// Who is told what of a group: `PutNotificationConfiguration` with a webhook for a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotificationConfiguration {
    pub endpoint: WebhookEndpoint,
    /// Holds the secret that signs; read at each delivery, so that it can be rotated.
    pub secret_file: PathBuf,
    /// Never empty.
    pub notification_types: Vec<NotificationType>,
}

/// `AutoScalingNotificationTypes` of botocore's model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotificationType {
    #[serde(rename = "autoscaling:EC2_INSTANCE_LAUNCH")]
    InstanceLaunch,
    #[serde(rename = "autoscaling:EC2_INSTANCE_LAUNCH_ERROR")]
    InstanceLaunchError,
    #[serde(rename = "autoscaling:EC2_INSTANCE_TERMINATE")]
    InstanceTerminate,
    #[serde(rename = "autoscaling:EC2_INSTANCE_TERMINATE_ERROR")]
    InstanceTerminateError,
    /// Once, when an endpoint is new to a group.
    #[serde(rename = "autoscaling:TEST_NOTIFICATION")]
    Test,
}

impl NotificationType {
    pub const ALL: [Self; 5] = [
        Self::InstanceLaunch,
        Self::InstanceLaunchError,
        Self::InstanceTerminate,
        Self::InstanceTerminateError,
        Self::Test,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceLaunch => "autoscaling:EC2_INSTANCE_LAUNCH",
            Self::InstanceLaunchError => "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
            Self::InstanceTerminate => "autoscaling:EC2_INSTANCE_TERMINATE",
            Self::InstanceTerminateError => "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
            Self::Test => "autoscaling:TEST_NOTIFICATION",
        }
    }
}

/// An `http://` URL that notifications are posted to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct WebhookEndpoint {
    /// A name or an IP address, IPv6 in brackets.
    host: String,
    port: u16,
    /// Path and query, with its slash.
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointError {
    pub fault: &'static str,
    pub hint: &'static str,
}

impl WebhookEndpoint {
    /// `host:port`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for WebhookEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        const WRITE: &str = "write one such as http://127.0.0.1:9000/hook";
        let fail = |fault, hint| Err(EndpointError { fault, hint });
        let Ok(uri) = text.parse::<Uri>() else {
            return fail("is not a URL", WRITE);
        };
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return fail(
                    "is https, which minicloud does not speak",
                    "let a relay on this machine send it on, and write that one's http URL",
                );
            }
            _ => return fail("does not begin with http://", WRITE),
        }
        let Some(authority) = uri.authority().filter(|a| !a.as_str().contains('@')) else {
            return fail(
                "has a user in it",
                "the signature says who sends: remove it",
            );
        };
        if text.contains('#') || uri.host().is_none_or(str::is_empty) {
            return fail("has a fragment, or no host", WRITE);
        }
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(80),
            path: match uri.path_and_query().map(|path| path.as_str()) {
                None => "/".to_owned(),
                // A query alone is one of the root.
                Some(query) if query.starts_with('?') => format!("/{query}"),
                Some(path) => path.to_owned(),
            },
        })
    }
}

impl fmt::Display for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

impl From<WebhookEndpoint> for String {
    fn from(endpoint: WebhookEndpoint) -> Self {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_plain_http() {
        for (text, shown) in [
            ("http://127.0.0.1:9000/hook", "http://127.0.0.1:9000/hook"),
            ("http://hooks.local/?a=b", "http://hooks.local:80/?a=b"),
            ("http://[::1]:1", "http://[::1]:1/"),
            ("http://hooks.local?a=b", "http://hooks.local:80/?a=b"),
        ] {
            assert_eq!(text.parse::<WebhookEndpoint>().unwrap().to_string(), shown);
        }
        for (text, fault) in [
            ("https://a/b", "is https, which minicloud does not speak"),
            ("ftp://a/b", "does not begin with http://"),
            ("127.0.0.1:9000", "does not begin with http://"),
            ("/hook", "does not begin with http://"),
            ("http://u:p@a/", "has a user in it"),
            ("http://a/#x", "has a fragment, or no host"),
            ("http://a b/", "is not a URL"),
            ("", "is not a URL"),
        ] {
            assert_eq!(
                text.parse::<WebhookEndpoint>().unwrap_err().fault,
                fault,
                "{text}"
            );
        }
    }
}
