//! `ExecutePolicy`: a step or simple policy without its alarm.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Observation, State, simple, step};
use crate::scaling_policy::{PolicyKind, ScalingPolicy};

/// `ExecutePolicyType`'s members but for the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// Whether a cooldown is waited for; of simple scaling alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub honor_cooldown: Option<bool>,
    /// Of step scaling: which step it is, by its distance to `breach_threshold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach_threshold: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// `ScalingActivityInProgressFault`.
    #[error("{0}; wait, or do not honor the cooldown")]
    InProgress(String),
    #[error("{0}")]
    Validation(String),
}

/// The desired capacity after the policy, and the arithmetic of it.
///
/// # Errors
/// Members that do not go with the kind of policy, no step for the value, a cooldown that is
/// to be honoured, or a policy that is disabled.
pub fn execute(
    policy: &ScalingPolicy,
    execution: Execution,
    observation: &Observation<'_>,
    state: &State,
) -> Result<(u32, String), ExecuteError> {
    let refuse = |message: &str| Err(ExecuteError::Validation(message.to_owned()));
    if !policy.enabled {
        return refuse("the policy is disabled; enable it first");
    }
    match &policy.kind {
        PolicyKind::TargetTracking(_) => {
            refuse("a target tracking policy cannot be executed: it follows its metric")
        }
        PolicyKind::StepScaling(policy) => {
            let (Some(value), Some(threshold)) =
                (execution.metric_value, execution.breach_threshold)
            else {
                return refuse("step scaling needs metric_value and breach_threshold");
            };
            if execution.honor_cooldown.is_some() {
                return refuse("honor_cooldown is not supported for step scaling");
            }
            let upward = policy.alarm.comparison_operator.is_upward();
            let steps = &policy.step_adjustments;
            let Some(found) = step::step_for(steps, value - threshold, upward) else {
                return Err(ExecuteError::Validation(format!(
                    "no step adjustment of the policy is for a metric of {value} at a threshold of {threshold}"
                )));
            };
            let warming = observation.warming(observation.warmup(policy.estimated_instance_warmup));
            let (wanted, reason) = step::wanted(policy, found, observation, warming);
            Ok((wanted, format!("{value:.1} against {threshold}: {reason}")))
        }
        PolicyKind::SimpleScaling(policy) => {
            if execution.metric_value.is_some() || execution.breach_threshold.is_some() {
                return refuse("metric_value and breach_threshold are for step scaling alone");
            }
            if execution.honor_cooldown == Some(true)
                && let Some(why) = simple::blocked(observation, state.cooldown)
            {
                return Err(ExecuteError::InProgress(why));
            }
            Ok(simple::wanted(policy, observation))
        }
    }
}
