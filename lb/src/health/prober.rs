use std::{io, sync::Arc};

use bytes::Bytes;
use futures_util::future::pending;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use minicloud_lb_api::{HealthCheck, HealthCheckProtocol};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{FAST_INTERVAL, Failure, Health, Outcome};
use crate::{target::Target, upstream::dial};

const USER_AGENT: &str = concat!("minicloud-healthchecker/", env!("CARGO_PKG_VERSION"));
/// What is read of an answer's body, so that a target is not reset for saying more than "ok".
const MAX_BODY: usize = 64 * 1024;

/// What a prober says when a target's health has changed.
pub(crate) struct HealthEvent {
    pub(crate) uid: u64,
    pub(crate) health: Health,
}

/// Checks one target for ever: at its pace, at once when the data path met a failure, and at
/// once when the settings change. Ends when nobody listens any more.
pub(crate) async fn run(
    target: Arc<Target>,
    host: String,
    mut settings: watch::Receiver<HealthCheck>,
    events: mpsc::Sender<HealthEvent>,
) {
    let mut health = Health::new(Instant::now());
    loop {
        let check = settings.borrow_and_update().clone();
        let outcome = probe(&target, &host, &check).await;
        let now = Instant::now();
        if outcome == Outcome::Pass {
            target.heard(now);
        }
        if health.observe(outcome, &check, now) {
            let event = HealthEvent {
                uid: target.uid,
                health: health.clone(),
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sleep(health.next_check(&check)) => {}
            // Spaced, so that a storm of failures does not become a storm of checks.
            () = target.probe_wanted() => sleep_until(now + FAST_INTERVAL).await,
            () = changed(&mut settings) => {}
        }
    }
}

async fn changed(settings: &mut watch::Receiver<HealthCheck>) {
    if settings.changed().await.is_err() {
        pending().await
    }
}

/// One check on a connection of its own; the time limit covers all of it, so a frozen target
/// fails too.
async fn probe(target: &Target, host: &str, check: &HealthCheck) -> Outcome {
    let asked = async {
        match check.protocol {
            HealthCheckProtocol::Http => ask(target, host, check.path.clone()).await.map(Some),
            HealthCheckProtocol::Tcp => connect(target).await.map(|()| None),
        }
    };
    match timeout(check.timeout, asked).await {
        Ok(Ok(Some(code))) if !check.matcher.matches(code) => Outcome::Fail(Failure::Code(code)),
        Ok(Ok(_)) => Outcome::Pass,
        Ok(Err(_)) => Outcome::Fail(Failure::Other),
        Err(_) => Outcome::Fail(Failure::Timeout),
    }
}

/// Has a connection to the target, and lets it go.
async fn connect(target: &Target) -> io::Result<()> {
    let stream = dial(&target.endpoint).await?;
    // To a port of this machine where nobody listens, the kernel may give that very port for
    // our own end, and so connect us to ourselves.
    match stream.local_addr()? == stream.peer_addr()? {
        true => Err(io::ErrorKind::ConnectionRefused.into()),
        false => Ok(()),
    }
}

/// GETs `path` and returns the status code.
async fn ask(target: &Target, host: &str, path: String) -> io::Result<u16> {
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let stream = dial(&target.endpoint).await?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    // Dropped on return or timeout, which closes the connection.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    let code = answer.status().as_u16();
    read_out(answer.into_body()).await;
    Ok(code)
}

async fn read_out(body: Incoming) {
    let mut body = Limited::new(body, MAX_BODY);
    while let Some(Ok(_)) = body.frame().await {}
}
