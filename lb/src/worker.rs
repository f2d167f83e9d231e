//! A worker thread: one single-threaded runtime, its own sockets, connections and pools.

use std::{
    cell::RefCell, collections::HashMap, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration,
};

use bytes::Bytes;
use hyper::header::HeaderValue;
use prometheus::IntGauge;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinSet, LocalSet},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access_log::LogSender,
    connection::{self, Client},
    headers::Forwarded,
    routing::Group,
    shared::Shared,
    stall::StallWatch,
    upstream::Pools,
};

/// How often idle upstream connections are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Pause after a failed accept: descriptors that ran out take a moment to come back.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// What the control task tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    Listen(u16, Vec<std::net::TcpListener>),
    Unlisten(u16),
    /// Targets have begun to drain, were cut or are gone.
    Sweep,
}

/// What all connections of a worker share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pools: Rc<Pools>,
    pub(crate) log: Option<LogSender>,
    connections: TaskTracker,
}

/// One place among the client connections.
pub(crate) struct Permit(IntGauge);

/// A port that is being listened on.
struct Listening {
    /// Tells its connections to finish.
    closing: CancellationToken,
    _accepts: JoinSet<()>,
}

/// Runs a worker on this thread until `shutdown`, then until its requests have ended.
pub(crate) fn run(
    shared: Arc<Shared>,
    log: Option<LogSender>,
    commands: mpsc::Receiver<Command>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let worker = Rc::new(Worker::new(shared, log));
    LocalSet::new().block_on(&runtime, worker.serve(commands, shutdown));
    Ok(())
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, log: Option<LogSender>) -> Self {
        let pools = Pools::new(&shared.config.timeouts, &shared.config.limits);
        Self {
            shared,
            pools: Rc::new(pools),
            log,
            connections: TaskTracker::new(),
        }
    }

    async fn serve(
        self: Rc<Self>,
        mut commands: mpsc::Receiver<Command>,
        shutdown: CancellationToken,
    ) {
        let listening = RefCell::new(HashMap::new());
        let mut sweep = interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command, &mut listening.borrow_mut()),
                    None => break,
                },
                _ = sweep.tick() => self.pools.sweep(),
                () = shutdown.cancelled() => break,
            }
        }
        // Dropped: no more is accepted, and connections learn that they should end.
        drop(listening);
        self.drain().await;
    }

    /// Waits for requests to end. Tunnels go with the worker: they have no end to wait for.
    async fn drain(&self) {
        self.connections.close();
        let limit = self.shared.config.timeouts.shutdown_drain;
        if timeout(limit, self.connections.wait()).await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                "requests are cut as the shutdown takes too long"
            );
        }
    }

    fn obey(self: &Rc<Self>, command: Command, listening: &mut HashMap<u16, Listening>) {
        match command {
            Command::Listen(port, sockets) => {
                let started = self.listen(port, sockets);
                listening.insert(port, started);
            }
            Command::Unlisten(port) => {
                listening.remove(&port);
            }
            Command::Sweep => self.pools.sweep(),
        }
    }

    fn listen(self: &Rc<Self>, port: u16, sockets: Vec<std::net::TcpListener>) -> Listening {
        let closing = CancellationToken::new();
        let mut accepts = JoinSet::new();
        for socket in sockets {
            match TcpListener::from_std(socket) {
                Ok(socket) => {
                    accepts.spawn_local(Rc::clone(self).accept(socket, port, closing.clone()));
                }
                Err(error) => tracing::error!(port, %error, "a listening socket cannot be used"),
            }
        }
        Listening {
            closing,
            _accepts: accepts,
        }
    }

    async fn accept(self: Rc<Self>, socket: TcpListener, port: u16, closing: CancellationToken) {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer, port, &closing),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(port, %error, "cannot accept connections for the moment");
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    fn admit(
        self: &Rc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        port: u16,
        closing: &CancellationToken,
    ) {
        let Some(permit) = self.permit() else {
            self.shared.metrics.connections_rejected.inc();
            return;
        };
        let Ok(local) = stream.set_nodelay(true).and_then(|()| stream.local_addr()) else {
            return;
        };
        let client = Rc::new(self.client(peer, local, port));
        let served = connection::serve(stream, client, permit, closing.clone());
        self.connections.spawn_local(served);
    }

    pub(crate) fn permit(&self) -> Option<Permit> {
        let connections = &self.shared.metrics.connections;
        connections.inc();
        let permit = Permit(connections.clone());
        let limit = i64::try_from(self.shared.config.limits.connections).unwrap_or(i64::MAX);
        (connections.get() <= limit).then_some(permit)
    }

    pub(crate) fn client(
        self: &Rc<Self>,
        peer: SocketAddr,
        local: SocketAddr,
        port: u16,
    ) -> Client {
        Client {
            worker: Rc::clone(self),
            peer,
            port,
            forwarded: Forwarded {
                client: header_value(peer.ip().to_canonical()),
                port: HeaderValue::from(port),
            },
            local: header_value(local),
            stall: Rc::new(StallWatch::new(Instant::now())),
            switch: RefCell::new(None),
        }
    }

    /// The group that a port forwards to, as of now.
    pub(crate) fn group(&self, port: u16) -> Option<Arc<Group>> {
        self.shared.routing.load().group(port).cloned()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Errors that accept(2) hands on from a connection that died in the queue.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

fn header_value(text: impl ToString) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text.to_string()))
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}
