use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Observation, alarm::AlarmState, cooldown::Cooldown, tracking::TrackingState};
use crate::scaling_policy::{PolicyKind, ScalingPolicy};

/// What a group's policies remember between passes.
#[derive(Clone, Debug, Default)]
pub struct State {
    by_policy: BTreeMap<String, PolicyState>,
    pub(super) cooldown: Cooldown,
}

/// What one policy remembers.
#[derive(Clone, Debug)]
pub(super) struct PolicyState {
    /// A policy that says something else is another one.
    policy: ScalingPolicy,
    pub(super) tracking: TrackingState,
    /// One of a step or simple policy; the high and the low one of target tracking.
    pub(super) alarms: Vec<AlarmState>,
    /// The group was resized since the newest datapoint, which so tells of another group.
    pub(super) waits_for_datapoint: bool,
}

impl PolicyState {
    fn new(policy: &ScalingPolicy) -> Self {
        let alarms = match policy.kind {
            PolicyKind::TargetTracking(_) => 2,
            PolicyKind::StepScaling(_) | PolicyKind::SimpleScaling(_) => 1,
        };
        Self {
            policy: policy.clone(),
            tracking: TrackingState::default(),
            alarms: vec![AlarmState::default(); alarms],
            waits_for_datapoint: false,
        }
    }
}

impl State {
    /// Makes room for what `policies` remember, and forgets what others did.
    pub(super) fn advance(&mut self, policies: &[ScalingPolicy], observation: &Observation<'_>) {
        self.by_policy
            .retain(|_, state| policies.contains(&state.policy));
        for policy in policies {
            if !self.by_policy.contains_key(&policy.name) {
                let state = PolicyState::new(policy);
                self.by_policy.insert(policy.name.clone(), state);
            }
        }
        self.cooldown = self
            .cooldown
            .advance(observation.settling, observation.now.mono);
    }

    pub(super) fn of(&mut self, policy: &ScalingPolicy) -> &mut PolicyState {
        self.by_policy
            .entry(policy.name.clone())
            .or_insert_with(|| PolicyState::new(policy))
    }

    /// Notes that the group was resized, by whomever.
    pub fn record_scaling(&mut self, before: u32, after: u32, now: Instant) {
        for state in self.by_policy.values_mut() {
            state.tracking.record_scaling(before, after, now);
            state.waits_for_datapoint |= before != after;
        }
    }

    /// Notes that it was by `policy`: one of simple scaling begins a cooldown.
    pub fn begin_cooldown(&mut self, policy: &ScalingPolicy, default_cooldown: Duration) {
        if let PolicyKind::SimpleScaling(simple) = &policy.kind {
            self.cooldown = Cooldown::Asked {
                then: simple.cooldown.unwrap_or(default_cooldown),
            };
        }
    }

    /// The alarms of a policy: one, or of target tracking the high and the low one.
    pub fn alarms_mut(&mut self, policy: &ScalingPolicy) -> &mut [AlarmState] {
        &mut self.of(policy).alarms
    }

    /// The same, as they are.
    pub fn alarms(&self, policy: &ScalingPolicy) -> &[AlarmState] {
        self.by_policy
            .get(&policy.name)
            .map_or(&[], |state| state.alarms.as_slice())
    }
}
