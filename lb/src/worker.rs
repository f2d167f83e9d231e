//! A worker thread: one single-threaded runtime, its own sockets, connections and pools.

mod clients;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use rand::rngs::SmallRng;
use tokio::{
    net::TcpListener,
    runtime::LocalOptions,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::clients::Permit;
use crate::{
    access_log::{self, LogSender},
    buffer::Buffers,
    exchange::Pipes,
    gzip::Gzips,
    http1::{HeadLimits, RequestHead, ResponseHead},
    parking::ParkingLot,
    shared::Shared,
    spare::Spare,
    upstream::Pools,
    watch::{self, Alarms, Watches},
};

/// How often idle upstream connections are looked through.
const POOL_SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// A client's head fits, mostly.
const CLIENT_BUFFER: usize = 8 * 1024;
/// A page with its head fits, mostly.
const TARGET_BUFFER: usize = 16 * 1024;
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
    pub(crate) watches: Rc<Watches>,
    pub(crate) alarms: Alarms,
    pub(crate) parking_lot: ParkingLot,
    pub(crate) pipes: Pipes,
    pub(crate) head_limits: HeadLimits,
    pub(crate) client_buffers: Buffers,
    pub(crate) target_buffers: Buffers,
    pub(crate) request_heads: Spare<RequestHead>,
    pub(crate) response_heads: Spare<Box<ResponseHead>>,
    /// Memory for what is written.
    pub(crate) wires: Spare<Vec<u8>>,
    pub(crate) gzips: Gzips,
    pub(crate) rng: RefCell<SmallRng>,
    epoch_seconds: Cell<u32>,
    connections: TaskTracker,
}

/// A port that is being listened on.
struct Listening {
    port: u16,
    worker: Rc<Worker>,
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
        .build_local(LocalOptions::default())?;
    let worker = {
        let _inside = runtime.enter();
        Rc::new(Worker::new(shared, log)?)
    };
    runtime.block_on(async {
        tokio::select! {
            () = Rc::clone(&worker).serve(commands, shutdown) => {}
            () = worker.alarms.run() => {}
            () = worker.parking_lot.run(|parked| worker.resume(parked)) => {}
        }
    });
    Ok(())
}

impl Worker {
    /// # Errors
    /// Descriptors or memory that cannot be had.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(crate) fn new(shared: Arc<Shared>, log: Option<LogSender>) -> io::Result<Self> {
        let limits = &shared.config.limits;
        let pools = Pools::new(&shared.config.timeouts, limits);
        Ok(Self {
            head_limits: HeadLimits {
                head: limits.head,
                fields: limits.headers,
                request_line: limits.request_line,
                field: limits.field,
            },
            parking_lot: ParkingLot::new(&shared.metrics.connections_parked)?,
            shared,
            pools: Rc::new(pools),
            log,
            watches: Rc::default(),
            alarms: Alarms::new(Instant::now()),
            pipes: Pipes::default(),
            client_buffers: Buffers::new(CLIENT_BUFFER),
            target_buffers: Buffers::new(TARGET_BUFFER),
            request_heads: Spare::new(RequestHead::new, |head| {
                head.clear();
                true
            }),
            response_heads: Spare::new(
                || Box::new(ResponseHead::new()),
                |head| {
                    head.clear();
                    true
                },
            ),
            wires: Spare::new(Vec::new, |wire| {
                wire.clear();
                wire.capacity() <= TARGET_BUFFER
            }),
            gzips: Gzips::default(),
            rng: RefCell::new(rand::make_rng()),
            epoch_seconds: Cell::new(epoch_seconds()),
            connections: TaskTracker::new(),
        })
    }

    async fn serve(
        self: Rc<Self>,
        mut commands: mpsc::Receiver<Command>,
        shutdown: CancellationToken,
    ) {
        let listening = RefCell::new(HashMap::new());
        let mut sweep = interval(POOL_SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = interval(watch::SWEEP_INTERVAL);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command, &mut listening.borrow_mut()),
                    None => break,
                },
                _ = sweep.tick() => self.pools.sweep(),
                now = watch.tick() => {
                    self.sweep(now, now.duration_since(last));
                    last = now;
                }
                () = shutdown.cancelled() => break,
            }
        }
        // Dropped: no more is accepted, and connections learn that they should end.
        drop(listening);
        tokio::select! {
            () = self.drain() => {}
            () = self.keep_sweeping() => {}
        }
    }

    pub(crate) async fn keep_sweeping(&self) {
        loop {
            sleep(watch::SWEEP_INTERVAL).await;
            self.sweep(Instant::now(), watch::SWEEP_INTERVAL);
        }
    }

    fn sweep(&self, now: Instant, since_last: Duration) {
        self.epoch_seconds.set(epoch_seconds());
        let timeouts = &self.shared.config.timeouts;
        let routing = self.shared.routing.load();
        let patience = |port| routing.patience(port);
        self.watches.sweep(now, since_last, timeouts, patience);
        self.parking_lot.sweep(now, patience);
    }

    /// The time of day, at most a sweep old.
    pub(crate) fn epoch_seconds(&self) -> u32 {
        self.epoch_seconds.get()
    }

    /// Waits for requests to end, and for tunnels as long as a draining target's may go on.
    async fn drain(&self) {
        self.connections.close();
        let limit = self.shared.config.timeouts.shutdown_drain;
        let ended = timeout(limit, async {
            tokio::select! {
                () = self.connections.wait() => {}
                () = self.end_tunnels() => {}
            }
        });
        if ended.await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                "requests are cut as the shutdown takes too long"
            );
        }
    }

    /// Ends each tunnel when its target group's grace is over, and while there is time left to
    /// part well.
    async fn end_tunnels(&self) {
        let since = Instant::now();
        let timeouts = &self.shared.config.timeouts;
        let most = timeouts.shutdown_drain.saturating_sub(timeouts.linger);
        loop {
            let routing = self.shared.routing.load();
            self.pools.for_each_busy(|pool| {
                let group = routing.groups.get(&pool.target.group.name);
                let grace = group.map_or(Duration::ZERO, |group| group.attributes.upgrade_grace);
                if since.elapsed() >= grace.min(most) {
                    pool.exchanges.end_tunnels();
                }
            });
            drop(routing);
            sleep(watch::SWEEP_INTERVAL).await;
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
        let mut accepts = JoinSet::new();
        for socket in sockets {
            match TcpListener::from_std(socket) {
                Ok(socket) => {
                    accepts.spawn_local(Rc::clone(self).accept(socket, port));
                }
                Err(error) => tracing::error!(port, %error, "a listening socket cannot be used"),
            }
        }
        Listening {
            port,
            worker: Rc::clone(self),
            _accepts: accepts,
        }
    }

    async fn accept(self: Rc<Self>, socket: TcpListener, port: u16) {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer, port),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(port, %error, "cannot accept connections for the moment");
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.worker.retire(self.port);
    }
}

#[cfg(test)]
impl Worker {
    /// One that has no listener and no target.
    pub(crate) fn for_nothing() -> Self {
        let shared = Shared {
            config: crate::config::Config::default(),
            routing: Default::default(),
            metrics: crate::metrics::Metrics::new().unwrap(),
            crowd: Arc::default(),
            failures: Default::default(),
        };
        Self::new(Arc::new(shared), None).unwrap()
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

fn epoch_seconds() -> u32 {
    u32::try_from(access_log::now().as_second()).unwrap_or(0)
}
