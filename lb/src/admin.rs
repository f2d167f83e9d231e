//! What operators and probes may ask: health, metrics, targets. No secrets, no changes.

use std::{collections::BTreeMap, convert::Infallible, io, time::Duration};

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
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::load_balancer::Handle;

/// Connections at a time: a scraper, a dashboard, a few people.
const MAX_CONNECTIONS: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD: usize = 16 * 1024;
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Where the admin interface listens; bound by the caller.
#[derive(Debug)]
pub enum AdminListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[derive(Serialize)]
struct FaultBody<'a> {
    error: FaultText<'a>,
}

#[derive(Serialize)]
struct FaultText<'a> {
    code: &'a str,
    message: &'a str,
}

/// Serves `GET /healthz`, `/metrics` and `/v1/target-groups/{name}/targets` until `shutdown`.
/// Faults are `{"error": {"code", "message"}}`.
pub async fn serve_admin(listener: AdminListener, lb: Handle, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
            Some(_) = connections.join_next() => continue,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok(stream) => {
                connections.spawn(serve(stream, lb.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the admin interface cannot accept connections for the moment");
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

impl AdminListener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn serve(stream: Box<dyn Stream>, lb: Handle) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(&lb, request.method(), request.uri().path());
        async { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

fn answer(lb: &Handle, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let group = path
        .strip_prefix("/v1/target-groups/")
        .and_then(|rest| rest.strip_suffix("/targets"));
    let is_known = matches!(path, "/healthz" | "/metrics") || group.is_some();
    if is_known && !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = fault(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "only GET is allowed here",
        );
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match (path, group) {
        ("/healthz", _) => ok(TEXT, "ok\n"),
        ("/metrics", _) => ok(PROMETHEUS_TEXT, lb.metrics_text()),
        (_, Some(group)) => targets(lb, group),
        _ => fault(
            StatusCode::NOT_FOUND,
            "NotFound",
            "there is nothing here; see /healthz, /metrics, /v1/target-groups/{name}/targets",
        ),
    }
}

fn targets(lb: &Handle, group: &str) -> Response<Full<Bytes>> {
    if !lb.shared.routing.load().groups.contains_key(group) {
        return fault(
            StatusCode::NOT_FOUND,
            "TargetGroupNotFound",
            &format!("there is no target group `{group}`"),
        );
    }
    let report = lb.report();
    let report = report.borrow();
    let targets: Vec<_> = report
        .targets
        .iter()
        .filter(|target| target.target_group == group)
        .collect();
    // The control API's answer to the same path, so that one client reads both.
    let answer = BTreeMap::from([("target_health_descriptions", targets)]);
    match serde_json::to_vec(&answer) {
        Ok(json) => ok(JSON, json),
        Err(error) => fault(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            &error.to_string(),
        ),
    }
}

fn ok(content_type: HeaderValue, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn fault(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    let body = FaultBody {
        error: FaultText { code, message },
    };
    let mut response = ok(JSON, serde_json::to_vec(&body).unwrap_or_default());
    *response.status_mut() = status;
    response
}
