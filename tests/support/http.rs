//! One request over a connection of its own.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

const TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn instance(&self) -> Option<String> {
        Some(self.headers.get("x-instance-id")?.to_str().ok()?.to_owned())
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    send(address, Method::GET, path, "").await
}

/// With `cookie`, as an answer's Set-Cookie field gave it.
pub(crate) async fn get_with_cookie(
    address: SocketAddr,
    path: &str,
    cookie: &str,
) -> Result<Answer, String> {
    let pair = cookie.split(';').next().unwrap_or_default();
    let request = request(address, path).header(header::COOKIE, pair);
    within_timeout(address, request.body(Full::default()).unwrap()).await
}

pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: &str,
) -> Result<Answer, String> {
    let request = request(address, path)
        .method(method)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    within_timeout(address, request).await
}

fn request(address: SocketAddr, path: &str) -> hyper::http::request::Builder {
    Request::builder()
        .uri(path)
        .header(header::HOST, format!("localhost:{}", address.port()))
}

async fn within_timeout(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Answer, String> {
    exchange_within(address, request, TIMEOUT).await
}

/// Sends the request as it is, over a connection of its own.
pub(crate) async fn exchange_within(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
    within: Duration,
) -> Result<Answer, String> {
    timeout(within, exchange(address, request))
        .await
        .map_err(|_| format!("no answer within {within:?}"))?
}

async fn exchange(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("connect: {error}"))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| format!("send: {error:?}"))?;
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| format!("body: {error:?}"))?
        .to_bytes();
    driver.abort();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}
