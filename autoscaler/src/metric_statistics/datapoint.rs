use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use minicloud_lb_api::{RequestStatistics, TargetState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    describe::AutoScalingGroup,
    instance::{InstanceId, LifecycleState},
    target_health::TargetHealthIndex,
};

/// A group over one period, under the names of CloudWatch's metrics of Auto Scaling groups, EC2
/// and load balancers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Datapoint {
    /// The end of the period.
    pub timestamp: Timestamp,
    pub group_min_size: u32,
    pub group_max_size: u32,
    pub group_desired_capacity: u32,
    pub group_in_service_instances: u32,
    pub group_pending_instances: u32,
    pub group_terminating_instances: u32,
    /// In standby, or on their way there.
    pub group_standby_instances: u32,
    /// Average over the instances that are warm, percent; absent without data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_utilization: Option<f64>,
    /// Targets that may serve; with the next the group's targets.
    pub healthy_host_count: u32,
    pub un_healthy_host_count: u32,
    /// Requests and upgraded connections that the group's instances hold; the most of them in a
    /// longer period.
    pub in_flight: u64,
    /// Requests that wait for a target; the most of them in a longer period.
    pub queue_length: u64,
    /// Absent where the balancer is silent, or has just started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestDatapoint>,
    /// By id.
    pub instances: Vec<InstanceDatapoint>,
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestDatapoint {
    /// Responses a second by the class of their code, from 1xx to 5xx, those of the balancer
    /// itself included.
    pub responses_per_second: [f64; 5],
    /// Seconds; absent where there was no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_p50: Option<f64>,
    /// Seconds; absent where there was no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_time_p99: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InstanceDatapoint {
    #[schema(value_type = String)]
    pub instance_id: Arc<InstanceId>,
    pub lifecycle_state: LifecycleState,
    /// Percent of its own quota; absent without data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_utilization: Option<f64>,
    pub in_flight: u64,
}

impl RequestDatapoint {
    /// Of what was added over `span`.
    pub(super) fn new(added: &RequestStatistics, span: Duration) -> Self {
        let seconds = span.as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            responses_per_second: added.responses.map(|count| count as f64 / seconds),
            response_time_p50: added.duration_quantile(0.5),
            response_time_p99: added.duration_quantile(0.99),
        }
    }

    /// Responses a second, whatever their code.
    pub fn rate(&self) -> f64 {
        self.responses_per_second.iter().sum()
    }
}

impl Datapoint {
    /// Of now; `known` are instances of before, whose ids are shared.
    pub(super) fn of(
        group: &AutoScalingGroup,
        targets: &TargetHealthIndex<'_>,
        known: &[InstanceDatapoint],
        timestamp: Timestamp,
    ) -> Self {
        let count = |state: LifecycleState| {
            let instances = group.instances.iter();
            let in_state = instances.filter(|instance| instance.lifecycle_state == state);
            u32::try_from(in_state.count()).unwrap_or(u32::MAX)
        };
        let target_groups = group.target_group_names.iter();
        let hosts = target_groups
            .clone()
            .flat_map(|name| targets.of_group(name));
        let (mut healthy, mut unhealthy) = (0, 0);
        for host in hosts {
            match host.target_health.state {
                TargetState::Healthy => healthy += 1,
                TargetState::Unhealthy | TargetState::Unavailable => unhealthy += 1,
                TargetState::Initial | TargetState::Draining | TargetState::Unused => {}
            }
        }
        let queued = target_groups.filter_map(|name| targets.queue(name));
        let instances = group.instances.iter().map(|instance| InstanceDatapoint {
            instance_id: known
                .iter()
                .map(|one| &one.instance_id)
                .find(|id| ***id == instance.instance_id)
                .map_or_else(|| Arc::new(instance.instance_id.clone()), Arc::clone),
            lifecycle_state: instance.lifecycle_state,
            cpu_utilization: instance.cpu_utilization,
            in_flight: instance.in_flight,
        });
        Self {
            timestamp,
            group_min_size: group.min_size,
            group_max_size: group.max_size,
            group_desired_capacity: group.desired_capacity,
            group_in_service_instances: count(LifecycleState::InService),
            group_pending_instances: count(LifecycleState::Pending),
            group_terminating_instances: count(LifecycleState::Terminating),
            group_standby_instances: count(LifecycleState::EnteringStandby)
                + count(LifecycleState::Standby),
            cpu_utilization: group.cpu_utilization,
            healthy_host_count: healthy,
            un_healthy_host_count: unhealthy,
            in_flight: sum(group.instances.iter().map(|one| one.in_flight)),
            queue_length: sum(queued.map(|group| group.queue_length)),
            requests: None,
            instances: instances.collect(),
        }
    }

    /// One for a longer period from those of shorter ones within it, oldest first: sizes and
    /// states as they came to be, CPU on average, what is held at its most. `None` of none.
    pub(super) fn summary(of: &[Arc<Self>]) -> Option<Self> {
        let last = of.last()?;
        let mut summary = Self::clone(last);
        summary.cpu_utilization = mean(of.iter().filter_map(|point| point.cpu_utilization));
        summary.in_flight = of.iter().map(|point| point.in_flight).max().unwrap_or(0);
        summary.queue_length = of.iter().map(|point| point.queue_length).max().unwrap_or(0);
        for instance in &mut summary.instances {
            let points = of.iter().flat_map(|point| &point.instances);
            let own = points.filter(|one| one.instance_id == instance.instance_id);
            instance.cpu_utilization = mean(own.filter_map(|one| one.cpu_utilization));
        }
        summary.requests = None;
        Some(summary)
    }
}

/// What a balancer reports need not be sound.
fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
