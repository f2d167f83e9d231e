//! minicloud's target tracking: the function itself, over CPU histories as an agent's counters
//! would have made them.

use std::{collections::BTreeMap, time::Duration};

use minicloud_agent_api::{Sample, names};
use minicloud_autoscaler::{
    capacity::Capacity,
    config::{Pace, PredefinedMetric, TargetTracking},
    instance::InstanceId,
    metric::{CpuHistory, Scrape},
    policy::{Observation, TrackedInstance, TrackingState, evaluate},
};
use tokio::time::Instant;

use super::{Algorithm, Second, TARGET};
use crate::simulation::Instance;

pub(crate) struct Ours {
    pace: Pace,
    policy: TargetTracking,
    state: TrackingState,
    members: BTreeMap<u32, Member>,
    start: Instant,
}

struct Member {
    id: InstanceId,
    cpu: CpuHistory,
    cpu_seconds: f64,
}

impl Ours {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            policy: TargetTracking {
                metric: PredefinedMetric::AsgAverageCpuUtilization,
                target_value: 100.0 * TARGET,
                disable_scale_in: false,
            },
            state: TrackingState::default(),
            members: BTreeMap::new(),
            start: Instant::now(),
        }
    }

    /// The pace's default instance warm-up.
    fn warm_up(&self) -> u64 {
        match self.pace {
            Pace::Fast => 15,
            Pace::Aws => 0,
        }
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
                cpu_seconds: 0.0,
            });
            if instance.in_service_at <= now.second {
                member.cpu_seconds += now.utilization;
            }
            let id = member.id.to_string();
            let sample = Sample {
                name: names::CONTAINER_CPU_USAGE_SECONDS_TOTAL.to_owned(),
                labels: BTreeMap::from([(names::ID.to_owned(), format!("/process/{id}"))]),
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
        let (start, warm_up) = (self.start, self.warm_up());
        let at = |second| start + Duration::from_secs(second);
        let is_in_service = |instance: &&Instance| instance.in_service_at <= now.second;
        let in_service = now.instances.iter().filter(is_in_service);
        let tracked: Vec<TrackedInstance<'_>> = in_service
            .map(|instance| {
                let member = &self.members[&instance.id];
                let warm_at = instance.in_service_at + warm_up;
                TrackedInstance {
                    id: &member.id,
                    cpu: &member.cpu,
                    warm_since: (warm_at <= now.second).then(|| at(warm_at)),
                }
            })
            .collect();
        let observation = Observation {
            capacity: Capacity {
                min_size: now.min_size,
                max_size: now.max_size,
                desired_capacity: now.desired(),
            },
            settling: tracked.len() < now.instances.len(),
            instances: &tracked,
            now: at(now.second),
        };
        let wanted = evaluate(&self.policy, self.pace, observation, &mut self.state);
        let (before, after) = (now.desired(), wanted.desired_capacity);
        self.state.record_scaling(before, after, at(now.second));
        after
    }
}
