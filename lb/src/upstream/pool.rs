use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{ConnectError, Upstream, dial_within};
use crate::{
    config::{Limits, Timeouts},
    target::Target,
};

/// One worker's connections to all targets.
pub(crate) struct Pools {
    targets: RefCell<HashMap<u64, Rc<Pool>>>,
    connect: Duration,
    pool_idle: Duration,
    unsafe_reuse: Duration,
    max_head: usize,
    max_idle: usize,
}

/// One worker's connections to one target.
pub(crate) struct Pool {
    target: Arc<Target>,
    /// Newest last: the one least likely to be closed at the other end is taken first.
    idle: RefCell<Vec<Idle>>,
    /// Runs every connection and tunnel of the target; aborting closes them.
    tasks: Rc<RefCell<JoinSet<()>>>,
}

struct Idle {
    upstream: Upstream,
    since: Instant,
    expires: Instant,
}

/// Which pooled connections a request may ride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any: should it prove stale, the request is sent again.
    Any,
    /// Only one used a moment ago: the request cannot be sent twice.
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
            max_head: limits.head,
            max_idle: limits.pool,
        }
    }

    pub(crate) fn of(&self, target: &Arc<Target>) -> Rc<Pool> {
        let mut targets = self.targets.borrow_mut();
        let pool = targets.entry(target.uid).or_insert_with(|| {
            Rc::new(Pool {
                target: Arc::clone(target),
                idle: RefCell::default(),
                tasks: Rc::default(),
            })
        });
        Rc::clone(pool)
    }

    /// A connection from the pool, or a fresh one.
    pub(crate) async fn take(&self, pool: &Pool, reuse: Reuse) -> Result<Upstream, ConnectError> {
        match self.take_idle(pool, reuse) {
            Some(upstream) => Ok(upstream),
            None => {
                let stream = dial_within(&pool.target.endpoint, self.connect).await?;
                Ok(Upstream::start(stream, self.max_head, &pool.tasks).await?)
            }
        }
    }

    fn take_idle(&self, pool: &Pool, reuse: Reuse) -> Option<Upstream> {
        if reuse == Reuse::Never {
            return None;
        }
        let mut idle = pool.idle.borrow_mut();
        if idle.is_empty() {
            return None;
        }
        let now = Instant::now();
        while let Some(newest) = idle.pop() {
            if !newest.is_usable(now) {
                continue;
            }
            if reuse == Reuse::Recent && now.duration_since(newest.since) >= self.unsafe_reuse {
                idle.push(newest);
                return None;
            }
            return Some(newest.upstream);
        }
        None
    }

    /// Keeps a connection for the next request, if it is fit for one.
    pub(crate) fn put(&self, pool: &Pool, upstream: Upstream) {
        let mut idle = pool.idle.borrow_mut();
        if pool.target.is_draining() || !upstream.is_reusable() || idle.len() >= self.max_idle {
            return;
        }
        // Leave before the target does: at 80 % of what it grants.
        let granted = upstream.keep_alive.map(|granted| granted.mul_f32(0.8));
        let keep = granted.map_or(self.pool_idle, |granted| granted.min(self.pool_idle));
        let since = Instant::now();
        idle.push(Idle {
            upstream,
            since,
            expires: since + keep,
        });
    }

    /// Closes what has idled out or belongs to a target that drains or is gone.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.targets.borrow_mut().retain(|_, pool| {
            pool.sweep(now);
            // A lease may still bring a connection or a tunnel.
            let is_held = Rc::strong_count(pool) > 1 || !pool.tasks.borrow().is_empty();
            is_held || !pool.target.is_draining()
        });
    }
}

impl Pool {
    fn sweep(&self, now: Instant) {
        if self.target.is_draining() {
            self.idle.borrow_mut().clear();
        }
        self.idle.borrow_mut().retain(|idle| idle.is_usable(now));
        let mut tasks = self.tasks.borrow_mut();
        if self.target.is_cut() {
            tasks.abort_all();
        }
        while tasks.try_join_next().is_some() {}
    }

    /// Runs `tunnel` until it ends or the target's connections are cut.
    pub(crate) fn spawn(&self, tunnel: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().spawn_local(tunnel);
    }
}

impl Idle {
    fn is_usable(&self, now: Instant) -> bool {
        now < self.expires && self.upstream.is_reusable()
    }
}
