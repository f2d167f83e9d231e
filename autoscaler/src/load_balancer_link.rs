//! What runs between the reconcile loop and whatever carries it to the balancer: snapshots
//! one way, reports the other. Levels, not events: a reader that misses one loses nothing.

use std::{ops::Range, sync::Arc};

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
#[derive(Clone, Debug)]
pub struct ReceivedReport {
    /// Targets in the order of their target groups and ids, target groups in that of their names.
    pub report: Arc<Report>,
    pub at: Instant,
    /// Where the targets of each target group are.
    by_group: Arc<[Range<usize>]>,
}

impl ReceivedReport {
    pub fn new(mut report: Report, at: Instant) -> Self {
        let key = |one: &TargetHealthDescription, other: &TargetHealthDescription| {
            let by_group = one.target_group.cmp(&other.target_group);
            by_group.then_with(|| one.target.id.cmp(&other.target.id))
        };
        report.targets.sort_unstable_by(key);
        report
            .target_groups
            .sort_unstable_by(|one, other| one.target_group.cmp(&other.target_group));
        let mut end = 0;
        let same_group = |one: &TargetHealthDescription, other: &TargetHealthDescription| {
            one.target_group == other.target_group
        };
        let by_group = report.targets.chunk_by(same_group).map(|targets| {
            let start = end;
            end += targets.len();
            start..end
        });
        Self {
            by_group: by_group.collect(),
            report: Arc::new(report),
            at,
        }
    }

    /// The targets of each target group that has any, in the order of their names.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&str, &[TargetHealthDescription])> {
        let groups = self.by_group.iter();
        groups.map(|range| {
            let targets = &self.report.targets[range.clone()];
            (targets[0].target_group.as_str(), targets)
        })
    }

    /// Every target of one target group, by id.
    pub(crate) fn targets_of(&self, target_group: &str) -> &[TargetHealthDescription] {
        let targets = self.report.targets.as_slice();
        let name = |range: &Range<usize>| targets[range.start].target_group.as_str();
        let found = self
            .by_group
            .binary_search_by(|range| name(range).cmp(target_group));
        found.map_or(&[], |index| &targets[self.by_group[index].clone()])
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
