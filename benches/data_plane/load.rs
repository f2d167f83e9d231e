//! The load on one proxy: closed loops for saturation, a fixed rate for latency.

use std::{
    cell::RefCell, fmt, io, net::SocketAddr, num::NonZeroUsize, rc::Rc, thread::JoinHandle,
    time::Duration,
};

use tokio::{task::LocalSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{client::Connection, options::Size, pace::Pace};

/// How clients ask, each on a connection of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Again as soon as the answer is there.
    Saturation { connections: usize },
    /// At times that no answer moves; latency counts from the time at which a request was due.
    Rate { connections: u32, per_second: u32 },
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) done: Instant,
    pub(crate) took: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) samples: Vec<Sample>,
    pub(crate) failures: Vec<io::Error>,
}

/// Clients at work.
pub(crate) struct Running {
    stop: CancellationToken,
    threads: Vec<JoinHandle<Outcome>>,
}

/// What a thread of clients shares.
#[derive(Clone)]
struct Clients {
    address: SocketAddr,
    size: Size,
    outcome: Rc<RefCell<Outcome>>,
}

impl Load {
    pub(crate) fn saturation(size: Size) -> Self {
        let connections = if size == Size::Mib1 { 16 } else { 64 };
        Self::Saturation { connections }
    }

    pub(crate) fn rate(size: Size) -> Self {
        let (connections, per_second) = if size == Size::Mib1 {
            (8, 200)
        } else {
            (32, 2000)
        };
        Self::Rate {
            connections,
            per_second,
        }
    }

    /// Saturating more workers takes more clients' threads, if there are cores for them.
    pub(crate) fn start(self, address: SocketAddr, size: Size, workers: NonZeroUsize) -> Running {
        let threads = match self {
            Self::Saturation { .. } => workers.get().min(cores() / 2).max(1),
            Self::Rate { .. } => 1,
        };
        let stop = CancellationToken::new();
        let spawn = |thread| {
            let stop = stop.clone();
            std::thread::spawn(move || drive(self, address, size, (thread, threads), &stop))
        };
        Running {
            threads: (0..threads).map(spawn).collect(),
            stop,
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saturation { connections } => {
                write!(f, "saturation over {connections} connections")
            }
            Self::Rate {
                connections,
                per_second,
            } => write!(f, "{per_second} requests/s over {connections} connections"),
        }
    }
}

impl Running {
    pub(crate) fn stop(self) -> Outcome {
        self.stop.cancel();
        let mut all = Outcome::default();
        for thread in self.threads {
            let outcome = thread.join().unwrap();
            all.samples.extend(outcome.samples);
            all.failures.extend(outcome.failures);
        }
        all
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Runs the `thread`th of `threads` equal parts of the load until `stop`.
#[tokio::main(flavor = "current_thread")]
async fn drive(
    load: Load,
    address: SocketAddr,
    size: Size,
    (thread, threads): (usize, usize),
    stop: &CancellationToken,
) -> Outcome {
    let clients = Clients {
        address,
        size,
        outcome: Rc::default(),
    };
    let tasks = LocalSet::new();
    match load {
        Load::Saturation { connections } => {
            for _ in (thread..connections).step_by(threads) {
                tasks.spawn_local(clients.clone().saturate());
            }
        }
        Load::Rate {
            connections,
            per_second,
        } => {
            let (start, every) = (Instant::now(), Duration::from_secs(1) / per_second);
            for number in 0..connections {
                let first = start + every * number;
                tasks.spawn_local(clients.clone().keep_pace(first, every * connections));
            }
        }
    }
    tasks.run_until(stop.cancelled()).await;
    drop(tasks);
    clients.outcome.take()
}

impl Clients {
    async fn saturate(self) {
        let mut connection = None;
        loop {
            let start = Instant::now();
            self.exchange(&mut connection, start).await;
        }
    }

    async fn keep_pace(self, mut due: Instant, every: Duration) {
        let pace = Pace::new().unwrap();
        let mut connection = None;
        loop {
            pace.until(due).await.unwrap();
            self.exchange(&mut connection, due).await;
            due += every;
        }
    }

    async fn exchange(&self, connection: &mut Option<Connection>, start: Instant) {
        match self.try_exchange(connection).await {
            Ok(()) => {
                let done = Instant::now();
                let took = done - start;
                self.outcome
                    .borrow_mut()
                    .samples
                    .push(Sample { done, took });
            }
            Err(error) => {
                *connection = None;
                self.outcome.borrow_mut().failures.push(error);
                // A proxy that refuses everyone is not asked in a tight loop.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    async fn try_exchange(&self, connection: &mut Option<Connection>) -> io::Result<()> {
        if connection.is_none() {
            *connection = Some(Connection::open(self.address, self.size).await?);
        }
        let open = connection.as_mut().expect("it was just opened");
        open.exchange().await
    }
}
