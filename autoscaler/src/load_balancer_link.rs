//! What runs between the reconcile loop and whatever carries it to the balancer: snapshots
//! one way, reports the other. Levels, not events: a reader that misses one loses nothing.

use std::sync::Arc;

use minicloud_lb_api::{Report, Snapshot, TargetHealthDescription};
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
/// Its targets are in the order of their target groups and ids.
#[derive(Clone, Debug)]
pub struct ReceivedReport {
    pub report: Arc<Report>,
    pub at: Instant,
}

impl ReceivedReport {
    pub fn new(mut report: Report, at: Instant) -> Self {
        let key = |one: &TargetHealthDescription, other: &TargetHealthDescription| {
            let by_group = one.target_group.cmp(&other.target_group);
            by_group.then_with(|| one.target.id.cmp(&other.target.id))
        };
        report.targets.sort_by(key);
        report
            .target_groups
            .sort_by(|one, other| one.target_group.cmp(&other.target_group));
        Self {
            report: Arc::new(report),
            at,
        }
    }
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
        let received = ReceivedReport::new(report, Instant::now());
        self.reports.send_replace(Some(received));
    }
}
