//! One HTTP/1.1 request on one connection, over TCP or a Unix socket, every wait and body
//! bounded. No pool: what asks here asks seldom, and a fresh connection is never stale.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::endpoint::Endpoint;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The metrics of a large node, or a view with thousands of activities, are below it.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    endpoint: Endpoint,
    /// Sent with each request.
    headers: HeaderMap,
}

/// What a request carries.
#[derive(Debug)]
pub(crate) struct Body {
    content_type: &'static str,
    bytes: Bytes,
}

impl Body {
    /// JSON that is written already, to the byte as it is signed.
    pub(crate) fn written_json(bytes: impl Into<Bytes>) -> Self {
        Self {
            content_type: "application/json",
            bytes: bytes.into(),
        }
    }

    pub(crate) fn json(value: &impl serde::Serialize) -> Self {
        let json = serde_json::to_vec(value);
        Self::written_json(json.expect("requests are plain data with text for keys"))
    }

    pub(crate) fn yaml(bytes: Bytes) -> Self {
        Self {
            content_type: "application/yaml",
            bytes,
        }
    }
}

/// An answer read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// An answer whose body is still coming; dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) response: Response<Incoming>,
    _connection: AbortOnDropHandle<()>,
}

impl Exchange {
    /// The connection, once the answer has granted the upgrade that was asked for.
    pub(crate) async fn upgrade(self) -> hyper::Result<TokioIo<Upgraded>> {
        hyper::upgrade::on(self.response).await.map(TokioIo::new)
    }

    /// The body to its end, within [`MAX_ANSWER_BYTES`].
    pub(crate) async fn read(self) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        self.read_up_to(MAX_ANSWER_BYTES).await
    }

    /// The body to its end; a longer one is an error.
    pub(crate) async fn read_up_to(
        self,
        bytes: usize,
    ) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        let body = Limited::new(self.response.into_body(), bytes);
        Ok(body.collect().await?.to_bytes())
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("cannot connect to {endpoint}: {reason}")]
    Connect { endpoint: Endpoint, reason: String },
    /// Neither a connection nor a refusal.
    #[error("cannot connect to {endpoint}: no answer")]
    NoAnswer { endpoint: Endpoint },
    #[error("{endpoint} did not answer within {} s", within.as_secs_f32())]
    Timeout {
        endpoint: Endpoint,
        within: Duration,
    },
    #[error("{endpoint} gave no proper HTTP answer: {reason}")]
    Protocol { endpoint: Endpoint, reason: String },
    #[error("{0} answered more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge(Endpoint),
}

impl HttpClient {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            headers: HeaderMap::new(),
        }
    }

    /// Sends `token` with each request; `None` where a header cannot carry it.
    pub(crate) fn with_token(mut self, token: &str) -> Option<Self> {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        self.headers.insert(header::AUTHORIZATION, value);
        Some(self)
    }

    /// Sends this with each request; `None` where a header cannot carry it.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Option<Self> {
        let value = HeaderValue::try_from(value).ok()?;
        self.headers.insert(HeaderName::from_static(name), value);
        Some(self)
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request, with a body where there is one, and reads the answer whole.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
        within: Duration,
    ) -> Result<Answer, HttpError> {
        let exchange = self.exchange(method, path, body);
        self.within(within, self.answer(exchange)).await
    }

    async fn answer(
        &self,
        exchange: impl Future<Output = Result<Exchange, HttpError>>,
    ) -> Result<Answer, HttpError> {
        let exchange = exchange.await?;
        let status = exchange.response.status();
        let body = exchange.read().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => HttpError::TooLarge(self.endpoint.clone()),
            false => self.protocol(&*error),
        })?;
        Ok(Answer { status, body })
    }

    /// Sends a request; resolves with the head of the answer.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
        within: Duration,
    ) -> Result<Exchange, HttpError> {
        self.within(within, self.exchange(method, path, body)).await
    }

    /// The same, for a caller that has a limit of its own.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Exchange, HttpError> {
        self.exchange(method, path, body).await
    }

    async fn within<T>(
        &self,
        within: Duration,
        work: impl Future<Output = Result<T, HttpError>>,
    ) -> Result<T, HttpError> {
        timeout(within, work).await.unwrap_or_else(|_| {
            Err(HttpError::Timeout {
                endpoint: self.endpoint.clone(),
                within,
            })
        })
    }

    /// Sends a request that somebody else has written, and reads the answer whole.
    #[cfg(feature = "otel")]
    pub(crate) async fn forward(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Answer, HttpError> {
        let (mut head, body) = request.into_parts();
        // The form of a request to a server, not to a proxy: RFC 9112 section 3.2.1.
        let path = head.uri.path_and_query().cloned();
        head.uri = path.map_or_else(Default::default, Into::into);
        let host = HeaderValue::try_from(self.endpoint.authority());
        let host = host.map_err(|error| self.protocol(&error))?;
        head.headers.insert(header::HOST, host);
        let request = Request::from_parts(head, Full::new(body));
        self.within(within, self.answer(self.deliver(request)))
            .await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Exchange, HttpError> {
        self.deliver(self.request(method, path, body)?).await
    }

    async fn deliver(&self, request: Request<Full<Bytes>>) -> Result<Exchange, HttpError> {
        let connect = |reason| HttpError::Connect {
            endpoint: self.endpoint.clone(),
            reason,
        };
        let stream = timeout(CONNECT_TIMEOUT, self.endpoint.connect())
            .await
            .map_err(|_| HttpError::NoAnswer {
                endpoint: self.endpoint.clone(),
            })?
            .map_err(|error| connect(error.to_string()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.protocol(&error))?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async {
            // What went wrong reaches the request, which waits for it.
            drop(connection.with_upgrades().await);
        }));
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| self.protocol(&error))?;
        Ok(Exchange {
            response,
            _connection: connection,
        })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Body>,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.endpoint.authority());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &body {
            request = request.header(header::CONTENT_TYPE, body.content_type);
        }
        let body = Full::new(body.map(|body| body.bytes).unwrap_or_default());
        request.body(body).map_err(|error| self.protocol(&error))
    }

    fn protocol(&self, error: &(dyn std::error::Error + 'static)) -> HttpError {
        let cause = error.source().map(|source| format!(": {source}"));
        HttpError::Protocol {
            endpoint: self.endpoint.clone(),
            reason: format!("{error}{}", cause.unwrap_or_default()),
        }
    }
}

/// `text` as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        match byte {
            // Not the dot: alone or doubled it would be a step in the path.
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'~' => path.push(byte.into()),
            byte => path.push_str(&format!("%{byte:02X}")),
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn answered(answer: &'static [u8]) -> Result<Answer, HttpError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer).await;
        });
        let client = HttpClient::new(endpoint);
        let result = client
            .call(Method::GET, "/", None, Duration::from_secs(5))
            .await;
        server.await.unwrap();
        result
    }

    #[tokio::test]
    async fn answers_come_whole_or_as_an_error() {
        let answer = answered(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        assert_eq!(&*answer.unwrap().body, b"ok");
        for garbage in [
            &b""[..],
            b"\x00\x01\x02",
            b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            let error = answered(garbage).await.unwrap_err();
            assert!(matches!(error, HttpError::Protocol { .. }), "{error}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_a_connect_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
        drop(listener);
        let error = HttpClient::new(endpoint)
            .call(Method::GET, "/", None, Duration::from_secs(5))
            .await
            .unwrap_err();
        assert!(matches!(error, HttpError::Connect { .. }), "{error}");
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        assert_eq!(segment("web-1"), "web-1");
        assert_eq!(segment("../a?b#c d"), "%2E%2E%2Fa%3Fb%23c%20d");
    }
}
