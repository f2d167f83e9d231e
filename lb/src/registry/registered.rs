//! One group and one target of the registry, with what each has become.

use std::{sync::Arc, time::Duration};

use minicloud_lb_api::{
    AnomalyDetection, AnomalyResult, HealthCheck, TargetGroupAttributes, TargetGroupReport,
    TargetHealth,
};
use tokio::time::Instant;

use crate::{
    balancer::{
        anomaly::{Change, Standing, Verdict},
        slow_start,
    },
    group::GroupState,
    health::{self, Health},
    metrics::GroupSample,
    target::Target,
};

#[derive(Debug)]
pub(super) struct RegisteredGroup {
    pub(super) check: HealthCheck,
    pub(super) deregistration_delay: Duration,
    pub(super) attributes: TargetGroupAttributes,
    pub(super) is_scaled: bool,
    /// A listener forwards to it.
    pub(super) is_used: bool,
    pub(super) state: Arc<GroupState>,
}

#[derive(Debug)]
pub(super) struct Registered {
    pub(super) target: Arc<Target>,
    pub(super) availability_zone: Option<String>,
    pub(super) is_used: bool,
    /// Still in the snapshot.
    pub(super) is_listed: bool,
    pub(super) health: Option<Health>,
    pub(super) since: Instant,
    /// Since when, and over which time, its share grows to full.
    pub(super) slow_start: Option<(Instant, Duration)>,
    pub(super) standing: Standing,
    pub(super) verdict: Verdict,
    pub(super) farewell: Option<Farewell>,
}

/// When a draining target's connections end that have not ended by themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Farewell {
    /// Upgraded ones: nobody knows how long they would go on.
    pub(super) tunnels: Instant,
    /// All others.
    pub(super) requests: Instant,
}

impl RegisteredGroup {
    /// That of a target which begins to drain now.
    pub(super) fn farewell(&self, now: Instant) -> Farewell {
        let delay = self.deregistration_delay;
        Farewell {
            tunnels: now + self.attributes.upgrade_grace.min(delay),
            requests: now + delay,
        }
    }

    pub(super) fn sample(&self, name: &str, now: Instant) -> GroupSample {
        GroupSample {
            group: name.to_owned(),
            queue_length: self.state.queue_length() as u64,
            queue_age_seconds: self.state.oldest_wait(now).as_secs_f64(),
            queue_rejected: self.state.rejected(),
            ejections: self.state.ejections(),
        }
    }

    pub(super) fn report(&self, name: &str, now: Instant) -> TargetGroupReport {
        TargetGroupReport {
            target_group: name.to_owned(),
            queue_length: self.state.queue_length() as u64,
            queue_wait_seconds: self.state.oldest_wait(now).as_secs_f64(),
            queue_rejected: self.state.rejected(),
            requests: None,
        }
    }
}

impl Registered {
    /// Takes note of what the requests say; true if that changes who may serve.
    pub(super) fn take_verdict(
        &mut self,
        group_name: &str,
        verdict: Verdict,
        group: &RegisteredGroup,
        now: Instant,
    ) -> bool {
        match verdict.change {
            Some(Change::Ejected { cause, duration }) => {
                group.state.count_ejection();
                tracing::warn!(
                    target_group.name = group_name,
                    target.id = self.target.id,
                    ?cause,
                    duration_ms = duration.as_millis(),
                    "target is ejected"
                );
            }
            Some(Change::Readmitted) => {
                let duration = slow_start::after_ejection(group.attributes.slow_start);
                self.slow_start = Some((now, duration));
                tracing::info!(
                    target_group.name = group_name,
                    target.id = self.target.id,
                    "target gets requests again"
                );
            }
            None => {}
        }
        let has_changed = self.verdict.is_ejected != verdict.is_ejected;
        self.verdict = verdict;
        has_changed
    }

    pub(super) fn anomaly_detection(&self) -> Option<AnomalyDetection> {
        self.may_serve().then_some(AnomalyDetection {
            result: match self.verdict.is_anomalous {
                true => AnomalyResult::Anomalous,
                false => AnomalyResult::Normal,
            },
            mitigation_in_effect: self.verdict.is_ejected,
        })
    }

    pub(super) fn may_serve(&self) -> bool {
        self.is_used && !self.is_draining()
    }

    pub(super) fn describe(&self) -> TargetHealth {
        if self.is_draining() {
            return health::draining();
        }
        match &self.health {
            _ if !self.is_used => health::unused(),
            Some(health) => health.describe(),
            None => health::registering(),
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.farewell.is_some()
    }

    /// The delay counts from the first word of it.
    pub(super) fn drain(&mut self, farewell: Farewell) {
        self.farewell.get_or_insert(farewell);
    }
}
