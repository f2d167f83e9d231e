//! A client that sends at a constant rate and forgives nothing: GET and POST with a body,
//! each on fresh and on kept connections, a quarter of the requests each.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, client::conn::http1::SendRequest, header};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, timeout},
};
use tokio_util::sync::CancellationToken;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const BODY: &[u8] = &[b'x'; 2048];

pub(crate) struct Traffic {
    stop: CancellationToken,
    tally: Arc<Mutex<Tally>>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: usize,
    pub(crate) failures: Vec<String>,
    /// Requests answered, by instance.
    pub(crate) served: BTreeMap<String, usize>,
}

type Kept = Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>;

impl Traffic {
    pub(crate) fn start(address: SocketAddr, per_second: u32) -> Self {
        let stop = CancellationToken::new();
        let tally = Arc::new(Mutex::new(Tally::default()));
        let task = tokio::spawn(send(address, per_second, stop.clone(), Arc::clone(&tally)));
        Self { stop, tally, task }
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    /// Sends no more, waits for what is out, and says how it went.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.cancel();
        self.task.await.unwrap();
        self.tally.lock().unwrap().clone()
    }
}

impl Tally {
    /// What an instance that is killed may cost: the requests in flight on it, and of those only
    /// such as may not be sent twice.
    #[track_caller]
    pub(crate) fn assert_only_posts_in_flight_failed(&self) {
        let failures = &self.failures;
        let posts = failures
            .iter()
            .filter(|failure| failure.contains("POST"))
            .count();
        assert_eq!(
            posts,
            failures.len(),
            "an idempotent request failed: {failures:#?}"
        );
        assert!(posts <= 10, "{failures:#?}");
    }

    #[track_caller]
    pub(crate) fn assert_none_failed(&self) {
        let shown = &self.failures[..self.failures.len().min(10)];
        assert!(
            shown.is_empty(),
            "{} of {} requests failed, among them {shown:#?}",
            self.failures.len(),
            self.sent
        );
        assert!(self.sent > 0, "nothing was sent");
    }
}

async fn send(
    address: SocketAddr,
    per_second: u32,
    stop: CancellationToken,
    tally: Arc<Mutex<Tally>>,
) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let kept = Kept::default();
    let mut requests = JoinSet::new();
    let start = Instant::now();
    for number in 0_usize.. {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let (kept, tally) = (Arc::clone(&kept), Arc::clone(&tally));
        requests.spawn(async move {
            let outcome = timeout(REQUEST_TIMEOUT, one(address, number, &kept)).await;
            let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            let mut tally = tally.lock().unwrap();
            tally.sent += 1;
            match outcome {
                Ok(instance) => *tally.served.entry(instance).or_default() += 1,
                Err(reason) => {
                    let kind = ["kept GET", "fresh GET", "kept POST", "fresh POST"][number % 4];
                    tally.failures.push(format!(
                        "{:.3} s, {kind}: {reason}",
                        start.elapsed().as_secs_f64()
                    ));
                }
            }
        });
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
}

async fn one(address: SocketAddr, number: usize, kept: &Kept) -> Result<String, String> {
    let (keep, post) = (number.is_multiple_of(2), number % 4 >= 2);
    loop {
        let (mut sender, reused) = match keep.then(|| kept.lock().unwrap().pop()).flatten() {
            // The balancer may close a kept connection between requests: that is its right.
            Some(mut sender) => match sender.ready().await {
                Ok(()) => (sender, true),
                Err(_) => continue,
            },
            None => (connect(address).await?, false),
        };
        let response = match sender
            .try_send_request(request(post, keep, address.port()))
            .await
        {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                // Handed back unsent: the connection was closed before the request left.
                Some(_) if reused => continue,
                _ => return Err(format!("send: {:?}", error.into_error())),
            },
        };
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| format!("body: {error:?}"))?
            .to_bytes();
        if parts.status != StatusCode::OK {
            return Err(format!(
                "{}: {}",
                parts.status,
                String::from_utf8_lossy(&body)
            ));
        }
        if post && body != BODY {
            return Err(format!(
                "the echo has {} bytes of {}",
                body.len(),
                BODY.len()
            ));
        }
        let instance = parts
            .headers
            .get("x-instance-id")
            .and_then(|value| value.to_str().ok());
        if keep && sender.ready().await.is_ok() {
            kept.lock().unwrap().push(sender);
        }
        return instance
            .map(ToOwned::to_owned)
            .ok_or_else(|| "no instance named itself".to_owned());
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("connect: {error}"))?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

fn request(post: bool, keep: bool, port: u16) -> Request<Full<Bytes>> {
    let (method, path, body) = match post {
        true => (Method::POST, "/echo", Bytes::from_static(BODY)),
        false => (Method::GET, "/", Bytes::new()),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, format!("localhost:{port}"));
    if !keep {
        request = request.header(header::CONNECTION, "close");
    }
    request.body(Full::new(body)).unwrap()
}
