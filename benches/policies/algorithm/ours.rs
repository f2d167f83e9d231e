//! minicloud's target tracking: the function itself, over CPU histories as an agent's counters
//! would have made them.

use std::{collections::BTreeMap, time::Duration};

use minicloud_agent_api::{Sample, names};
use minicloud_autoscaler::{
    capacity::Capacity,
    config::Pace,
    instance::InstanceId,
    metric::{CpuHistory, GroupSignals, InstanceSignals, Scrape},
    now::Now,
    policy::{Observation, State, TrackedInstance, evaluate},
    scaling_policy::{
        MetricSpecification, PolicyKind, PredefinedMetric, ScalingPolicy, TargetTracking,
    },
};
use tokio::time::Instant;

use super::{Algorithm, Second, TARGET};
use crate::simulation::Instance;

pub(crate) struct Ours {
    pace: Pace,
    policy: ScalingPolicy,
    state: State,
    members: BTreeMap<u32, Member>,
    start: Instant,
}

struct Member {
    id: InstanceId,
    cpu: CpuHistory,
    signals: InstanceSignals,
    cpu_seconds: f64,
}

impl Ours {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            policy: ScalingPolicy {
                name: "cpu".to_owned(),
                enabled: true,
                kind: PolicyKind::TargetTracking(TargetTracking {
                    metric: MetricSpecification::predefined(
                        PredefinedMetric::AsgAverageCpuUtilization,
                    ),
                    target_value: 100.0 * TARGET,
                    disable_scale_in: false,
                    scale_in_cooldown: None,
                    estimated_instance_warmup: None,
                }),
            },
            state: State::default(),
            members: BTreeMap::new(),
            start: Instant::now(),
        }
    }

    /// The pace's default instance warm-up and cooldown.
    fn defaults(&self) -> (Duration, Duration) {
        let (warmup, cooldown) = match self.pace {
            Pace::Fast => (15, 30),
            Pace::Aws => (0, 300),
        };
        (Duration::from_secs(warmup), Duration::from_secs(cooldown))
    }

    /// One scrape of the agent.
    fn measure(&mut self, now: &Second<'_>) {
        let at = self.start + Duration::from_secs(now.second);
        let is_there = |id| now.instances.iter().any(|instance| instance.id == id);
        self.members.retain(|id, _| is_there(*id));
        for instance in now.instances {
            let member = self.members.entry(instance.id).or_insert_with(|| Member {
                id: format!("i-{:08x}", instance.id).parse().unwrap(),
                cpu: CpuHistory::default(),
                signals: InstanceSignals::default(),
                cpu_seconds: 0.0,
            });
            if instance.in_service_at <= now.second {
                member.cpu_seconds += now.utilization;
            }
            let id = member.id.to_string();
            let sample = Sample {
                name: names::CONTAINER_CPU_USAGE_SECONDS_TOTAL.to_owned(),
                labels: vec![(names::ID.to_owned(), format!("/process/{id}"))],
                value: member.cpu_seconds,
                timestamp: Some(1000 * now.second as i64),
            };
            let scrape = Scrape::from_samples(vec![sample]);
            member.cpu.record(&scrape, &[id], 1.0, at);
        }
    }
}

impl Algorithm for Ours {
    fn name(&self) -> &'static str {
        match self.pace {
            Pace::Fast => "fast",
            Pace::Aws => "ours at aws",
        }
    }

    fn decide(&mut self, now: &Second<'_>) -> u32 {
        self.measure(now);
        let (start, (default_instance_warmup, default_cooldown)) = (self.start, self.defaults());
        let at = |second| start + Duration::from_secs(second);
        let is_in_service = |instance: &&Instance| instance.in_service_at <= now.second;
        let in_service = now.instances.iter().filter(is_in_service);
        let tracked: Vec<TrackedInstance<'_>> = in_service
            .map(|instance| {
                let member = &self.members[&instance.id];
                TrackedInstance {
                    id: &member.id,
                    cpu: &member.cpu,
                    signals: &member.signals,
                    in_service_since: at(instance.in_service_at),
                }
            })
            .collect();
        let pending = now.instances.len() - tracked.len();
        let observation = Observation {
            pace: self.pace,
            default_instance_warmup,
            default_cooldown,
            pending: u32::try_from(pending).unwrap(),
            terminating: 0,
            signals: &GroupSignals::default(),
            customized: &BTreeMap::new(),
            capacity: Capacity {
                min_size: now.min_size,
                max_size: now.max_size,
                desired_capacity: now.desired(),
            },
            settling: pending > 0,
            instances: &tracked,
            now: Now {
                mono: at(now.second),
                wall: jiff::Timestamp::from_second(now.second.cast_signed()).unwrap(),
            },
        };
        let policies = std::slice::from_ref(&self.policy);
        let wanted = evaluate(policies, &observation, &mut self.state);
        let (before, after) = (now.desired(), wanted.desired_capacity);
        self.state.record_scaling(before, after, at(now.second));
        after
    }
}
