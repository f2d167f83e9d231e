//! Reads customized metrics over HTTP: a request, a connection, an answer of bounded length.

use std::{pin::Pin, time::Duration};

use hyper::{Method, StatusCode, Uri};
use minicloud_autoscaler::customized_metric::{FetchError, MetricFetcher};

use crate::{endpoint::Endpoint, http_client::HttpClient};

/// The reader gives up before; this ends what it has left behind.
const TIMEOUT: Duration = Duration::from_secs(5);
const HTTP_PORT: u16 = 80;

#[derive(Clone, Copy, Debug)]
pub(super) struct HttpFetcher;

impl MetricFetcher for HttpFetcher {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, FetchError>> + Send + 'a>> {
        Box::pin(async move { fetch(url).await.map_err(FetchError) })
    }
}

async fn fetch(url: &str) -> Result<String, String> {
    let (endpoint, path) = locate(url)?;
    let answer = HttpClient::new(endpoint)
        .call(Method::GET, &path, None, TIMEOUT)
        .await
        .map_err(|error| error.to_string())?;
    // Prometheus says what is wrong with a query in the body of a 4xx.
    let is_query_fault = answer.status.is_client_error() && answer.body.starts_with(b"{");
    if answer.status != StatusCode::OK && !is_query_fault {
        return Err(format!("answered {}", answer.status));
    }
    String::from_utf8(answer.body.into()).map_err(|_| "the answer is not text".to_owned())
}

fn locate(url: &str) -> Result<(Endpoint, String), String> {
    let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
    let host = uri.host().ok_or("the address has no host")?;
    let port = uri.port_u16().unwrap_or(HTTP_PORT);
    let endpoint = format!("{host}:{port}").parse::<Endpoint>();
    let endpoint = endpoint.map_err(|error| error.to_string())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok((endpoint, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (url, endpoint, path) in [
            (
                "http://127.0.0.1:9100/metrics",
                "http://127.0.0.1:9100",
                "/metrics",
            ),
            ("http://prometheus", "http://prometheus:80", "/"),
            (
                "http://[::1]:9090/api/v1/query?query=up",
                "http://[::1]:9090",
                "/api/v1/query?query=up",
            ),
        ] {
            let (found, rest) = locate(url).unwrap();
            assert_eq!(
                (found.to_string().as_str(), rest.as_str()),
                (endpoint, path)
            );
        }
    }

    async fn fetched(answer: &'static [u8]) -> Result<String, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer).await;
        });
        let result = fetch(&url).await;
        server.await.unwrap();
        result
    }

    #[tokio::test]
    async fn what_is_no_success_is_a_fault() {
        let ok = fetched(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nup 1").await;
        assert_eq!(ok.as_deref(), Ok("up 1"));
        let moved = fetched(
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
        assert_eq!(moved.unwrap_err(), "answered 302 Found");
        let query =
            fetched(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 15\r\n\r\n{\"error\": \"no\"}")
                .await;
        assert_eq!(query.as_deref(), Ok("{\"error\": \"no\"}"));
    }
}
