use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use crate::ended_request::RequestObserver;

/// How the balancer runs; what it serves comes in snapshots.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses that each listener's port is bound on. `::1` is left out where the
    /// machine has no IPv6; any other address that fails is a fault.
    pub bind: Vec<IpAddr>,
    /// Worker threads, each with its own sockets, upstream pools and timers.
    pub threads: NonZeroUsize,
    /// Off by default, as it costs a line per request.
    pub access_log: Option<AccessLog>,
    /// Told of each request; none by default, as it costs what the access log costs.
    pub request_observer: Option<Arc<dyn RequestObserver>>,
    /// The zone that the balancer is in, for target groups without cross-zone balancing; none
    /// where it is in all.
    pub availability_zone: Option<String>,
    pub timeouts: Timeouts,
    pub limits: Limits,
}

/// One line a request. A log that is slower than the requests loses lines, which are counted;
/// it never holds a request up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    pub output: AccessLogOutput,
    pub format: AccessLogFormat,
}

/// Where access-log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogOutput {
    Stdout,
    /// Appended to; created if missing.
    File(PathBuf),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// An Application Load Balancer's own, for what reads those.
    Alb,
    /// Objects with more than ALB tells: each attempt, the time in the queue, the rule's name.
    #[default]
    Json,
}

/// Every wait of the data plane, named, but those that are attributes of a load balancer.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From a request's first byte to the end of its head: 10 s starves slow-head attacks.
    pub header_read: Duration,
    /// One connect to a target. ALB waits 10 s; on one machine or LAN, 1 s and another try
    /// are noticed sooner.
    pub connect: Duration,
    /// A tunnel in which neither side says anything. ALB cuts at 60 s, which breaks
    /// applications that ping less often; an hour only reaps the dead.
    pub tunnel_idle: Duration,
    /// How long an idle upstream connection is kept: below the 5 s after which uvicorn and
    /// Node close theirs. A target's `Keep-Alive: timeout=N` shortens it to 80 % of N.
    pub pool_idle: Duration,
    /// Idle age up to which a pooled connection may carry a request that cannot be replayed.
    pub unsafe_reuse: Duration,
    /// How long a closed client may still send before its socket is dropped, so that a reset
    /// does not overtake the response.
    pub linger: Duration,
    /// How long the first listeners wait for the first round of health checks, so that a
    /// restarted balancer does not answer 503 for targets it is just getting to know.
    pub first_probe: Duration,
    /// Bound on finishing live requests at shutdown: below Docker's 10 s before SIGKILL.
    pub shutdown_drain: Duration,
}

/// Every bound of the data plane, named.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a message head, either direction, and of each read buffer: ALB's 64 KiB.
    pub head: usize,
    /// Bytes of a request line: ALB's 16 KiB.
    pub request_line: usize,
    /// Bytes of one field, name and value: ALB's 16 KiB.
    pub field: usize,
    /// Header fields of a message.
    pub headers: usize,
    /// Bytes of a request body; none by default, as at ALB.
    pub body: Option<u64>,
    /// Bytes of a body kept so that it can be sent again.
    pub replay_body: usize,
    /// Client connections over all workers; more are closed at once.
    pub connections: usize,
    /// Idle upstream connections per target and worker.
    pub pool: usize,
    /// Tries for one request, first included.
    pub attempts: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            access_log: None,
            request_observer: None,
            availability_zone: None,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            connect: Duration::from_secs(1),
            tunnel_idle: Duration::from_secs(3600),
            pool_idle: Duration::from_secs(4),
            unsafe_reuse: Duration::from_secs(1),
            linger: Duration::from_secs(1),
            first_probe: Duration::from_millis(500),
            shutdown_drain: Duration::from_secs(9),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 * 1024,
            request_line: 16 * 1024,
            field: 16 * 1024,
            headers: 100,
            body: None,
            replay_body: 64 * 1024,
            connections: 10_000,
            pool: 128,
            attempts: 3,
        }
    }
}
