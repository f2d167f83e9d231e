use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use minicloud_lb_api as api;
use tokio::sync::Notify;

/// A registered target, shared by the control task and all workers.
///
/// Lives from registration until it is gone from the snapshot and nothing is in flight.
#[derive(Debug)]
pub(crate) struct Target {
    /// Names this registration; never used twice in a process.
    pub(crate) uid: u64,
    pub(crate) id: String,
    pub(crate) endpoint: Endpoint,
    in_flight: AtomicU64,
    request_count: AtomicU64,
    draining: AtomicBool,
    cut: AtomicBool,
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
pub(crate) struct Claim(Arc<Target>);

impl Target {
    pub(crate) fn new(
        uid: u64,
        target: &api::Target,
        endpoint: Endpoint,
        drained: Arc<Notify>,
    ) -> Self {
        Self {
            uid,
            id: target.id.clone(),
            endpoint,
            in_flight: AtomicU64::new(0),
            request_count: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            probe_wanted: Notify::new(),
            drained,
        }
    }

    /// Takes a place at the target, unless it drains.
    ///
    /// Whoever reads `in_flight() == 0` after `drain()` knows that no claim exists and none
    /// will: the count is raised before the flag is read here, and the flag is set before the
    /// count is read there, all in one total order.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Claim> {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let claim = Claim(Arc::clone(self));
        (!self.draining.load(Ordering::SeqCst)).then_some(claim)
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Ends the deregistration delay: workers close what is still open.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn request_count(&self) -> u64 {
        self.request_count.load(Ordering::Relaxed)
    }

    pub(crate) fn count_request(&self) {
        self.request_count.fetch_add(1, Ordering::Relaxed);
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
        &self.0
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let was_last = self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && self.0.is_draining() {
            self.0.drained.notify_one();
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
        Arc::new(Target::new(1, &described, endpoint, Arc::default()))
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
