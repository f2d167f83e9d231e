//! A group and its instances as the loop holds them between passes.

#[cfg(test)]
pub(crate) mod sample;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    alarms::AlarmHistory,
    busy::Busyness,
    capacity::Capacity,
    conduct::Conduct,
    config::{self, CapacityDistributionStrategy, HealthCheckType},
    describe::Decision,
    foreign_change::ForeignChange,
    instance::{InstanceId, LifecycleState, ManagedBy},
    instance_refresh::InstanceRefreshes,
    key_pair::LaunchedKeyPair,
    launch_backoff::{Allowance, LaunchBackoff},
    launch_template::LaunchTemplate,
    metric::{CpuHistory, GroupSignals, InstanceSignals},
    policy,
    scaling_process::{ScalingProcess, SuspendedProcesses},
    termination::is_outdated,
    zones::Spread,
};

/// One Auto Scaling group: what the file says, what was asked of it, what it has.
#[derive(Clone, Debug)]
pub struct Group {
    pub spec: config::AutoScalingGroup,
    pub capacity: Capacity,
    pub suspended_processes: SuspendedProcesses,
    /// What the next instance is launched from.
    pub launch_template: LaunchTemplate,
    /// Why there is no such launch template or version; nothing is launched while it lasts.
    pub launch_template_fault: Option<String>,
    /// Longest deregistration delay of the group's target groups.
    pub deregistration_delay: Duration,
    pub instances: BTreeMap<InstanceId, Instance>,
    /// What its scaling policies remember.
    pub policies: policy::State,
    pub signals: GroupSignals,
    /// By name of a policy: what its alarms' names are made of.
    pub policy_ids: BTreeMap<String, String>,
    pub alarm_history: Arc<AlarmHistory>,
    /// Percent, of the instances that are warm; `None` without fresh data.
    pub cpu_utilization: Option<f64>,
    pub launches: LaunchBackoff,
    /// Zones that refused a launch, until one succeeds there.
    pub zone_refusals: BTreeMap<String, LaunchBackoff>,
    pub decision: Option<Arc<Decision>>,
    pub instance_refreshes: InstanceRefreshes,
    /// Why the desired capacity was changed, until the group has it: goes into the cause of
    /// what follows from the change.
    pub capacity_cause: String,
    /// Carry the group's mark and were not launched by it; kept out until somebody says what
    /// they are.
    pub uninvited: BTreeSet<InstanceId>,
    /// The store knew nothing of it: what carries its mark is its own.
    pub is_new: bool,
    /// No longer in the file: everything it has is ended, then it is forgotten.
    pub retired: bool,
}

impl Group {
    /// Instances that are or are about to be in service.
    pub fn live(&self) -> impl Iterator<Item = &Instance> {
        self.instances
            .values()
            .filter(|instance| instance.is_live())
    }

    pub fn state_counts(&self) -> StateCounts {
        let mut counts = StateCounts::default();
        for instance in self.instances.values() {
            counts.0[instance.lifecycle_state as usize] += 1;
        }
        counts
    }

    pub fn is_settling(&self) -> bool {
        self.instances.values().any(|instance| {
            instance.stopped_since.is_some()
                || instance.lifecycle_state == LifecycleState::Pending
                || instance.lifecycle_state.is_draining()
        })
    }

    /// Its other instances are clones of containers that Compose runs.
    pub fn is_adopted(&self) -> bool {
        !self.retired && self.launch_template.clone_of.is_some()
    }

    pub fn seeds(&self) -> impl Iterator<Item = &Instance> {
        self.instances
            .values()
            .filter(|instance| instance.is_seed())
    }

    /// Compose has come to an end with the group's seeds, and each of them serves.
    pub fn seeds_serve(&self) -> bool {
        let serves = |seed: &Instance| {
            seed.is_in_service() && seed.address.is_some() && seed.unhealthy.is_none()
        };
        self.seeds().next().is_some() && self.seeds().all(serves)
    }

    /// It is to make room for another: an instance refresh names it, or it is a clone of what
    /// its service was before.
    pub fn is_to_be_replaced(&self, instance: &Instance) -> bool {
        let active = self.instance_refreshes.active.as_ref();
        let is_named = || active.is_some_and(|refresh| refresh.replaces(instance));
        let is_outdated_clone = || self.is_adopted() && is_outdated(self, instance);
        !instance.is_seed() && (is_named() || is_outdated_clone())
    }

    /// There is what the next instance is launched from, and nobody has suspended launches.
    pub fn can_launch(&self) -> bool {
        let has_origin = self.launch_template.clone_of.is_none()
            || self.seeds().any(|seed| seed.stopped_since.is_none());
        has_origin && !self.suspends(ScalingProcess::Launch)
    }

    pub fn suspends(&self, process: ScalingProcess) -> bool {
        self.suspended_processes.contains(process)
    }

    /// What keeps unhealthy instances that still run from being replaced. With `Launch`
    /// suspended AWS ends them all the same; here they serve on, as nothing could take over.
    pub fn suspends_replacement(&self) -> Option<ScalingProcess> {
        self.suspended_processes.first_of(&[
            ScalingProcess::ReplaceUnhealthy,
            ScalingProcess::Terminate,
            ScalingProcess::Launch,
        ])
    }

    /// The cause of a change under way, as the end of a sentence.
    pub fn because(&self) -> String {
        match self.capacity_cause.as_str() {
            "" => String::new(),
            cause => format!(": {cause}"),
        }
    }

    pub fn has_desired_capacity(&self) -> bool {
        self.live().count() == self.capacity.desired_capacity as usize && !self.is_settling()
    }

    /// Everything that is wanted has been in service for a grace period: what failed before
    /// does so no longer.
    pub fn has_proven_itself(&self, now: Instant) -> bool {
        let grace = self.spec.health_check_grace_period;
        let proven = |since: Instant| now - since >= grace;
        let enough = self.live().count() >= self.capacity.desired_capacity as usize;
        enough
            && self.has_successor_since_failure()
            && self
                .live()
                .all(|instance| instance.in_service_since.is_some_and(proven))
    }

    /// While instances are replaced, those that serve say nothing of the launches that fail.
    fn has_successor_since_failure(&self) -> bool {
        let Some(failed_at) = self.launches.last_failure() else {
            return true;
        };
        let is_replaced = |one: &Instance| self.is_to_be_replaced(one);
        let is_later = |one: &Instance| one.launched_at > failed_at && !is_replaced(one);
        !self.live().any(is_replaced) || self.live().any(is_later)
    }

    /// It is where it should be, and no clock is running that would change that.
    pub fn is_calm(&self, now: Instant) -> bool {
        let is_normal = |instance: &Instance| instance.conduct == Conduct::Normal;
        self.has_desired_capacity()
            && self.has_proven_itself(now)
            && self.instance_refreshes.active.is_none()
            && self.instances.values().all(is_normal)
    }

    pub fn replaces_on_target_health(&self) -> bool {
        self.spec.health_check_type == HealthCheckType::Elb
    }

    /// Where the next instance belongs, `spread` having been planned already: the zone with
    /// fewest that takes launches now. None: no zone does, or the one that lacks instances
    /// does not and the group must stay balanced.
    pub fn next_zone<'a>(&'a self, spread: &Spread<'a>, now: Instant) -> Option<&'a str> {
        match self.spec.capacity_distribution {
            CapacityDistributionStrategy::BalancedBestEffort => {
                spread.emptiest(|zone| self.zone_takes(zone, spread, now))
            }
            CapacityDistributionStrategy::BalancedOnly => spread
                .emptiest(|_| true)
                .filter(|zone| self.zone_takes(zone, spread, now)),
        }
    }

    fn zone_takes(&self, zone: &str, spread: &Spread<'_>, now: Instant) -> bool {
        let Some(refusals) = self.zone_refusals.get(zone) else {
            return true;
        };
        match refusals.allowance(now) {
            Allowance::Unlimited => true,
            // One tries whether it has changed its mind.
            Allowance::Single => {
                let there = self.live().filter(|one| one.availability_zone == zone);
                let serving = there.filter(|one| one.is_in_service()).count();
                serving >= spread.count(zone)
            }
            Allowance::Delayed(_) | Allowance::Suspended(_) => false,
        }
    }

    /// The smallest number that no instance of the group has.
    pub fn next_index(&self) -> u32 {
        (1..)
            .find(|index| {
                self.instances
                    .values()
                    .all(|instance| instance.index != *index)
            })
            .unwrap_or(1)
    }
}

/// How many instances are in each lifecycle state.
#[derive(Clone, Copy, Debug, Default)]
pub struct StateCounts([u32; LifecycleState::Terminated as usize + 1]);

impl StateCounts {
    pub fn of(&self, state: LifecycleState) -> u32 {
        self.0[state as usize]
    }
}

#[derive(Clone, Debug)]
pub struct Instance {
    pub id: InstanceId,
    pub managed_by: ManagedBy,
    pub availability_zone: String,
    pub index: u32,
    pub launch_template_name: String,
    pub launch_template_version: u64,
    /// That its launch template named when it was launched.
    pub key_pair: Option<LaunchedKeyPair>,
    pub lifecycle_state: LifecycleState,
    pub launch_time: Timestamp,
    /// `launch_time` on the monotonic clock.
    pub launched_at: Instant,
    /// When its health check grace period began: at its launch, and anew when it left standby.
    pub grace_since: Instant,
    pub in_service_since: Option<Instant>,
    pub draining_since: Option<Instant>,
    /// The provider has shown it at least once: from now on, its absence means it is gone.
    pub seen: bool,
    /// Since when it is there and does not run, though it was in service.
    pub stopped_since: Option<Instant>,
    /// `host:port` while it runs.
    pub address: Option<String>,
    pub metric_ids: Arc<[String]>,
    /// What it runs, as the engine names it.
    pub image: Option<String>,
    pub cpu: CpuHistory,
    pub signals: InstanceSignals,
    pub conduct: Conduct,
    /// Why it should be replaced, while that lasts.
    pub unhealthy: Option<String>,
    /// What somebody else did to it, while nothing is done about that.
    pub foreign_change: Option<ForeignChange>,
    /// Never a victim of scale-in; health checks replace it all the same.
    pub protected_from_scale_in: bool,
    pub busyness: Busyness,
    /// It was launched while `AddToLoadBalancer` was suspended, and is registered once that is
    /// resumed; AWS leaves that to whoever suspended it.
    pub kept_from_load_balancer: bool,
    /// It drains because the group had one too many, and has not been told to end.
    pub recallable: bool,
    /// The activity that launches or terminates it.
    pub activity_id: Option<String>,
}

impl Instance {
    /// An instance that is about to be: the record of it is all there is yet.
    pub fn pending(
        id: InstanceId,
        availability_zone: String,
        index: u32,
        launch_template: (String, u64),
        launch_time: Timestamp,
        launched_at: Instant,
    ) -> Self {
        Self {
            id,
            managed_by: ManagedBy::Minicloud,
            availability_zone,
            index,
            launch_template_name: launch_template.0,
            launch_template_version: launch_template.1,
            key_pair: None,
            lifecycle_state: LifecycleState::Pending,
            launch_time,
            launched_at,
            grace_since: launched_at,
            in_service_since: None,
            draining_since: None,
            seen: false,
            stopped_since: None,
            address: None,
            metric_ids: Arc::default(),
            image: None,
            cpu: CpuHistory::default(),
            signals: InstanceSignals::default(),
            conduct: Conduct::default(),
            unhealthy: None,
            foreign_change: None,
            protected_from_scale_in: false,
            busyness: Busyness::default(),
            kept_from_load_balancer: false,
            recallable: false,
            activity_id: None,
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(
            self.lifecycle_state,
            LifecycleState::Pending | LifecycleState::InService
        )
    }

    /// Whether it can be put back into service.
    pub fn is_recallable(&self) -> bool {
        self.lifecycle_state == LifecycleState::Terminating
            && self.recallable
            && self.address.is_some()
            && self.unhealthy.is_none()
    }

    /// A container of an adopted service: it counts, and nothing is done to it.
    pub fn is_seed(&self) -> bool {
        self.managed_by.is_compose()
    }

    pub fn is_in_service(&self) -> bool {
        self.lifecycle_state == LifecycleState::InService
    }

    /// When its warm-up ended, if it has.
    pub fn warm_since(&self, warmup: Duration, now: Instant) -> Option<Instant> {
        self.in_service_since
            .map(|since| since + warmup)
            .filter(|end| *end <= now)
    }
}
