//! What operators and probes may ask: health, metrics, targets. No secrets, no changes.

use std::{collections::BTreeMap, convert::Infallible, io, net::Ipv4Addr, time::Duration};

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

use crate::{
    load_balancer::Handle,
    rule::{members, percent_decoded},
    which_rule::{RequestDescription, which_rule},
};

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

/// Serves these until `shutdown`; faults are `{"error": {"code", "message"}}`:
///
/// ```text
/// GET /healthz
/// GET /metrics                            Prometheus text
/// GET /v1/target-groups/{name}/targets    {"target_health_descriptions": [..]}
/// GET /v1/listeners                       {"listeners": [..]}, with their rules
/// GET /v1/request-failures                {"request_failures": [..]}, newest first
/// GET /v1/which-rule?url=                 the rules that a request would meet; also method=,
///                                         source_ip= and, as often as needed, header=Name: value
/// ```
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
        let uri = request.uri();
        let query = uri.query().unwrap_or_default();
        let response = answer(&lb, request.method(), uri.path(), query);
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

fn answer(lb: &Handle, method: &Method, path: &str, query: &str) -> Response<Full<Bytes>> {
    let Some(resource) = Resource::at(path) else {
        return fault(
            StatusCode::NOT_FOUND,
            "NotFound",
            "there is nothing here; see /healthz, /metrics, /v1/target-groups/{name}/targets, \
             /v1/listeners, /v1/request-failures, /v1/which-rule",
        );
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
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
    match resource {
        Resource::Health => ok(TEXT, "ok\n"),
        Resource::Metrics => ok(PROMETHEUS_TEXT, lb.metrics_text()),
        Resource::Targets(group) => targets(lb, group),
        Resource::Listeners => json(&BTreeMap::from([("listeners", lb.listeners())])),
        Resource::RequestFailures => json(&BTreeMap::from([(
            "request_failures",
            lb.request_failures(),
        )])),
        Resource::WhichRule => evaluate(lb, query),
    }
}

enum Resource<'a> {
    Health,
    Metrics,
    Targets(&'a str),
    Listeners,
    RequestFailures,
    WhichRule,
}

impl<'a> Resource<'a> {
    fn at(path: &'a str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Health,
            "/metrics" => Self::Metrics,
            "/v1/listeners" => Self::Listeners,
            "/v1/request-failures" => Self::RequestFailures,
            "/v1/which-rule" => Self::WhichRule,
            _ => {
                let group = path.strip_prefix("/v1/target-groups/")?;
                Self::Targets(group.strip_suffix("/targets")?)
            }
        })
    }
}

fn evaluate(lb: &Handle, query: &str) -> Response<Full<Bytes>> {
    let invalid = |message: &str| fault(StatusCode::BAD_REQUEST, "ValidationError", message);
    let request = match described(query) {
        Ok(request) => request,
        Err(message) => return invalid(&message),
    };
    match which_rule(&lb.listeners(), &request) {
        Ok(evaluation) => json(&evaluation),
        Err(error) => invalid(&error.to_string()),
    }
}

/// The request that a query describes.
fn described(query: &str) -> Result<RequestDescription, String> {
    let mut request = RequestDescription {
        method: "GET".to_owned(),
        url: String::new(),
        headers: Vec::new(),
        source_ip: Ipv4Addr::LOCALHOST.into(),
    };
    for (key, value) in members(query.as_bytes()) {
        let value = String::from_utf8(percent_decoded(value).collect())
            .map_err(|_| "a value is not UTF-8".to_owned())?;
        match key {
            b"url" => request.url = value,
            b"method" => request.method = value,
            b"source_ip" => {
                let ip = value.parse();
                request.source_ip = ip.map_err(|_| format!("`{value}` is not an IP address"))?;
            }
            b"header" => {
                let header = value.split_once(':');
                let (name, value) = header.ok_or("write header=Name:%20value")?;
                let header = (name.trim().to_owned(), value.trim().to_owned());
                request.headers.push(header);
            }
            _ => return Err("there are url, method, header and source_ip".to_owned()),
        }
    }
    Ok(request)
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
    json(&answer)
}

fn json(body: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(body) {
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
