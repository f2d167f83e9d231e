use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use tokio::{io::ReadBuf, time::Instant};

use super::{ConnectError, Upstream, dial_within};
use crate::{
    config::{Limits, Timeouts},
    target::Target,
    watch::Watches,
};

/// How fast trust in a target's patience comes back, each sweep that finds nothing closed.
const RECOVERY: f64 = 1.02;
/// What is believed at the least of a target that closes idle connections.
const SHORTEST_IDLE: Duration = Duration::from_millis(10);
/// An idle connection that has lasted for less proves nothing.
const SHORTEST_PROOF: Duration = Duration::from_millis(100);

/// One worker's connections to all targets.
#[derive(Debug)]
pub(crate) struct Pools {
    /// Few, mostly: a number is found sooner than hashed.
    targets: RefCell<BTreeMap<u64, Rc<Pool>>>,
    connect: Duration,
    pool_idle: Duration,
    unsafe_reuse: Duration,
    max_idle: usize,
}

/// One worker's connections to one target.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) target: Arc<Target>,
    /// Newest last: the one least likely to be closed at the other end is taken first.
    idle: RefCell<Vec<Upstream>>,
    /// The shortest age at which the target was found to have closed an idle connection
    /// without having said that it would; grows again while it does not.
    learned_idle: Cell<Option<Duration>>,
    /// The longest age at which an idle connection was found open.
    proven_idle: Cell<Duration>,
    /// The client connections whose requests, or tunnels, are at the target.
    pub(crate) exchanges: Rc<Watches>,
}

/// Which pooled connections a request may ride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any: should it prove stale, the request is sent again.
    Any,
    /// Only one used a moment ago, of a target that was never seen to close idle ones and
    /// has kept some open for longer than that: the request cannot be sent twice.
    Recent,
    /// None: a pooled one has just failed.
    Never,
}

impl Pools {
    pub(crate) fn new(timeouts: &Timeouts, limits: &Limits) -> Self {
        Self {
            targets: RefCell::default(),
            connect: timeouts.connect,
            pool_idle: timeouts.pool_idle,
            unsafe_reuse: timeouts.unsafe_reuse,
            max_idle: limits.pool,
        }
    }

    pub(crate) fn of(&self, target: &Arc<Target>) -> Rc<Pool> {
        let mut targets = self.targets.borrow_mut();
        let pool = targets
            .entry(target.uid)
            .or_insert_with(|| Rc::new(Pool::new(target)));
        Rc::clone(pool)
    }

    /// An idle connection that a request may ride, if there is one.
    pub(crate) fn take_idle(&self, pool: &Pool, reuse: Reuse, now: Instant) -> Option<Upstream> {
        if reuse == Reuse::Never || pool.idle.borrow().is_empty() {
            return None;
        }
        if reuse == Reuse::Recent {
            pool.prove(now);
        }
        let learned = pool.learned_idle.get();
        if reuse == Reuse::Recent && learned.is_some() {
            return None;
        }
        let mut idle = pool.idle.borrow_mut();
        while let Some(mut newest) = idle.pop() {
            let age = now.duration_since(newest.idle_since);
            if is_closed(&mut newest) {
                pool.learn(age, &newest);
                continue;
            }
            if age >= self.patience(&newest, learned) {
                continue;
            }
            if reuse == Reuse::Recent && age >= self.unsafe_reuse.min(pool.trust(&newest)) {
                idle.push(newest);
                return None;
            }
            newest.is_reused = true;
            return Some(newest);
        }
        None
    }

    /// A fresh connection.
    pub(crate) async fn connect(&self, pool: &Pool) -> Result<Upstream, ConnectError> {
        let stream = dial_within(&pool.target.endpoint, self.connect).await?;
        Ok(Upstream::new(stream))
    }

    /// Keeps a connection whose exchange has ended cleanly for the next request.
    pub(crate) fn put(&self, pool: &Pool, mut upstream: Upstream) {
        let mut idle = pool.idle.borrow_mut();
        if pool.target.is_draining() || idle.len() >= self.max_idle {
            return;
        }
        upstream.idle_since = Instant::now();
        idle.push(upstream);
    }

    /// How long an idle connection is good for: 80 % of what the target grants or was seen to
    /// grant, so that we leave before it does.
    fn patience(&self, upstream: &Upstream, learned: Option<Duration>) -> Duration {
        let known = upstream.keep_alive.into_iter().chain(learned).min();
        known.map_or(self.pool_idle, |known| {
            known.mul_f64(0.8).min(self.pool_idle)
        })
    }

    /// Closes what has idled out or belongs to a target that drains or is gone.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.targets.borrow_mut().retain(|_, pool| {
            pool.sweep(now, self);
            // A lease may still bring a connection.
            let is_held = Rc::strong_count(pool) > 1;
            is_held || !pool.target.is_draining()
        });
    }

    /// Looks at each target that has requests in flight here.
    pub(crate) fn for_each_busy(&self, mut look: impl FnMut(&Pool)) {
        for pool in self.targets.borrow().values() {
            if !pool.exchanges.is_empty() {
                look(pool);
            }
        }
    }
}

impl Pool {
    fn new(target: &Arc<Target>) -> Self {
        Self {
            target: Arc::clone(target),
            idle: RefCell::default(),
            learned_idle: Cell::default(),
            proven_idle: Cell::default(),
            exchanges: Rc::default(),
        }
    }

    fn sweep(&self, now: Instant, pools: &Pools) {
        if self.target.is_draining() {
            self.idle.borrow_mut().clear();
        }
        let learned = self.learned_idle.get();
        let mut is_quiet = true;
        self.idle.borrow_mut().retain_mut(|upstream| {
            let age = now.duration_since(upstream.idle_since);
            if is_closed(upstream) {
                self.learn(age, upstream);
                is_quiet = false;
                return false;
            }
            self.note_open(age);
            age < pools.patience(upstream, learned)
        });
        if is_quiet {
            self.recover(pools.pool_idle);
        }
        if self.target.is_cut() {
            self.exchanges.cut();
        } else if self.target.has_no_tunnels() {
            self.exchanges.end_tunnels();
        }
    }

    /// Looks whether the connection that is idle for longest is still open.
    fn prove(&self, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let Some(oldest) = idle.first_mut() else {
            return;
        };
        let age = now.duration_since(oldest.idle_since);
        if is_closed(oldest) {
            self.learn(age, oldest);
            idle.remove(0);
        } else {
            self.note_open(age);
        }
    }

    fn note_open(&self, age: Duration) {
        if age >= SHORTEST_PROOF && age > self.proven_idle.get() {
            self.proven_idle.set(age);
        }
    }

    /// How long an idle connection will hardly have been closed: half of what the target
    /// grants, or of what others were seen to last.
    fn trust(&self, upstream: &Upstream) -> Duration {
        let granted = upstream.keep_alive.unwrap_or_default();
        granted.max(self.proven_idle.get()) / 2
    }

    /// Notes that the target has closed a connection that was idle for `age`. One that it had
    /// announced to close teaches nothing.
    pub(crate) fn learn(&self, age: Duration, upstream: &Upstream) {
        if upstream.keep_alive.is_some_and(|granted| age >= granted) {
            return;
        }
        let age = age.max(SHORTEST_IDLE);
        let shortest = self.learned_idle.get().map_or(age, |known| known.min(age));
        self.learned_idle.set(Some(shortest));
        self.proven_idle.set(Duration::ZERO);
    }

    fn recover(&self, pool_idle: Duration) {
        let grown = self.learned_idle.get().map(|known| known.mul_f64(RECOVERY));
        self.learned_idle
            .set(grown.filter(|grown| grown.mul_f64(0.8) < pool_idle));
    }
}

/// Whether an idle connection has news: its end, or bytes that nobody asked for. Asks the
/// kernel only where the runtime has heard something.
fn is_closed(upstream: &mut Upstream) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let mut byte = [0];
    upstream.stream.poll_readable(&mut cx).is_ready()
        && upstream
            .stream
            .poll_read(&mut cx, &mut ReadBuf::new(&mut byte))
            .is_ready()
}
