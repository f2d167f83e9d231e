//! What the balancer reported, as the loop asks for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use minicloud_lb_api::{AnomalyResult, TargetGroupReport, TargetHealthDescription, TargetState};
use tokio::time::Instant;

use crate::{instance::InstanceId, load_balancer_link::ReceivedReport};

/// A report older than this is no report: the balancer sends one each second.
pub const REPORT_STALE_AFTER: Duration = Duration::from_secs(5);

/// What a report says of a target group.
type Said<'a> = (&'a [TargetHealthDescription], Option<&'a TargetGroupReport>);

/// Target health by target group and instance; empty where the balancer is silent.
#[derive(Clone, Copy, Debug, Default)]
pub struct TargetHealthIndex<'a> {
    received: Option<&'a ReceivedReport>,
}

impl<'a> TargetHealthIndex<'a> {
    /// Where the balancer says nothing.
    pub const fn silent() -> Self {
        Self { received: None }
    }

    pub fn new(received: Option<&'a ReceivedReport>, now: Instant) -> Self {
        Self::as_was(received.filter(|received| now - received.at <= REPORT_STALE_AFTER))
    }

    /// Of a report that was fresh when it was looked at.
    pub fn as_was(received: Option<&'a ReceivedReport>) -> Self {
        Self { received }
    }

    /// False: the balancer is silent, and nothing may be concluded about any target.
    pub fn is_reported(&self) -> bool {
        self.received.is_some()
    }

    /// Whether what is said here was said after `moment`. A target that drains for the second
    /// time must not be taken for drained by what was said of the first.
    pub fn is_reported_since(&self, moment: Instant) -> bool {
        self.received.is_some_and(|received| received.at >= moment)
    }

    /// Every target of the group, by id.
    pub fn of_group(&self, target_group: &str) -> &'a [TargetHealthDescription] {
        let received = self.received;
        received.map_or(&[], |received| received.targets_of(target_group))
    }

    pub fn get(&self, target_group: &str, id: &InstanceId) -> Option<&'a TargetHealthDescription> {
        let targets = self.of_group(target_group);
        let found = targets.binary_search_by(|t| t.target.id.as_str().cmp(id.as_str()));
        found.ok().map(|index| &targets[index])
    }

    /// What waits for a target of the group.
    pub fn queue(&self, target_group: &str) -> Option<&'a TargetGroupReport> {
        let groups = self.received?.report.target_groups.as_slice();
        let found = groups.binary_search_by(|g| g.target_group.as_str().cmp(target_group));
        found.ok().map(|index| &groups[index])
    }

    /// Names of the target groups of which the other report says something else.
    pub fn changed(&self, other: &Self) -> BTreeSet<&'a str> {
        let (ours, theirs) = (self.by_group(), other.by_group());
        let names = ours.keys().chain(theirs.keys()).copied();
        names
            .filter(|name| ours.get(name) != theirs.get(name))
            .collect()
    }

    fn by_group(&self) -> BTreeMap<&'a str, Said<'a>> {
        let mut by_group = BTreeMap::<&str, Said<'_>>::new();
        let Some(received) = self.received else {
            return by_group;
        };
        let targets = received.targets();
        by_group.extend(targets.map(|(name, targets)| (name, (targets, None))));
        for group in &received.report.target_groups {
            by_group.entry(&group.target_group).or_default().1 = Some(group);
        }
        by_group
    }

    /// Whether one of `target_groups` finds that the instance fails more requests than others
    /// do. `None` where nobody says.
    pub fn is_anomalous(&self, target_groups: &[String], id: &InstanceId) -> Option<bool> {
        let detections = target_groups
            .iter()
            .filter_map(|group| self.get(group, id)?.anomaly_detection);
        detections
            .map(|detection| detection.result == AnomalyResult::Anomalous)
            .reduce(|one, other| one || other)
    }

    /// Every one of `target_groups` may route to the instance, or none would anyway.
    pub fn serves(&self, target_groups: &[String], id: &InstanceId) -> bool {
        target_groups.iter().all(|group| {
            self.get(group, id).is_some_and(|target| {
                matches!(
                    target.target_health.state,
                    TargetState::Healthy | TargetState::Unused
                )
            })
        })
    }

    /// The sentence of the first target group that finds the instance unhealthy.
    pub fn unhealthy(&self, target_groups: &[String], id: &InstanceId) -> Option<String> {
        target_groups.iter().find_map(|group| {
            let health = &self.get(group, id)?.target_health;
            (health.state == TargetState::Unhealthy).then(|| {
                let why = health
                    .description
                    .as_deref()
                    .unwrap_or("health checks failed");
                format!("target group {group}: {why}")
            })
        })
    }

    /// The balancer knows that the instance is draining and holds nothing of it any more.
    pub fn is_drained(&self, target_groups: &[String], id: &InstanceId) -> bool {
        target_groups.iter().all(|group| {
            self.get(group, id).is_some_and(|target| {
                let state = target.target_health.state;
                // No listener forwards to an unused target: there is nothing to wait for.
                matches!(state, TargetState::Draining | TargetState::Unused)
                    && target.in_flight == 0
            })
        })
    }

    /// Requests and tunnels that the instance holds now.
    pub fn in_flight(&self, target_groups: &[String], id: &InstanceId) -> u64 {
        target_groups
            .iter()
            .filter_map(|group| self.get(group, id))
            .map(|target| target.in_flight)
            .sum()
    }
}
