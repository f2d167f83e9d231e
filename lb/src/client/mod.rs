//! One client connection, from accept to close.

mod answer;
pub(crate) mod judge;
mod session;

use std::{
    future::poll_fn,
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

/// What the requests of one connection share. Small, as idle connections are many.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) peer: SocketAddr,
    /// The peer's address as `X-Forwarded-For` has it.
    pub(crate) address: Box<str>,
    pub(crate) port: u16,
    pub(crate) watch: Rc<Watch>,
    _watched: Membership,
    _permit: Permit,
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
    Over,
}

impl Client {
    pub(crate) fn new(worker: &Rc<Worker>, peer: SocketAddr, port: u16, permit: Permit) -> Self {
        let watch = Rc::new(Watch::new(port, Instant::now()));
        Self {
            worker: Rc::clone(worker),
            peer,
            address: peer.ip().to_canonical().to_string().into(),
            port,
            _watched: worker.watches.add(&watch),
            watch,
            _permit: permit,
        }
    }
}

/// Serves `stream` until it is closed, has stood still for too long, or is to retire and its
/// current response is out.
///
/// What serving a request needs lives in a future of its own, which is gone while the
/// connection waits: an idle connection is this frame, its socket and its watch.
pub(crate) async fn serve(mut stream: Stream, client: Client) {
    let client = Rc::new(client);
    let mut is_new = true;
    loop {
        if let Wait::Over = wait(&mut stream, &client).await {
            return;
        }
        // Who comes back so soon will again: the session then waits itself.
        let is_busy = !is_new && !client.watch.is_dormant();
        match Box::pin(session::run(&mut stream, &client, is_busy)).await {
            Next::Idle => is_new = false,
            Next::Close => return,
            Next::Linger => return Box::pin(linger(stream, &client)).await,
            Next::Tunnel(tunnel) => return Box::pin(tunnel::run(*tunnel, stream, &client)).await,
        }
    }
}

/// Waits for bytes without a buffer to put them into.
fn wait<'a>(stream: &'a mut Stream, client: &'a Client) -> impl Future<Output = Wait> + 'a {
    poll_fn(|cx: &mut Context<'_>| {
        if client.watch.is_retiring() || client.watch.poll_expired(cx).is_ready() {
            return Poll::Ready(Wait::Over);
        }
        stream.poll_readable(cx).map(|()| Wait::Readable)
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
