//! What a service that is adopted becomes, in the words of the configuration.

use super::{Service, labels::Labels};
use crate::{
    config::{
        AutoScalingGroup, CapacityDistributionStrategy, ForeignChanges, HealthCheckType, Pace,
        TargetGroup,
        defaults::{AVAILABILITY_ZONE, Defaults},
        file::termination_policies,
    },
    launch_template::{LaunchTemplate, LaunchTemplateReference, VersionSelector},
    scaling_policy::{
        MetricSpecification, PolicyKind, PredefinedMetric, ScalingPolicy, TargetTracking,
    },
};
use minicloud_lb_api::TargetGroupAttributes;

/// `PROJECT-SERVICE`.
pub(super) fn name(service: &Service) -> String {
    format!("{}-{}", service.project, service.service)
}

/// Scales as the labels say. Compose's own containers are there whatever they say.
pub(super) fn scaled(name: &str, labels: &Labels, seeds: u32, pace: Pace) -> AutoScalingGroup {
    let size = labels.size;
    AutoScalingGroup {
        min_size: size.min.max(seeds),
        max_size: size.max,
        desired_capacity: size.desired.max(seeds),
        health_check_type: HealthCheckType::Elb,
        scaling_policies: policies(labels),
        new_instances_protected_from_scale_in: labels.protect,
        scheduled_actions: labels.scheduled_actions.clone(),
        ..unscaled(name, labels, seeds, pace)
    }
}

/// Compose's own containers and no more, whatever their health: only their traffic is served.
pub(super) fn unscaled(name: &str, labels: &Labels, seeds: u32, pace: Pace) -> AutoScalingGroup {
    let defaults = Defaults::of(pace);
    AutoScalingGroup {
        name: name.to_owned(),
        launch_template: LaunchTemplateReference {
            name: name.to_owned(),
            version: VersionSelector::Latest,
        },
        min_size: seeds,
        max_size: seeds,
        desired_capacity: seeds,
        availability_zones: vec![AVAILABILITY_ZONE.to_owned()],
        target_groups: vec![name.to_owned()],
        health_check_type: HealthCheckType::Ec2,
        health_check_grace_period: labels.grace,
        default_instance_warmup: labels.warmup,
        default_cooldown: defaults.default_cooldown,
        scaling_policies: Vec::new(),
        termination_policies: termination_policies::or_default(defaults),
        new_instances_protected_from_scale_in: false,
        busy_check: None,
        capacity_distribution: CapacityDistributionStrategy::default(),
        foreign_changes: ForeignChanges::default(),
        scheduled_actions: Vec::new(),
        notifications: Vec::new(),
    }
}

fn policies(labels: &Labels) -> Vec<ScalingPolicy> {
    let policy = |name: &str, metric, target_value| ScalingPolicy {
        name: name.to_owned(),
        enabled: true,
        kind: PolicyKind::TargetTracking(TargetTracking {
            metric: MetricSpecification::predefined(metric),
            target_value,
            disable_scale_in: false,
            scale_in_cooldown: labels.cooldown,
            estimated_instance_warmup: None,
        }),
    };
    let cpu = policy(
        "cpu",
        PredefinedMetric::AsgAverageCpuUtilization,
        labels.target_cpu,
    );
    let requests = labels.target_rps.map(|rps| {
        // AWS counts requests in a minute.
        let metric = PredefinedMetric::AlbRequestCountPerTarget;
        policy("requests", metric, rps * 60.0)
    });
    [Some(cpu), requests].into_iter().flatten().collect()
}

pub(super) fn target_group(name: &str, labels: &Labels) -> TargetGroup {
    TargetGroup {
        name: name.to_owned(),
        health_check: labels.health_check.clone(),
        deregistration_delay: labels.drain,
        attributes: TargetGroupAttributes {
            stickiness: labels.stickiness.clone(),
            queue: labels.queue.clone(),
            ..TargetGroupAttributes::default()
        },
        targets: Vec::new(),
    }
}

/// What of it is known without its containers.
pub(super) fn launch_template(name: &str, port: u16) -> LaunchTemplate {
    LaunchTemplate {
        name: name.to_owned(),
        version: 1,
        port,
        ..LaunchTemplate::default()
    }
}
