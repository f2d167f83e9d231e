//! What the control API answers: botocore's `autoscaling` and `elbv2` shapes in snake_case,
//! with what a minicloud knows besides. Types and their wire form only.

use std::{collections::VecDeque, sync::Arc};

use compact_str::CompactString;
use jiff::Timestamp;
use minicloud_lb_api::TargetHealthDescription;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    alarms::{Alarm, AlarmHistory},
    config::{
        BusyCheck, CapacityDistributionStrategy, ForeignChanges, HealthCheckType, Pace,
        TerminationPolicy,
    },
    instance::{InstanceId, LifecycleState, ManagedBy},
    instance_refresh::InstanceRefresh,
    key_pair::PublicKey,
    launch_template::ComposeService,
    scaling_policy::ScalingPolicy,
    scaling_process::{ScalingProcess, SuspendedProcess},
    security_group::SecurityGroup,
};

/// Everything the API shows, as of one pass of the reconcile loop.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct View {
    pub time: Timestamp,
    /// False until the provider has been observed once: nothing may be concluded before.
    pub ready: bool,
    pub pace: Pace,
    pub auto_scaling_groups: Vec<Arc<AutoScalingGroup>>,
    pub target_groups: Vec<Arc<TargetGroup>>,
    pub load_balancers: Vec<LoadBalancer>,
    /// What is wrong with the whole rather than with a group.
    pub conditions: Vec<Condition>,
    #[serde(default)]
    pub security_groups: Arc<Vec<SecurityGroup>>,
    /// Where what is in force comes from.
    #[serde(default)]
    pub configuration: Configuration,
}

impl View {
    /// Before the first pass.
    pub fn empty(pace: Pace, time: Timestamp) -> Self {
        Self {
            time,
            ready: false,
            pace,
            auto_scaling_groups: Vec::new(),
            target_groups: Vec::new(),
            load_balancers: Vec::new(),
            conditions: Vec::new(),
            security_groups: Arc::default(),
            configuration: Configuration::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AutoScalingGroup {
    pub auto_scaling_group_name: String,
    pub min_size: u32,
    pub max_size: u32,
    pub desired_capacity: u32,
    pub availability_zones: Vec<String>,
    pub launch_template: LaunchTemplateSpecification,
    pub target_group_names: Vec<String>,
    pub health_check_type: HealthCheckType,
    /// Seconds.
    pub health_check_grace_period: u64,
    /// Seconds.
    pub default_instance_warmup: u64,
    /// Seconds.
    #[serde(default)]
    pub default_cooldown: u64,
    pub scaling_policies: Vec<ScalingPolicy>,
    #[serde(default)]
    pub termination_policies: Vec<TerminationPolicy>,
    #[serde(default)]
    pub new_instances_protected_from_scale_in: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_check: Option<BusyCheck>,
    #[serde(default)]
    pub capacity_distribution: CapacityDistributionStrategy,
    #[serde(default)]
    pub foreign_changes: ForeignChanges,
    /// The Compose service that the group adopts, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopts: Option<ComposeService>,
    /// Those of the policies, in their order.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    #[serde(skip)]
    pub alarm_history: Arc<AlarmHistory>,
    /// By name.
    #[serde(default)]
    pub suspended_processes: Vec<SuspendedProcess>,
    pub instances: Vec<Instance>,
    pub conditions: Vec<Condition>,
    /// Average over instances of the last half minute, those left out that warm up, percent;
    /// absent without data.
    pub cpu_utilization: Option<f64>,
    /// The last decision of the group's scaling policy, with what it was made from.
    pub decision: Option<Arc<Decision>>,
    /// The instance refresh under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_refresh: Option<InstanceRefresh>,
    /// The last few, newest first.
    #[serde(skip)]
    pub instance_refreshes: Arc<[InstanceRefresh]>,
    /// By name.
    #[serde(default)]
    pub scheduled_actions: Vec<ScheduledUpdateGroupAction>,
    /// Newest first.
    #[serde(skip)]
    pub activities: Arc<VecDeque<Arc<Activity>>>,
}

impl AutoScalingGroup {
    /// Whether somebody has suspended the process.
    pub fn suspends(&self, process: ScalingProcess) -> bool {
        let mut suspended = self.suspended_processes.iter();
        suspended.any(|one| one.process_name == process)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LaunchTemplateSpecification {
    #[schema(value_type = String)]
    pub launch_template_name: CompactString,
    /// A string, as AWS has it.
    #[schema(value_type = String)]
    pub version: CompactString,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    pub instance_id: InstanceId,
    #[schema(value_type = String)]
    pub auto_scaling_group_name: CompactString,
    /// Who starts and ends it.
    #[serde(default)]
    pub managed_by: ManagedBy,
    #[schema(value_type = String)]
    pub availability_zone: CompactString,
    pub lifecycle_state: LifecycleState,
    pub health_status: HealthStatus,
    pub launch_template: LaunchTemplateSpecification,
    /// The container image that it runs; absent of child processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The key pair that it was launched with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// The key pair's public half at the launch.
    #[serde(skip)]
    pub public_key: Option<PublicKey>,
    pub protected_from_scale_in: bool,
    pub launch_time: Timestamp,
    /// When it ends at the latest, of one that drains: the deregistration delay is over then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining_until: Option<Timestamp>,
    /// `host:port`, once it runs.
    #[schema(value_type = Option<String>)]
    pub address: Option<CompactString>,
    /// True until the warm-up is over.
    pub warming: bool,
    /// Percent of the instance's own quota over the last seconds; absent without fresh data.
    pub cpu_utilization: Option<f64>,
    pub in_flight: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum HealthStatus {
    Healthy,
    Unhealthy,
}

/// `Activity` of botocore's `autoscaling` model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    pub activity_id: String,
    pub auto_scaling_group_name: String,
    /// "Launching a new EC2 instance: i-0123abcd", with our word for it.
    pub description: String,
    /// Why, in a sentence that carries the arithmetic.
    pub cause: String,
    pub start_time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    pub status_code: ActivityStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// Percent.
    pub progress: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
}

/// `ScheduledUpdateGroupAction` of botocore's `autoscaling` model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduledUpdateGroupAction {
    pub auto_scaling_group_name: String,
    pub scheduled_action_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_capacity: Option<u32>,
    /// The next three, soonest first; empty where it does not run any more.
    pub next_times: Vec<Timestamp>,
    /// The occurrence that ran last, since the action was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Timestamp>,
    /// The configuration file says something else, or nothing: it was changed through the API.
    pub changed_through_api: bool,
}

/// The subset of `ScalingActivityStatusCode` that a group without hooks passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ActivityStatus {
    PreInService,
    InProgress,
    WaitingForELBConnectionDraining,
    Successful,
    Failed,
    Cancelled,
}

/// What a group's scaling policies concluded in one pass: the policy that settled it, and what
/// each of them had to say. A decision to hold carries its reason too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    pub time: Timestamp,
    pub policy_name: String,
    pub desired_capacity_before: u32,
    pub desired_capacity: u32,
    /// The arithmetic and the rule that settled it: "2 x 50.4 / 80 = 1.26 -> 2: hold".
    pub reason: String,
    pub inputs: DecisionInputs,
    /// One for each policy, in their order.
    #[serde(default)]
    pub policies: Vec<PolicyDecision>,
}

/// What one policy had to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyDecision {
    pub policy_name: String,
    pub policy_type: String,
    pub metric_name: String,
    /// As it was compared; absent without data.
    pub metric_value: Option<f64>,
    /// Target value, or the alarm's threshold.
    pub threshold: f64,
    /// The desired capacity that it wants by itself.
    pub wanted: u32,
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionInputs {
    /// Target value or threshold of the policy that settled it.
    pub target_value: f64,
    /// Its metric, in its unit.
    pub metric_value: Option<f64>,
    pub instances: Vec<InstanceMetric>,
    pub min_size: u32,
    pub max_size: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InstanceMetric {
    pub instance_id: InstanceId,
    /// Absent: no fresh data.
    pub value: Option<f64>,
    pub warming: bool,
}

/// Something an operator should know, while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    pub since: Timestamp,
    /// What, where, and what to do.
    pub message: String,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub enum ConditionKind {
    /// No fresh CPU figures: nothing scales in.
    MetricsStale,
    /// A customized metric cannot be read: its policies hold.
    MetricUnavailable,
    /// Too many failed launches: no more until something changes.
    LaunchSuspended,
    /// A launch failed; the next try is delayed.
    LaunchFailing,
    /// The provider does not answer: nothing is launched or ended.
    ProviderUnavailable,
    /// The balancer has not reported lately: drains run to their full delay.
    LoadBalancerUnreachable,
    /// Part of the snapshot could not be applied at the balancer.
    LoadBalancerFault,
    /// The configuration file does not pass; the one before it stays in force.
    ConfigInvalid,
    /// A container of the group's service that minicloud did not launch.
    Stranger,
    /// More instances than wanted, and all that are left are protected from scale-in.
    ProtectedFromScaleIn,
    /// More instances than wanted, and those that should go say that they are at work.
    InstancesBusy,
    /// The host has no room for another instance: the group does not grow.
    HostSaturated,
    /// A process that would do something now is suspended.
    ProcessSuspended,
    /// A zone refuses launches.
    AvailabilityZoneImpaired,
    /// Somebody else removed, stopped or started instances, and nothing is done about it.
    ForeignChange,
    /// Notifications of the group are not taken by an endpoint.
    NotificationsFailing,
    /// The group's launch template, or the version that it names, does not exist.
    LaunchTemplateNotFound,
    /// User data failed on an instance that goes on.
    UserDataFailed,
    /// The machine does not let CPU quota and memory limit be set on child processes.
    QuotaNotEnforced,
    /// A Compose service that asks to be adopted cannot be, or not as it asks.
    AdoptionRejected,
}

impl ConditionKind {
    /// As it is on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MetricsStale => "MetricsStale",
            Self::MetricUnavailable => "MetricUnavailable",
            Self::LaunchSuspended => "LaunchSuspended",
            Self::LaunchFailing => "LaunchFailing",
            Self::ProviderUnavailable => "ProviderUnavailable",
            Self::LoadBalancerUnreachable => "LoadBalancerUnreachable",
            Self::LoadBalancerFault => "LoadBalancerFault",
            Self::ConfigInvalid => "ConfigInvalid",
            Self::Stranger => "Stranger",
            Self::ProtectedFromScaleIn => "ProtectedFromScaleIn",
            Self::InstancesBusy => "InstancesBusy",
            Self::HostSaturated => "HostSaturated",
            Self::ProcessSuspended => "ProcessSuspended",
            Self::AvailabilityZoneImpaired => "AvailabilityZoneImpaired",
            Self::ForeignChange => "ForeignChange",
            Self::NotificationsFailing => "NotificationsFailing",
            Self::LaunchTemplateNotFound => "LaunchTemplateNotFound",
            Self::UserDataFailed => "UserDataFailed",
            Self::QuotaNotEnforced => "QuotaNotEnforced",
            Self::AdoptionRejected => "AdoptionRejected",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetGroup {
    pub target_group_name: String,
    /// Absent while the balancer is silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    pub target_health_descriptions: Vec<TargetHealthDescription>,
}

/// Requests that wait because no target may take one more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// Requests that wait now.
    pub length: u64,
    /// How long the one that waits longest has waited.
    pub wait_seconds: f64,
    /// Requests since the balancer started that the queue had no place for, or that waited too
    /// long.
    pub rejected: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoadBalancer {
    pub load_balancer_name: String,
    pub dns_name: String,
    pub ports: Vec<u16>,
}

/// The configuration in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Configuration {
    pub source: ConfigurationSource,
    /// The file that is watched: once its content changes, it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// When it was applied, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
    /// What it says; not part of the view.
    #[serde(skip)]
    pub text: Arc<[u8]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationSource {
    /// The example that is built in.
    #[default]
    BuiltIn,
    /// The file that is watched.
    File,
    /// What was applied through the API after that file changed last.
    Applied,
}
