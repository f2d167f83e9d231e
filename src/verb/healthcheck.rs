use std::time::Duration;

use hyper::{Method, StatusCode};

use crate::{cli::HealthcheckArgs, failure::Failure, http_client::HttpClient};

/// Below the second that a container healthcheck usually has, start of the process included.
const TIMEOUT: Duration = Duration::from_millis(800);

/// Asks for `/readyz`, and of a part that is always ready once it lives, for `/healthz`.
pub(crate) async fn run(args: HealthcheckArgs) -> Result<(), Failure> {
    let client = HttpClient::new(args.endpoint);
    let mut status = StatusCode::NOT_FOUND;
    for path in ["/readyz", "/healthz"] {
        let answer = client.call(Method::GET, path, None, TIMEOUT).await;
        let answer = answer.map_err(|error| Failure::health_unknown(client.endpoint(), &error))?;
        status = answer.status;
        if status != StatusCode::NOT_FOUND {
            break;
        }
    }
    match status.is_success() {
        true => Ok(()),
        false => Err(Failure::not_ready(client.endpoint(), status)),
    }
}
