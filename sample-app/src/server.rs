use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use crate::{
    Config,
    app::{App, Body},
    lease::{Lease, Phase},
};

/// Connections at a time; further ones wait in the listener's backlog.
const MAX_CONNECTIONS: u32 = 1024;
/// Longer than a balancer keeps an idle connection (60 s), so that it is not we who close
/// one just as a request is put on it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest request head; also what a connection may buffer.
const MAX_BUFFER: usize = 32 * 1024;
/// How long an idle connection may still bring a request that was under way at SIGTERM.
const LINGER: Duration = Duration::from_secs(1);
/// Most time from the shutdown to the return of [`run`].
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which mostly means that descriptors have run out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Serves `listener` until `shutdown` ends, then drains: connections already made are
/// answered and closed, new ones refused; after 10 s what is left is cut.
///
/// Dropping the future cuts everything at once. Needs a tokio runtime with time and I/O.
///
/// # Errors
/// When the listener cannot be handed over for draining; nothing is served then.
pub async fn run(config: Config, listener: TcpListener, shutdown: impl Future) -> io::Result<()> {
    let app = Arc::new(App::new(config));
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
    let (phase, phases) = watch::channel(Phase::Serving);
    let serve = |stream, slot| {
        let lease = Lease::new(slot, phases.clone());
        tokio::spawn(connection(stream, Arc::clone(&app), lease));
    };

    let mut shutdown = pin!(shutdown);
    loop {
        select! {
            biased;
            _ = &mut shutdown => break,
            (stream, slot) = accept(&listener, &slots) => serve(stream, slot),
        }
    }
    phase.send_replace(Phase::Draining);
    accept_backlog(listener, &slots, serve)?;
    drain(&slots, &phase).await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(_) => sleep(ACCEPT_BACKOFF).await,
        }
    }
}

/// Takes in the connections whose clients already believe to be served: closing the
/// listener would reset them.
fn accept_backlog(
    listener: TcpListener,
    slots: &Arc<Semaphore>,
    serve: impl Fn(TcpStream, OwnedSemaphorePermit),
) -> io::Result<()> {
    let listener = listener.into_std()?;
    while let Ok(slot) = Arc::clone(slots).try_acquire_owned()
        && let Ok((stream, _)) = listener.accept()
    {
        stream.set_nonblocking(true)?;
        serve(TcpStream::from_std(stream)?, slot);
    }
    Ok(())
}

async fn drain(slots: &Semaphore, phase: &watch::Sender<Phase>) {
    let drained = || slots.acquire_many(MAX_CONNECTIONS);
    if timeout(LINGER, drained()).await.is_err() {
        phase.send_replace(Phase::Closing);
        let _ = timeout(DRAIN_TIMEOUT - LINGER, drained()).await;
    }
    phase.send_replace(Phase::Cut);
}

async fn connection(stream: TcpStream, app: Arc<App>, lease: Lease) {
    // Answers are small; without this the second on a connection waits for an ACK.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| respond(&app, request, &lease));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // How a connection ended concerns its client only.
    select! {
        _ = connection.as_mut() => return,
        () = lease.reached(Phase::Closing) => connection.as_mut().graceful_shutdown(),
    }
    select! {
        _ = connection => {}
        () = lease.reached(Phase::Cut) => {}
    }
}

async fn respond(
    app: &App,
    request: Request<Incoming>,
    lease: &Lease,
) -> Result<Response<Body>, Infallible> {
    let mut response = app.answer(request, lease).await;
    if lease.is_draining() && !response.status().is_informational() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
