//! What the balancer reported, as the loop asks for it.

use std::{collections::BTreeMap, time::Duration};

use minicloud_lb_api::{AnomalyResult, TargetGroupReport, TargetHealthDescription, TargetState};
use tokio::time::Instant;

use crate::{instance::InstanceId, load_balancer_link::ReceivedReport};

/// A report older than this is no report: the balancer sends one each second.
pub const REPORT_STALE_AFTER: Duration = Duration::from_secs(5);

/// Target health by target group and instance; empty where the balancer is silent.
#[derive(Debug)]
pub struct TargetHealthIndex<'a> {
    by_target: BTreeMap<(&'a str, &'a str), &'a TargetHealthDescription>,
    by_group: BTreeMap<&'a str, &'a TargetGroupReport>,
    /// When the report came.
    at: Option<Instant>,
}

impl<'a> TargetHealthIndex<'a> {
    /// Where the balancer says nothing.
    pub const fn silent() -> Self {
        Self {
            by_target: BTreeMap::new(),
            by_group: BTreeMap::new(),
            at: None,
        }
    }

    pub fn new(received: Option<&'a ReceivedReport>, now: Instant) -> Self {
        let Some(received) = received.filter(|received| now - received.at <= REPORT_STALE_AFTER)
        else {
            return Self::silent();
        };
        let targets = received.report.targets.iter();
        let by_target = targets
            .map(|t| ((t.target_group.as_str(), t.target.id.as_str()), t))
            .collect();
        let groups = received.report.target_groups.iter();
        Self {
            by_target,
            by_group: groups.map(|g| (g.target_group.as_str(), g)).collect(),
            at: Some(received.at),
        }
    }

    /// False: the balancer is silent, and nothing may be concluded about any target.
    pub fn is_reported(&self) -> bool {
        self.at.is_some()
    }

    /// Whether what is said here was said after `moment`. A target that drains for the second
    /// time must not be taken for drained by what was said of the first.
    pub fn is_reported_since(&self, moment: Instant) -> bool {
        self.at.is_some_and(|at| at >= moment)
    }

    pub fn get(&self, target_group: &str, id: &InstanceId) -> Option<&'a TargetHealthDescription> {
        self.by_target.get(&(target_group, id.as_str())).copied()
    }

    /// What waits for a target of the group.
    pub fn queue(&self, target_group: &str) -> Option<&'a TargetGroupReport> {
        self.by_group.get(target_group).copied()
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
