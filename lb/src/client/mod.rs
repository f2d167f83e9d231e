//! One client connection, from accept to close.

mod answer;
pub(crate) mod judge;
mod session;

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::time::Instant;

use crate::{
    stream::Stream,
    tunnel::{self, Tunnel},
    watch::{Membership, Phase, Watch},
    worker::{Permit, Worker},
};

/// What is known of a connection from its accept on, until its end.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) peer: SocketAddr,
    /// The listener's.
    pub(crate) port: u16,
    pub(crate) born: Instant,
    pub(crate) was_parked: bool,
    _permit: Permit,
}

/// What the requests of one connection share, until it is parked.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) peer: SocketAddr,
    /// The peer's address as `X-Forwarded-For` has it.
    pub(crate) address: Box<str>,
    pub(crate) port: u16,
    pub(crate) watch: Rc<Watch>,
    _watched: Membership,
}

/// What becomes of a connection after the requests that were there have been answered.
pub(crate) enum Next {
    /// It waits for another request.
    Idle,
    /// It is over, or cut.
    Close,
    /// The last response is out; the client may still be sending.
    Linger,
    /// It has left HTTP.
    Tunnel(Box<Tunnel>),
}

enum Wait {
    Readable,
    /// It takes long, or is likely to.
    Parks,
    Over,
}

impl Arrival {
    pub(crate) fn new(peer: SocketAddr, port: u16, born: Instant, permit: Permit) -> Self {
        Self {
            peer,
            port,
            born,
            was_parked: false,
            _permit: permit,
        }
    }

    /// The connection is closed as the kernel cannot watch it.
    pub(crate) fn lost(self, error: &io::Error) {
        let Self { peer, port, .. } = self;
        tracing::warn!(port, %peer, %error, "an idle connection is lost");
    }
}

impl Client {
    pub(crate) fn new(worker: &Rc<Worker>, arrival: &Arrival, watch: Watch) -> Self {
        let watch = Rc::new(watch);
        Self {
            worker: Rc::clone(worker),
            peer: arrival.peer,
            address: arrival.peer.ip().to_canonical().to_string().into(),
            port: arrival.port,
            _watched: worker.watches.add(&watch),
            watch,
        }
    }
}

/// Serves `stream` until it is closed, has stood still for too long, or is to retire and its
/// current response is out; or parks it.
///
/// What serving a request needs lives in a future of its own, which is gone while the
/// connection waits. Once it is dormant nothing is left here: it is in the parking lot.
pub(crate) async fn serve(mut stream: Stream, client: Rc<Client>, arrival: Arrival) {
    let mut parks_at_once = false;
    loop {
        match wait(&mut stream, &client, parks_at_once).await {
            Wait::Readable => {}
            Wait::Parks => {
                return client
                    .worker
                    .park(stream, arrival, client.watch.idle_since());
            }
            Wait::Over => return,
        }
        // Who comes back so soon will again: the session then waits itself.
        let is_new = !client.watch.is_used();
        let is_busy = !is_new && !client.watch.is_dormant();
        match Box::pin(session::run(&mut stream, &client, is_busy)).await {
            Next::Idle => {
                // Of many that come at a time most stay silent; who has come back does not.
                let asked_first = is_new && client.watch.is_used() && !arrival.was_parked;
                parks_at_once = asked_first && client.worker.is_crowded();
            }
            Next::Close => return,
            Next::Linger => return Box::pin(linger(stream, &client)).await,
            Next::Tunnel(tunnel) => return Box::pin(tunnel::run(*tunnel, stream, &client)).await,
        }
    }
}

/// Waits for bytes without a buffer to put them into, for a while.
fn wait<'a>(
    stream: &'a mut Stream,
    client: &'a Client,
    parks_at_once: bool,
) -> impl Future<Output = Wait> + 'a {
    let can_park = stream.can_detach();
    poll_fn(move |cx: &mut Context<'_>| {
        if client.watch.is_retiring() || client.watch.poll_expired(cx).is_ready() {
            return Poll::Ready(Wait::Over);
        }
        match stream.poll_readable(cx) {
            Poll::Ready(()) => Poll::Ready(Wait::Readable),
            Poll::Pending if can_park && (parks_at_once || client.watch.is_dormant()) => {
                Poll::Ready(Wait::Parks)
            }
            Poll::Pending => Poll::Pending,
        }
    })
}

/// Ends our side, then takes what the client still sends: closing on unread bytes would
/// reset the connection, and the reset could overtake our last response.
async fn linger(mut stream: Stream, client: &Client) {
    client.watch.enter(Phase::Linger);
    tokio::select! {
        biased;
        _ = poll_fn(|cx| client.watch.poll_expired(cx)) => {}
        () = stream.end() => {}
    }
}

#[cfg(test)]
mod tests;
