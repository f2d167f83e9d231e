//! What runs between the reconcile loop and whatever carries it to the balancer: snapshots
//! one way, reports the other. Levels, not events: a reader that misses one loses nothing.

use std::sync::Arc;

use minicloud_lb_api::{Report, Snapshot};
use tokio::{sync::watch, time::Instant};

/// The carrier's ends; the loop holds a [`LoadBalancerDesk`].
#[derive(Clone, Debug)]
pub struct LoadBalancerLink {
    /// `None` until the loop has observed the provider once: an empty snapshot in its place
    /// would take every target from a balancer that serves.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub reports: watch::Sender<Option<ReceivedReport>>,
}

/// The loop's ends of a [`LoadBalancerLink`].
#[derive(Debug)]
pub struct LoadBalancerDesk {
    pub snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    pub reports: watch::Receiver<Option<ReceivedReport>>,
}

/// A report and when it came, so that its age is measured on our clock and not the sender's.
#[derive(Clone, Debug)]
pub struct ReceivedReport {
    pub report: Arc<Report>,
    pub at: Instant,
}

/// A link with no snapshot and no report yet.
pub fn load_balancer_link() -> (LoadBalancerDesk, LoadBalancerLink) {
    let (snapshots_in, snapshots) = watch::channel(None);
    let (reports, reports_out) = watch::channel(None);
    let desk = LoadBalancerDesk {
        snapshots: snapshots_in,
        reports: reports_out,
    };
    (desk, LoadBalancerLink { snapshots, reports })
}

impl LoadBalancerLink {
    pub fn receive(&self, report: Report) {
        self.reports.send_replace(Some(ReceivedReport {
            report: Arc::new(report),
            at: Instant::now(),
        }));
    }
}
