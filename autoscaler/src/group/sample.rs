//! Groups for unit tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Group, Instance};
use crate::{
    capacity::Capacity,
    config::{AutoScalingGroup, TerminationPolicy},
    instance::{InstanceId, LifecycleState},
    instance_refresh::InstanceRefreshes,
    launch_backoff::LaunchBackoff,
    launch_template::LaunchTemplate,
    metric::GroupSignals,
    policy,
    scaling_process::SuspendedProcesses,
};

/// An empty group `web` of the zones a, b and c, launched from version 3 of template `web`.
pub(crate) fn group(policies: &[TerminationPolicy], desired_capacity: u32) -> Group {
    Group {
        spec: AutoScalingGroup {
            name: "web".to_owned(),
            availability_zones: ["a", "b", "c"].map(str::to_owned).to_vec(),
            termination_policies: policies.to_vec(),
            health_check_grace_period: Duration::from_secs(30),
            ..AutoScalingGroup::default()
        },
        capacity: Capacity {
            min_size: 0,
            max_size: 10,
            desired_capacity,
        },
        suspended_processes: SuspendedProcesses::default(),
        launch_template: LaunchTemplate {
            name: "web".to_owned(),
            version: 3,
            ..LaunchTemplate::default()
        },
        launch_template_fault: None,
        deregistration_delay: Duration::ZERO,
        instances: BTreeMap::new(),
        policies: policy::State::default(),
        signals: GroupSignals::default(),
        policy_ids: BTreeMap::new(),
        alarm_history: Arc::default(),
        cpu_utilization: None,
        launches: LaunchBackoff::default(),
        zone_refusals: BTreeMap::new(),
        decision: None,
        instance_refreshes: InstanceRefreshes::default(),
        capacity_cause: String::new(),
        uninvited: BTreeSet::new(),
        is_new: false,
        retired: false,
    }
}

/// An instance in service for `age`, the `number`th of its group, from version 3 of `web`.
pub(crate) fn in_service(number: u32, zone: &str, age: Duration, now: Instant) -> Instance {
    let launched_at = now.checked_sub(age).unwrap_or(now);
    let mut instance = Instance::pending(
        id(number),
        zone.to_owned(),
        number,
        ("web".to_owned(), 3),
        Timestamp::UNIX_EPOCH,
        launched_at,
    );
    instance.lifecycle_state = LifecycleState::InService;
    instance.in_service_since = Some(launched_at);
    instance.seen = true;
    instance.address = Some(format!("127.0.0.1:{number}"));
    instance
}

pub(crate) fn id(number: u32) -> InstanceId {
    format!("i-{number:08x}").parse().unwrap()
}

impl Group {
    pub(crate) fn with(mut self, instances: impl IntoIterator<Item = Instance>) -> Self {
        let instances = instances.into_iter();
        self.instances
            .extend(instances.map(|instance| (instance.id.clone(), instance)));
        self
    }
}
