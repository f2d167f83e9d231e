use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::sleep};

use crate::{Config, burn, landing, lease::Lease, tunnel};

pub(crate) type Body = Either<Full<Bytes>, Incoming>;

/// Longest `ms` that `/work` and `/slow` take.
const MAX_MILLISECONDS: u64 = 60_000;
const TEXT: &str = "text/plain; charset=utf-8";

/// What the answers of one instance are made of.
pub(crate) struct App {
    config: Config,
    instance_id: HeaderValue,
    /// Requests but for those about health, which would drown the rest.
    served: AtomicU64,
    healthy: AtomicBool,
    /// One permit a CPU: more threads would only take turns.
    workers: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(config: Config) -> Self {
        // A Config made by hand may hold what `from_env` refuses.
        let instance_id = HeaderValue::from_str(&config.instance_id)
            .unwrap_or(HeaderValue::from_static("invalid"));
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            config,
            instance_id,
            served: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
            workers: Arc::new(Semaphore::new(cpus)),
        }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>, lease: &Lease) -> Response<Body> {
        let mut response = self.route(request, lease).await;
        response
            .headers_mut()
            .insert("x-instance-id", self.instance_id.clone());
        response
    }

    async fn route(&self, request: Request<Incoming>, lease: &Lease) -> Response<Body> {
        let path = request.uri().path();
        if !path.starts_with("/health") {
            self.served.fetch_add(1, Ordering::Relaxed);
        }
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/") => self.landing(&request),
            (&Method::POST, "/" | "/echo") => echo(request),
            (&Method::GET | &Method::HEAD, "/health") => self.health(),
            (&Method::POST, "/health/fail") => self.set_health(false),
            (&Method::POST, "/health/pass") => self.set_health(true),
            (&Method::GET, "/work") => self.work(&request).await,
            (&Method::GET, "/slow") => slow(&request).await,
            (&Method::GET, "/ws") => upgrade(request, lease),
            (_, path) => refusal(path),
        }
    }

    fn landing(&self, request: &Request<Incoming>) -> Response<Body> {
        let served = self.served.load(Ordering::Relaxed);
        let (page, media_type) = landing::page(&self.config, served, request.headers());
        let mut response = text(StatusCode::OK, page);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    }

    fn health(&self) -> Response<Body> {
        match self.healthy.load(Ordering::Relaxed) {
            true => text(StatusCode::OK, "healthy\n"),
            false => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "failing on purpose: POST /health/pass repairs it\n",
            ),
        }
    }

    fn set_health(&self, healthy: bool) -> Response<Body> {
        self.healthy.store(healthy, Ordering::Relaxed);
        text(
            StatusCode::OK,
            match healthy {
                true => "health checks pass from now on\n",
                false => "health checks fail from now on\n",
            },
        )
    }

    /// Burns CPU on a thread of its own; waits while as many burn as there are CPUs.
    async fn work(&self, request: &Request<Incoming>) -> Response<Body> {
        let Some(amount) = milliseconds(request) else {
            return bad_milliseconds();
        };
        let permit = Arc::clone(&self.workers)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let stop = StopOnDrop::default();
        let stopped = Arc::clone(&stop.0);
        let burned = spawn_blocking(move || {
            burn::for_cpu_time(amount, &stopped);
            drop(permit);
        });
        match burned.await {
            Ok(()) => text(
                StatusCode::OK,
                format!("burned {} ms of CPU\n", amount.as_millis()),
            ),
            // The runtime is shutting down.
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n"),
        }
    }
}

/// Stops a burner whose client no longer waits for it.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Either::Right(body));
    if let Some(media_type) = head.headers.get(CONTENT_TYPE) {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, media_type.clone());
    }
    response
}

async fn slow(request: &Request<Incoming>) -> Response<Body> {
    let Some(amount) = milliseconds(request) else {
        return bad_milliseconds();
    };
    sleep(amount).await;
    text(StatusCode::OK, format!("slept {} ms\n", amount.as_millis()))
}

fn upgrade(request: Request<Incoming>, lease: &Lease) -> Response<Body> {
    let status = match tunnel::is_wanted(&request) {
        true => StatusCode::SWITCHING_PROTOCOLS,
        false => StatusCode::UPGRADE_REQUIRED,
    };
    let mut response = text(status, "");
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static(tunnel::PROTOCOL));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if status == StatusCode::SWITCHING_PROTOCOLS {
        headers.remove(CONTENT_TYPE);
        tunnel::open(request, lease.clone());
    }
    response
}

fn refusal(path: &str) -> Response<Body> {
    let allowed = match path {
        "/" => "GET, HEAD, POST",
        "/health" => "GET, HEAD",
        "/work" | "/slow" | "/ws" => "GET",
        "/echo" | "/health/fail" | "/health/pass" => "POST",
        _ => return text(StatusCode::NOT_FOUND, "not found\n"),
    };
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("use {allowed}\n"));
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn milliseconds(request: &Request<Incoming>) -> Option<Duration> {
    request
        .uri()
        .query()?
        .split('&')
        .find_map(|pair| pair.strip_prefix("ms="))?
        .parse()
        .ok()
        .filter(|amount| *amount <= MAX_MILLISECONDS)
        .map(Duration::from_millis)
}

fn bad_milliseconds() -> Response<Body> {
    text(
        StatusCode::BAD_REQUEST,
        format!("give ms=N, a number from 0 to {MAX_MILLISECONDS}\n"),
    )
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(text.into())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}
