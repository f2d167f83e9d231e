//! What the balancer reported, as the loop asks for it.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc, time::Duration};

use itertools::{EitherOrBoth, Itertools};
use minicloud_lb_api::{AnomalyResult, TargetGroupReport, TargetHealthDescription, TargetState};
use tokio::time::Instant;

use crate::{instance::InstanceId, load_balancer_link::ReceivedReport};

/// A report older than this is no report: the balancer sends one each second.
pub const REPORT_STALE_AFTER: Duration = Duration::from_secs(5);

/// What a report says of a target group.
type Said<'a> = (&'a [TargetHealthDescription], Option<&'a TargetGroupReport>);

fn by_name<'a, T, U>(one: &(&'a str, T), other: &(&'a str, U)) -> Ordering {
    one.0.cmp(other.0)
}

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

    /// When what is said here was said; `None` where nothing is.
    pub fn reported_at(&self) -> Option<Instant> {
        self.received.map(|received| received.at)
    }

    /// Whether what is said here was said after `moment`. A target that drains for the second
    /// time must not be taken for drained by what was said of the first.
    pub fn is_reported_since(&self, moment: Instant) -> bool {
        self.received.is_some_and(|received| received.at >= moment)
    }

    /// Every target of the target group, by id.
    pub fn of_group(&self, target_group: &str) -> &'a [TargetHealthDescription] {
        let received = self.received;
        received.map_or(&[], |received| received.targets_of(target_group))
    }

    /// Every target of those target groups.
    pub fn of_groups(&self, target_groups: &[String]) -> TargetsOfGroup<'a> {
        let each = target_groups.iter().map(|group| self.of_group(group));
        TargetsOfGroup {
            target_groups: each.collect(),
        }
    }

    /// What waits for a target of the group.
    pub fn queue(&self, target_group: &str) -> Option<&'a TargetGroupReport> {
        let groups = self.received?.report.target_groups.as_slice();
        let found = groups.binary_search_by(|g| g.target_group.as_str().cmp(target_group));
        found.ok().map(|index| &groups[index])
    }

    /// Names of the target groups of which the other report says something else.
    pub fn changed(&self, other: &Self) -> BTreeSet<&'a str> {
        if self.is_same(other) {
            return BTreeSet::new();
        }
        let pairs = self.by_group().merge_join_by(other.by_group(), by_name);
        pairs
            .filter_map(|pair| match pair {
                EitherOrBoth::Both(ours, theirs) => (ours != theirs).then_some(ours.0),
                EitherOrBoth::Left((name, _)) | EitherOrBoth::Right((name, _)) => Some(name),
            })
            .collect()
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self.received, other.received) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(&ours.report, &theirs.report),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        }
    }

    /// In the order of the names of the target groups.
    fn by_group(&self) -> impl Iterator<Item = (&'a str, Said<'a>)> {
        let received = self.received.into_iter();
        let targets = received.clone().flat_map(ReceivedReport::targets);
        let groups = received.flat_map(|received| &received.report.target_groups);
        let groups = groups.map(|group| (group.target_group.as_str(), group));
        targets
            .merge_join_by(groups, by_name)
            .map(|pair| match pair {
                EitherOrBoth::Both((name, targets), (_, group)) => (name, (targets, Some(group))),
                EitherOrBoth::Left((name, targets)) => (name, (targets, None)),
                EitherOrBoth::Right((name, group)) => (name, (Default::default(), Some(group))),
            })
    }
}

/// What is said of the targets of one Auto Scaling group's target groups: found once, and asked
/// for each of its instances. Of no target groups where there are none.
#[derive(Clone, Debug, Default)]
pub struct TargetsOfGroup<'a> {
    /// By id, of each target group in turn.
    target_groups: Vec<&'a [TargetHealthDescription]>,
}

impl<'a> TargetsOfGroup<'a> {
    /// What each of the target groups says of the instance; `None` of those that do not know it.
    pub fn get(
        &self,
        id: &InstanceId,
    ) -> impl Iterator<Item = Option<&'a TargetHealthDescription>> {
        self.target_groups.iter().map(|targets| {
            let found = targets.binary_search_by(|t| t.target.id.as_str().cmp(id.as_str()));
            found.ok().map(|index| &targets[index])
        })
    }

    /// Whether one of the target groups finds that the instance fails more requests than others
    /// do. `None` where nobody says.
    pub fn is_anomalous(&self, id: &InstanceId) -> Option<bool> {
        let detections = self.get(id).filter_map(|target| target?.anomaly_detection);
        detections
            .map(|detection| detection.result == AnomalyResult::Anomalous)
            .reduce(|one, other| one || other)
    }

    /// Every one of the target groups may route to the instance, or none would anyway.
    pub fn serves(&self, id: &InstanceId) -> bool {
        self.get(id).all(|target| {
            target.is_some_and(|target| {
                let state = target.target_health.state;
                matches!(state, TargetState::Healthy | TargetState::Unused)
            })
        })
    }

    /// The sentence of the first target group that finds the instance unhealthy.
    pub fn unhealthy(&self, id: &InstanceId) -> Option<String> {
        self.get(id).find_map(|target| {
            let target = target?;
            let health = &target.target_health;
            (health.state == TargetState::Unhealthy).then(|| {
                let why = health
                    .description
                    .as_deref()
                    .unwrap_or("health checks failed");
                format!("target group {}: {why}", target.target_group)
            })
        })
    }

    /// The balancer knows that the instance is draining and holds nothing of it any more.
    pub fn is_drained(&self, id: &InstanceId) -> bool {
        self.get(id).all(|target| {
            target.is_some_and(|target| {
                let state = target.target_health.state;
                // No listener forwards to an unused target: there is nothing to wait for.
                matches!(state, TargetState::Draining | TargetState::Unused)
                    && target.in_flight == 0
            })
        })
    }

    /// Requests and tunnels that the instance holds now.
    pub fn in_flight(&self, id: &InstanceId) -> u64 {
        self.get(id)
            .flatten()
            .map(|target| target.in_flight)
            // What a balancer reports need not be sound.
            .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use minicloud_lb_api::{Report, TargetDescription, TargetHealth};

    use super::*;

    /// A report of `targets`, each `group/id`, and of the queues of `groups`.
    fn report(targets: &[&str], groups: &[(&str, u64)]) -> ReceivedReport {
        let targets = targets.iter().map(|target| {
            let (group, id) = target.split_once('/').unwrap();
            TargetHealthDescription {
                target_group: group.to_owned(),
                target: TargetDescription {
                    id: id.to_owned(),
                    address: "127.0.0.1:1".to_owned(),
                    port: 1,
                    availability_zone: None,
                },
                target_health: TargetHealth {
                    state: TargetState::Healthy,
                    reason: None,
                    description: None,
                },
                in_flight: 0,
                request_count: 0,
                anomaly_detection: None,
            }
        });
        let groups = groups.iter().map(|(name, length)| TargetGroupReport {
            target_group: (*name).to_owned(),
            queue_length: *length,
            ..TargetGroupReport::default()
        });
        let report = Report {
            targets: targets.collect(),
            target_groups: groups.collect(),
            ..Report::default()
        };
        ReceivedReport::new(report, Instant::now())
    }

    #[test]
    fn what_is_said_anew_is_changed() {
        let known = report(
            &["a/i-1", "b/i-1", "c/i-1"],
            &[("b", 0), ("d", 0), ("e", 0)],
        );
        let fresh = report(
            &["a/i-1", "b/i-1", "c/i-2"],
            &[("b", 1), ("d", 0), ("f", 0)],
        );
        let known = TargetHealthIndex::as_was(Some(&known));
        let fresh = TargetHealthIndex::as_was(Some(&fresh));
        let changed = fresh.changed(&known).into_iter().collect::<String>();
        assert_eq!(changed, "bcef");
        assert_eq!(fresh.changed(&fresh), BTreeSet::new());
        assert_eq!(fresh.changed(&TargetHealthIndex::silent()).len(), 5);
        let silent = TargetHealthIndex::silent();
        assert_eq!(silent.changed(&silent), BTreeSet::new());
    }
}
