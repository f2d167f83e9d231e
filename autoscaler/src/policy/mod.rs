//! Scaling policies: functions of (policies, what is observed, state, now) to a [`Verdict`].
//! No clock, no I/O; what policies remember between passes is a value of its own ([`State`]),
//! lost at a restart on purpose: after one, nothing scales in until a whole scale-in window,
//! or an alarm's own periods, have been seen again.
//!
//! ```text
//!  metrics ──measure──> tracking (fast | aws) ─┐
//!      └────> alarm ──> step, simple ──────────┴─> evaluations ──combine──> verdict
//! ```

pub mod adjustment;
pub mod alarm;
mod combine;
mod cooldown;
mod execute;
mod measure;
mod saturation;
mod simple;
mod state;
mod step;
mod tracking;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

pub use self::{
    combine::{Verdict, combine},
    execute::{ExecuteError, Execution, execute},
    state::State,
    tracking::managed_alarms,
};
use crate::{
    capacity::Capacity,
    config::Pace,
    describe::InstanceMetric,
    instance::InstanceId,
    metric::{CpuHistory, GaugeSeries, GroupSignals, InstanceSignals},
    now::Now,
    scaling_policy::{CustomizedMetric, PolicyKind, ScalingPolicy},
};

/// An instance in service, as a policy sees it.
#[derive(Clone, Debug)]
pub struct TrackedInstance<'a> {
    pub id: &'a InstanceId,
    pub cpu: &'a CpuHistory,
    pub signals: &'a InstanceSignals,
    pub in_service_since: Instant,
}

impl TrackedInstance<'_> {
    /// When its warm-up ended; `None` while it lasts.
    fn warm_since(&self, warmup: Duration, now: Instant) -> Option<Instant> {
        let end = self.in_service_since + warmup;
        (end <= now).then_some(end)
    }
}

/// What the policies look at in one pass.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    pub pace: Pace,
    pub capacity: Capacity,
    pub default_instance_warmup: Duration,
    pub default_cooldown: Duration,
    /// In service and not about to be replaced.
    pub instances: &'a [TrackedInstance<'a>],
    /// Instances that are launched and not yet in service.
    pub pending: u32,
    /// Instances that drain, into standby too, or end.
    pub terminating: u32,
    /// An instance is being launched or ended: the group is on its way to an earlier decision.
    pub settling: bool,
    pub signals: &'a GroupSignals,
    pub customized: &'a BTreeMap<CustomizedMetric, GaugeSeries>,
    pub now: Now,
}

impl Observation<'_> {
    /// From `InService` until an instance enters the figures of a policy that asks for
    /// `estimated` itself. Without a default instance warm-up AWS takes the default cooldown.
    fn warmup(&self, estimated: Option<Duration>) -> Duration {
        let unset = self.pace == Pace::Aws && self.default_instance_warmup.is_zero();
        estimated.unwrap_or(match unset {
            true => self.default_cooldown,
            false => self.default_instance_warmup,
        })
    }

    /// Instances that are launched and do not count yet.
    fn warming(&self, warmup: Duration) -> u32 {
        let is_warming =
            |instance: &&TrackedInstance<'_>| instance.warm_since(warmup, self.now.mono).is_none();
        let warming = self.instances.iter().filter(is_warming).count();
        self.pending
            .saturating_add(u32::try_from(warming).unwrap_or(u32::MAX))
    }
}

/// How a policy counts where the group might shrink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    Out,
    In,
    /// Not now: no other policy may scale in either.
    Hold,
    /// It only ever adds instances, or is disabled: others may.
    Abstain,
}

/// What one policy concludes. Holding is a conclusion with a reason too.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    pub policy_name: String,
    pub vote: Vote,
    /// The desired capacity that the policy wants, between the bounds; where it holds, the
    /// one that is.
    pub wanted: u32,
    pub reason: String,
    /// The policy's metric as it was compared; absent without data.
    pub metric_value: Option<f64>,
    /// Target or threshold.
    pub threshold: f64,
    /// Instances by metric, where the metric is one of instances.
    pub instances: Vec<InstanceMetric>,
    /// Warmed instances exist, and some have no fresh data.
    pub stale: bool,
}

/// What a kind of policy finds, before it is known which policy that was.
#[derive(Clone, Debug)]
struct Finding {
    wanted: u32,
    reason: String,
    metric_value: Option<f64>,
    instances: Vec<InstanceMetric>,
    stale: bool,
}

/// Lets every policy look, and combines what they say: out if any wants out, to the largest
/// capacity that one wants; in only if all that could scale in want to, to the largest again.
/// The caller acts on the verdict and then calls [`State::record_scaling`], and
/// [`State::begin_cooldown`] with the policy that was chosen.
pub fn evaluate(
    policies: &[ScalingPolicy],
    observation: &Observation<'_>,
    state: &mut State,
) -> Verdict {
    state.advance(policies, observation);
    let evaluations = policies
        .iter()
        .map(|policy| evaluate_one(policy, observation, state));
    combine(evaluations.collect(), observation.capacity)
}

fn evaluate_one(
    policy: &ScalingPolicy,
    observation: &Observation<'_>,
    state: &mut State,
) -> Evaluation {
    let cooldown = state.cooldown;
    let own = state.of(policy);
    let found = match &policy.kind {
        PolicyKind::TargetTracking(tracking) => tracking::evaluate(tracking, observation, own),
        PolicyKind::StepScaling(step) => step::evaluate(step, observation, own),
        PolicyKind::SimpleScaling(simple) => simple::evaluate(simple, observation, own, cooldown),
    };
    let desired = observation.capacity.desired_capacity;
    let (vote, wanted, reason) = match policy.enabled {
        false => (
            Vote::Abstain,
            desired,
            format!("disabled: {}", found.reason),
        ),
        true if found.wanted > desired => (Vote::Out, found.wanted, found.reason),
        true if found.wanted < desired => (Vote::In, found.wanted, found.reason),
        true if policy.can_scale_in() => (Vote::Hold, desired, found.reason),
        true => (Vote::Abstain, desired, found.reason),
    };
    Evaluation {
        policy_name: policy.name.clone(),
        vote,
        wanted,
        reason,
        metric_value: found.metric_value,
        threshold: policy.threshold(),
        instances: found.instances,
        stale: found.stale,
    }
}

#[cfg(test)]
mod tests;
