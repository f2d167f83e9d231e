//! Where the autoscaler reads CPU figures: an agent over HTTP, or the one in this process.

use std::time::Duration;

use hyper::{Method, StatusCode};
use minicloud_agent::Agent;
use minicloud_autoscaler::{MetricSource, ScrapeError};

use crate::{endpoint::Endpoint, http_client::HttpClient};

/// The next scrape is due a second later.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) enum AgentSource {
    Http { name: String, client: HttpClient },
    InProcess(Agent),
}

impl AgentSource {
    pub(super) fn at(endpoint: Endpoint) -> Self {
        Self::Http {
            name: endpoint.to_string(),
            client: HttpClient::new(endpoint),
        }
    }
}

impl MetricSource for AgentSource {
    fn name(&self) -> &str {
        match self {
            Self::Http { name, .. } => name,
            Self::InProcess(_) => "in-process",
        }
    }

    async fn scrape(&self) -> Result<String, ScrapeError> {
        match self {
            Self::Http { client, .. } => scrape(client).await,
            Self::InProcess(agent) => {
                agent.sampled().await;
                Ok(agent.metrics_text())
            }
        }
    }
}

async fn scrape(client: &HttpClient) -> Result<String, ScrapeError> {
    let answer = client
        .call(Method::GET, "/metrics", None, TIMEOUT)
        .await
        .map_err(|error| ScrapeError(error.to_string()))?;
    if answer.status != StatusCode::OK {
        return Err(ScrapeError(format!("answered {}", answer.status)));
    }
    String::from_utf8(answer.body.into()).map_err(|error| ScrapeError(error.to_string()))
}
