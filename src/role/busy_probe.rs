//! Asks an instance over HTTP whether it may be taken out of service.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use hyper::{Method, StatusCode, header};
use minicloud_autoscaler::{BusyProbe, busy::BusyAnswer};

use crate::http_client::{HttpClient, HttpError};

/// A few words of JSON.
const MAX_ANSWER_BYTES: usize = 4096;

/// A fresh connection for each question: they are few, and an instance closes idle ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpBusyProbe;

impl BusyProbe for HttpBusyProbe {
    fn ask(
        &self,
        address: String,
        path: String,
        timeout: Duration,
    ) -> BoxFuture<'static, BusyAnswer> {
        let asked = async move {
            let within = tokio::time::timeout(timeout, ask(&address, &path, timeout));
            within.await.unwrap_or(BusyAnswer::Unanswered)
        };
        asked.boxed()
    }
}

async fn ask(address: &str, path: &str, timeout: Duration) -> BusyAnswer {
    let Ok(endpoint) = address.parse() else {
        return BusyAnswer::Unanswered;
    };
    let client = HttpClient::new(endpoint);
    let exchange = match client.open(Method::GET, path, None, timeout).await {
        Ok(exchange) => exchange,
        // Nobody listens, so nobody works.
        Err(HttpError::Connect { .. }) => return BusyAnswer::Idle,
        Err(_) => return BusyAnswer::Unanswered,
    };
    let status = exchange.response.status();
    if status != StatusCode::OK {
        return BusyAnswer::of_http(status.as_u16(), None, b"");
    }
    let retry_after = exchange.response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    match exchange.read_up_to(MAX_ANSWER_BYTES).await {
        Ok(body) => BusyAnswer::of_http(status.as_u16(), retry_after.as_deref(), &body),
        Err(_) => BusyAnswer::Unanswered,
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// What is made of `answer`; of none at all where it is `None`.
    async fn made_of(answer: Option<String>, timeout: Duration) -> BusyAnswer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            assert!(head[..read].starts_with(b"GET /busy HTTP/1.1\r\n"));
            match answer {
                Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                None => std::future::pending().await,
            }
        });
        let answer = HttpBusyProbe
            .ask(address, "/busy".to_owned(), timeout)
            .await;
        server.abort();
        answer
    }

    #[tokio::test]
    async fn answers_over_http_are_understood() {
        let lasts = |seconds| BusyAnswer::Busy {
            lasts: Some(Duration::from_secs(seconds)),
        };
        let long = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{}",
            " ".repeat(9999)
        );
        for (answer, expected) in [
            (
                "HTTP/1.1 200 OK\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n",
                lasts(30),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{\"busy\":true,\"for_seconds\":90}\n",
                lasts(90),
            ),
            (
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                BusyAnswer::Idle,
            ),
            ("nonsense\r\n\r\n", BusyAnswer::Unanswered),
            (&long, BusyAnswer::Unanswered),
        ] {
            let found = made_of(Some(answer.to_owned()), LONG).await;
            assert_eq!(found, expected, "{answer:.60}");
        }
    }

    #[tokio::test]
    async fn silence_is_no_answer_and_nobody_is_idle() {
        let silence = made_of(None, Duration::from_millis(100)).await;
        assert_eq!(silence, BusyAnswer::Unanswered);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let nobody = HttpBusyProbe.ask(address, "/busy".to_owned(), LONG).await;
        assert_eq!(nobody, BusyAnswer::Idle);
    }
}
