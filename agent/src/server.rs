use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::Agent;

/// Scrapers at a time; further ones wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 64;
/// For a request's head, and for an idle connection to bring the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests here have one line and few fields.
const MAX_BUFFER: usize = 16 * 1024;
/// How long a scrape that comes before the first sample waits for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// After this a connection is closed when it is next idle: one that stalls must not hold
/// its place for good.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);
/// How long a closing connection may take to send what is left.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a failed accept, which mostly means that descriptors have run out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// The text format's own media type.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// A bound socket to serve.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Answers `GET /metrics` with the latest sample and `GET /healthz` with whether there is a
/// fresh one (503 if not), until `shutdown` is cancelled; then closes connections as they
/// become idle, within two seconds. Dropping the future cuts them at once.
pub async fn serve(listener: Listener, agent: Agent, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let connection = connection(stream, agent.clone(), shutdown.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a scraper could not be accepted");
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Accepted = (Box<dyn Stream>, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &Listener, slots: &Arc<Semaphore>) -> io::Result<Accepted> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let stream: Box<dyn Stream> = match listener {
        Listener::Tcp(listener) => Box::new(listener.accept().await?.0),
        Listener::Unix(listener) => Box::new(listener.accept().await?.0),
    };
    Ok((stream, slot))
}

async fn connection(stream: Box<dyn Stream>, agent: Agent, shutdown: CancellationToken) {
    let service = service_fn(|request| answer(request, &agent));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // How a connection ended concerns its client only.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => {}
        () = sleep(CONNECTION_LIFETIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(CLOSE_TIMEOUT, connection).await;
}

async fn answer(
    request: Request<Incoming>,
    agent: &Agent,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let known = matches!(request.uri().path(), "/metrics" | "/healthz");
    let readable = matches!(*request.method(), Method::GET | Method::HEAD);
    Ok(match request.uri().path() {
        _ if !known => respond(StatusCode::NOT_FOUND, TEXT, "not found\n"),
        _ if !readable => not_allowed(),
        "/metrics" => match timeout(ANSWER_TIMEOUT, agent.sampled()).await {
            Ok(()) => respond(StatusCode::OK, EXPOSITION, agent.metrics_text()),
            Err(_) => no_sample(),
        },
        _ if agent.is_fresh() => respond(StatusCode::OK, TEXT, "ok\n"),
        _ => no_sample(),
    })
}

fn no_sample() -> Response<Full<Bytes>> {
    respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no fresh sample\n")
}

fn not_allowed() -> Response<Full<Bytes>> {
    let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n");
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn respond(
    status: StatusCode,
    media_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
