use hyper::Method;
use minicloud_autoscaler::notification::{
    WebhookClient, WebhookError, WebhookFuture, WebhookRequest,
};

use crate::{
    endpoint::Endpoint,
    http_client::{Body, HttpClient},
};

/// Posts notifications, each on a connection of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpWebhooks;

impl WebhookClient for HttpWebhooks {
    fn post(&self, request: WebhookRequest) -> WebhookFuture {
        Box::pin(post(request))
    }
}

async fn post(request: WebhookRequest) -> Result<u16, WebhookError> {
    let endpoint: Endpoint = request
        .endpoint
        .authority()
        .parse()
        .map_err(|error| WebhookError(format!("{error}")))?;
    let mut client = HttpClient::new(endpoint);
    for (name, value) in &request.headers {
        client = client
            .with_header(name, value)
            .ok_or_else(|| WebhookError(format!("{name} fits no header")))?;
    }
    // What it says besides its status is not read: closing the connection ends it.
    let path = request.endpoint.path();
    let exchange = client
        .send(Method::POST, path, Some(Body::written_json(request.body)))
        .await
        .map_err(|error| WebhookError(error.to_string()))?;
    Ok(exchange.response.status().as_u16())
}
