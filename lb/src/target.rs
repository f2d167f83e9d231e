use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use minicloud_lb_api as api;
use tokio::{sync::Notify, time::Instant};

use crate::{
    balancer::{
        anomaly::{Outcome, Outcomes},
        headroom::Headroom,
        peak_ewma::PeakEwma,
        suspect::{Silence, is_suspect},
    },
    gate::Gate,
    group::GroupState,
    metrics::{CLASSES, TargetCounts, class_index},
    stable_hash::stable_hash,
};

/// A registered target, shared by the control task and all workers.
///
/// Lives from registration until it is gone from the snapshot and nothing is in flight.
#[derive(Debug)]
pub(crate) struct Target {
    /// Names this registration; never used twice in a process.
    pub(crate) uid: u64,
    pub(crate) id: String,
    /// Of the id: what cookies and consistent hashing know it by.
    pub(crate) hash: u64,
    pub(crate) endpoint: Endpoint,
    /// The group it is registered with.
    pub(crate) group: Arc<GroupState>,
    gate: Gate,
    request_count: AtomicU64,
    /// By class of code.
    responses: [AtomicU64; CLASSES.len()],
    connection_errors: AtomicU64,
    is_serving: AtomicBool,
    has_no_tunnels: AtomicBool,
    cut: AtomicBool,
    latency: PeakEwma,
    headroom: Headroom,
    silence: Silence,
    pub(crate) outcomes: Outcomes,
    probe_wanted: Notify,
    /// Shared by all targets: wakes the control task when a draining one is done.
    drained: Arc<Notify>,
}

/// Where a target listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Address(SocketAddr),
    /// Resolved at each connect, so that a name may move.
    Name {
        host: String,
        port: u16,
    },
}

/// A picked target: it counts as in flight until the claim is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    target: Arc<Target>,
    is_quiet: bool,
}

impl Target {
    pub(crate) fn new(
        uid: u64,
        target: &api::Target,
        endpoint: Endpoint,
        group: Arc<GroupState>,
        drained: Arc<Notify>,
        now: Instant,
    ) -> Self {
        Self {
            uid,
            id: target.id.clone(),
            hash: stable_hash(target.id.as_bytes()),
            endpoint,
            group,
            gate: Gate::new(None),
            request_count: AtomicU64::new(0),
            responses: Default::default(),
            connection_errors: AtomicU64::new(0),
            is_serving: AtomicBool::new(false),
            has_no_tunnels: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            latency: PeakEwma::new(now),
            headroom: Headroom::new(now),
            silence: Silence::new(now),
            outcomes: Outcomes::default(),
            probe_wanted: Notify::new(),
            drained,
        }
    }

    /// Takes a place at the target, unless it drains or is full.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Claim> {
        self.gate.claim().then(|| Claim {
            target: Arc::clone(self),
            is_quiet: false,
        })
    }

    pub(crate) fn has_room(&self) -> bool {
        self.gate.has_room()
    }

    pub(crate) fn set_limit(&self, limit: Option<u32>) {
        self.gate.set_limit(limit);
    }

    /// Whether new requests may come here, as last published.
    pub(crate) fn set_serving(&self, is_serving: bool) {
        self.is_serving.store(is_serving, Ordering::Relaxed);
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.is_serving.load(Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.gate.drain();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.gate.is_draining()
    }

    /// Ends the grace of upgraded connections: workers close them. False if it was over.
    pub(crate) fn end_tunnels(&self) -> bool {
        !self.has_no_tunnels.swap(true, Ordering::AcqRel)
    }

    /// Whether upgraded connections have had their time.
    pub(crate) fn has_no_tunnels(&self) -> bool {
        self.has_no_tunnels.load(Ordering::Acquire)
    }

    /// Ends the deregistration delay: workers close what is still open.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.gate.in_flight()
    }

    pub(crate) fn request_count(&self) -> u64 {
        self.request_count.load(Ordering::Relaxed)
    }

    pub(crate) fn count_response(&self, code: u16) {
        self.responses[class_index(code)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_connection_error(&self) {
        self.connection_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted since it was registered.
    pub(crate) fn counts(&self) -> TargetCounts {
        TargetCounts {
            responses: self
                .responses
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
            connection_errors: self.connection_errors.load(Ordering::Relaxed),
        }
    }

    /// A request goes out to it.
    pub(crate) fn count_request(&self) {
        self.request_count.fetch_add(1, Ordering::Relaxed);
    }

    /// All of a request is written, so it is the target's turn. [`settled`](Self::settled)
    /// follows.
    pub(crate) fn sent(&self, now: Instant) {
        self.silence.sent(now);
    }

    /// It has shown in another way that it lives.
    pub(crate) fn heard(&self, now: Instant) {
        self.silence.heard(now);
    }

    /// An answer began after `latency`, or the wait for one was given up.
    pub(crate) fn settled(&self, latency: Option<Duration>, now: Instant) {
        let Some(latency) = latency else {
            return self.silence.given_up(now);
        };
        self.silence.settled(now);
        self.latency.observe(latency, now);
        self.group.lateness.observe(latency);
    }

    /// Counts how a request ended here; a failure after `waited`.
    pub(crate) fn note(&self, outcome: Outcome, waited: Duration, now: Instant) {
        self.outcomes.note(outcome);
        if outcome != Outcome::Success {
            self.latency.observe_failure(waited, now);
        }
    }

    pub(crate) fn note_load(&self, load: api::TargetLoad, now: Instant) {
        self.headroom.note(load, now);
    }

    /// Whether it keeps all its requests waiting as a frozen one does.
    pub(crate) fn is_suspect(&self, now: Instant) -> bool {
        is_suspect(self.silence.length(now), || self.latency.usual(now))
    }

    pub(crate) fn latency(&self, now: Instant) -> Option<f64> {
        self.latency.expected(now)
    }

    pub(crate) fn headroom(&self, now: Instant) -> f64 {
        self.headroom.factor(now)
    }

    /// Asks for a health check now, as the data path has met a failure.
    pub(crate) fn want_probe(&self) {
        self.probe_wanted.notify_one();
    }

    pub(crate) async fn probe_wanted(&self) {
        self.probe_wanted.notified().await;
    }
}

impl Claim {
    pub(crate) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Gives the place back without looking for who waits for it: nobody does.
    pub(crate) fn release_quietly(mut self) {
        self.is_quiet = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let target = &self.target;
        if target.gate.release() {
            target.drained.notify_one();
        } else if !self.is_quiet && target.group.has_waiters() && target.is_serving() {
            target.group.hand_over(target);
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl Endpoint {
    /// Reads `host:port`; the port may not be 0.
    pub(crate) fn parse(address: &str) -> Option<Self> {
        if let Ok(address) = address.parse::<SocketAddr>() {
            return (address.port() != 0).then_some(Self::Address(address));
        }
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port != 0)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        (!host.is_empty() && host.chars().all(is_name)).then(|| Self::Name {
            host: host.to_owned(),
            port,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name { port, .. } => *port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Arc<Target> {
        let described = api::Target {
            id: "i-1".into(),
            address: "127.0.0.1:80".into(),
            availability_zone: None,
            draining: false,
            load: None,
        };
        let endpoint = Endpoint::parse(&described.address).unwrap();
        let group = Arc::new(GroupState::new("web", Instant::now()));
        Arc::new(Target::new(
            1,
            &described,
            endpoint,
            group,
            Arc::default(),
            Instant::now(),
        ))
    }

    #[test]
    fn claim_counts_until_dropped() {
        let target = target();
        let claims = [target.claim(), target.claim()];
        assert_eq!(target.in_flight(), 2);
        drop(claims);
        assert_eq!(target.in_flight(), 0);
    }

    #[tokio::test]
    async fn draining_target_takes_no_claim_and_tells_its_end() {
        let target = target();
        let claim = target.claim();
        target.drain();
        assert!(target.claim().is_none());
        assert_eq!(target.in_flight(), 1);
        drop(claim);
        target.drained.notified().await;
        assert_eq!(target.in_flight(), 0);
    }

    #[test]
    fn endpoints_parse() {
        assert!(matches!(
            Endpoint::parse("127.0.0.1:80"),
            Some(Endpoint::Address(_))
        ));
        assert!(matches!(
            Endpoint::parse("[::1]:80"),
            Some(Endpoint::Address(_))
        ));
        assert!(matches!(
            Endpoint::parse("web_1.local:80"),
            Some(Endpoint::Name { .. })
        ));
        for bad in [
            "",
            "web",
            "web:",
            ":80",
            "web:0",
            "127.0.0.1:0",
            "web:99999",
            "a b:80",
            "a@b:1",
        ] {
            assert_eq!(Endpoint::parse(bad), None, "{bad:?}");
        }
    }
}
