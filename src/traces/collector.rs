use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use tracing::warn;

use crate::{endpoint::Endpoint, http_client::HttpClient as Client};

/// OpenTelemetry's default for an export.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends batches of spans. The exporter's thread has no runtime: ours does the work.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
}

impl Collector {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.runtime.spawn(send(request)).await?;
        match &sent {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => warn!(status = %answer.status(), "spans are refused by their collector"),
            Err(error) => warn!(%error, "spans cannot be exported"),
        }
        sent
    }
}

async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let authority = request.uri().authority();
    let authority = authority.ok_or("an address without a host")?;
    let port = authority.port_u16().unwrap_or(80);
    let endpoint: Endpoint = format!("{}:{port}", authority.host()).parse()?;
    let answer = Client::new(endpoint).forward(request, TIMEOUT).await?;
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    Ok(response)
}
