//! What a scaling policy says: `PutScalingPolicy`'s members in snake_case, one key for each
//! kind of policy, and the alarm that invokes a step or simple one. Values and their
//! [`validation`](ScalingPolicy::faults) only; what follows from them is in [`policy`](crate::policy).

mod alarm;
mod metric;
mod record;
mod seconds;
mod validate;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::record::{PolicyRecord, merge};
pub use self::{
    alarm::{ComparisonOperator, MetricAlarm, Statistic, TreatMissingData},
    metric::{
        CustomizedMetric, MetricSpecification, PredefinedMetric, PrometheusQuery, Scrape,
        SeriesStatistic,
    },
    validate::{MAX_POLICY_NAME, MAX_STEP_ADJUSTMENTS, PolicyFault, check_policy_name},
};
use crate::config::ProviderKind;

/// One policy of a group. What is read from JSON has passed [`faults`](Self::faults).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "RawPolicy")]
pub struct ScalingPolicy {
    /// 1 to 255 characters, unique in the group.
    pub name: String,
    /// A disabled policy keeps its alarms and changes nothing.
    pub enabled: bool,
    #[serde(flatten)]
    pub kind: PolicyKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    TargetTracking(TargetTracking),
    StepScaling(StepScaling),
    SimpleScaling(SimpleScaling),
}

/// `TargetTrackingConfiguration`: keeps a metric near a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetTracking {
    #[serde(flatten)]
    pub metric: MetricSpecification,
    /// Above 0; up to 100 for a percentage.
    pub target_value: f64,
    #[serde(default)]
    pub disable_scale_in: bool,
    /// From one scale-in to the next: `ScaleInCooldown` of botocore's `application-autoscaling`
    /// model, which EC2's policies lack; that of the pace where absent. Seconds on the wire.
    #[schema(value_type = Option<u32>)]
    #[serde(
        default,
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub scale_in_cooldown: Option<Duration>,
    /// Until then an instance that came into service stays out of the policy's figures;
    /// the group's `default_instance_warmup` where absent. Seconds on the wire.
    #[schema(value_type = Option<u32>)]
    #[serde(
        default,
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub estimated_instance_warmup: Option<Duration>,
}

/// A policy of type `StepScaling`: how far the alarm's threshold is passed says how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepScaling {
    pub adjustment_type: AdjustmentType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_adjustment_magnitude: Option<u32>,
    /// How the alarm's datapoints become the one value that the steps are compared with.
    #[serde(default)]
    pub metric_aggregation_type: MetricAggregationType,
    /// 1 to 20, without overlap or gap.
    pub step_adjustments: Vec<StepAdjustment>,
    #[schema(value_type = Option<u32>)]
    #[serde(
        default,
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub estimated_instance_warmup: Option<Duration>,
    pub alarm: MetricAlarm,
}

/// A policy of type `SimpleScaling`: one adjustment, then a cooldown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimpleScaling {
    pub adjustment_type: AdjustmentType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_adjustment_magnitude: Option<u32>,
    pub scaling_adjustment: i32,
    /// The group's `default_cooldown` where absent. Seconds on the wire.
    #[schema(value_type = Option<u32>)]
    #[serde(
        default,
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub cooldown: Option<Duration>,
    pub alarm: MetricAlarm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum AdjustmentType {
    ChangeInCapacity,
    ExactCapacity,
    PercentChangeInCapacity,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum MetricAggregationType {
    Minimum,
    Maximum,
    #[default]
    Average,
}

/// An interval of breach sizes and what one in it does. Bounds are relative to the alarm's
/// threshold; an absent one is infinite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepAdjustment {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_interval_lower_bound: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_interval_upper_bound: Option<f64>,
    pub scaling_adjustment: i32,
}

/// A policy as JSON has it: the body of `PUT .../policies/{name}` but for the name.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PutScalingPolicy)]
pub struct RawPolicy {
    #[serde(default)]
    pub name: String,
    #[serde(default = "enabled")]
    pub enabled: bool,
    pub target_tracking: Option<TargetTracking>,
    pub step_scaling: Option<StepScaling>,
    pub simple_scaling: Option<SimpleScaling>,
}

fn enabled() -> bool {
    true
}

impl TryFrom<RawPolicy> for ScalingPolicy {
    type Error = PolicyFault;

    /// # Errors
    /// The first fault; [`ScalingPolicy::faults`] has them all.
    fn try_from(raw: RawPolicy) -> Result<Self, PolicyFault> {
        let mut kinds = [
            raw.target_tracking.map(PolicyKind::TargetTracking),
            raw.step_scaling.map(PolicyKind::StepScaling),
            raw.simple_scaling.map(PolicyKind::SimpleScaling),
        ]
        .into_iter()
        .flatten();
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return Err(PolicyFault::new(
                "",
                "a policy has one of target_tracking, step_scaling and simple_scaling",
            ));
        };
        let policy = Self {
            name: raw.name,
            enabled: raw.enabled,
            kind,
        };
        match policy.faults().into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(policy),
        }
    }
}

impl ScalingPolicy {
    /// `PolicyType` of botocore's model.
    pub fn policy_type(&self) -> &'static str {
        match self.kind {
            PolicyKind::TargetTracking(_) => "TargetTrackingScaling",
            PolicyKind::StepScaling(_) => "StepScaling",
            PolicyKind::SimpleScaling(_) => "SimpleScaling",
        }
    }

    pub fn metric(&self) -> &MetricSpecification {
        match &self.kind {
            PolicyKind::TargetTracking(tracking) => &tracking.metric,
            PolicyKind::StepScaling(step) => &step.alarm.metric,
            PolicyKind::SimpleScaling(simple) => &simple.alarm.metric,
        }
    }

    /// The value that the metric is held against: target or threshold.
    pub fn threshold(&self) -> f64 {
        match &self.kind {
            PolicyKind::TargetTracking(tracking) => tracking.target_value,
            PolicyKind::StepScaling(step) => step.alarm.threshold,
            PolicyKind::SimpleScaling(simple) => simple.alarm.threshold,
        }
    }

    /// What instances of this provider lack of the policy's metric, if it is of instances.
    pub fn unmeasured_by(&self, provider: ProviderKind) -> Option<String> {
        let MetricSpecification::Predefined { metric, .. } = self.metric() else {
            return None;
        };
        (provider == ProviderKind::Process && metric.needs_containers()).then(|| {
            format!(
                "{metric} is measured of containers alone: a child process has no network namespace and no CPU quota of its own; use the provider docker, or another metric"
            )
        })
    }

    /// Whether there is anything at which the policy removes instances.
    pub fn can_scale_in(&self) -> bool {
        let removes = |kind: AdjustmentType, adjustment: i32| {
            kind == AdjustmentType::ExactCapacity || adjustment < 0
        };
        match &self.kind {
            PolicyKind::TargetTracking(tracking) => !tracking.disable_scale_in,
            PolicyKind::StepScaling(step) => step
                .step_adjustments
                .iter()
                .any(|each| removes(step.adjustment_type, each.scaling_adjustment)),
            PolicyKind::SimpleScaling(simple) => {
                removes(simple.adjustment_type, simple.scaling_adjustment)
            }
        }
    }
}

#[cfg(test)]
mod tests;
