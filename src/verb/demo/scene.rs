use std::time::Duration;

use minicloud_autoscaler::describe::{Activity, AutoScalingGroup, Instance};
use minicloud_lb_api::TargetHealthDescription;

use super::super::{activities, groups, targets};
use crate::output::{percent, plain};

const BAR: usize = 40;

/// One moment of the story.
pub(super) struct Scene {
    pub(super) elapsed: Duration,
    pub(super) burns: bool,
    pub(super) group: AutoScalingGroup,
    pub(super) targets: Vec<TargetHealthDescription>,
    pub(super) last_activity: Option<Activity>,
}

impl Scene {
    /// For a screen that is drawn again and again.
    pub(super) fn lines(&self) -> Vec<String> {
        let group = &self.group;
        let stress = if self.burns {
            "stress runs"
        } else {
            "stress is over"
        };
        let mut lines = vec![
            format!("{:>4} s    {stress}", self.elapsed.as_secs()),
            format!(
                "capacity  {} in service, {} desired (min {}, max {})",
                groups::in_service(group),
                group.desired_capacity,
                group.min_size,
                group.max_size
            ),
            format!("CPU       {} {}", self.bar(), self.cpu()),
        ];
        lines.extend(
            group
                .instances
                .iter()
                .map(|instance| self.instance(instance)),
        );
        lines.extend(self.last_activity.iter().map(|activity| {
            let status = activities::status(activity.status_code);
            format!("last      {}: {status}", activity.description)
        }));
        lines.iter().map(|line| plain(line)).collect()
    }

    /// For a log: what has changed, without the figures that always do.
    pub(super) fn digest(&self) -> String {
        let stress = if self.burns {
            "stress runs"
        } else {
            "stress is over"
        };
        let mut parts = vec![format!("{stress}, {} desired", self.group.desired_capacity)];
        parts.extend(self.group.instances.iter().map(|instance| {
            format!(
                "{} {} ({})",
                instance.instance_id,
                instance.lifecycle_state,
                self.health(instance)
            )
        }));
        plain(&parts.join("; "))
    }

    /// A change for a log, with the figures as they are.
    pub(super) fn line(&self, digest: &str) -> String {
        let (seconds, cpu) = (self.elapsed.as_secs(), self.cpu());
        format!("{seconds:>4} s  CPU {cpu}; {digest}")
    }

    fn cpu(&self) -> String {
        let target = groups::target_value(&self.group);
        format!(
            "{} of {}",
            percent(self.group.cpu_utilization),
            percent(target)
        )
    }

    /// CPU as a bar, with a mark at the target.
    fn bar(&self) -> String {
        let column = |percent: f64| {
            let share = (percent / 100.0).clamp(0.0, 1.0);
            // At most BAR, and never negative.
            (share * BAR as f64).round() as usize
        };
        let used = self.group.cpu_utilization.map_or(0, column);
        let target = groups::target_value(&self.group).map(column);
        (1..=BAR)
            .map(|index| match index {
                _ if Some(index) == target => '|',
                _ if index <= used => '#',
                _ => '.',
            })
            .collect()
    }

    fn instance(&self, instance: &Instance) -> String {
        format!(
            "{}  zone {}  {:<11}  CPU {:>5}  {}, {} in flight",
            instance.instance_id,
            instance.availability_zone,
            instance.lifecycle_state.as_str(),
            percent(instance.cpu_utilization),
            self.health(instance),
            instance.in_flight
        )
    }

    fn health(&self, instance: &Instance) -> &'static str {
        let of =
            |target: &&TargetHealthDescription| target.target.id == instance.instance_id.as_str();
        let target = self.targets.iter().find(of);
        target.map_or("no target", |target| {
            targets::state(target.target_health.state)
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use minicloud_autoscaler::instance::LifecycleState;
    use serde_json::json;

    use super::*;

    pub(in super::super) fn group(states: &[LifecycleState]) -> AutoScalingGroup {
        let template = json!({ "launch_template_name": "web", "version": "1" });
        let instances: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(index, state)| {
                json!({
                    "instance_id": format!("i-{index:08x}"), "auto_scaling_group_name": "web",
                    "availability_zone": "a", "lifecycle_state": state,
                    "health_status": "Healthy", "launch_template": template,
                    "protected_from_scale_in": false, "launch_time": "2026-01-01T00:00:00Z",
                    "address": "127.0.0.1:1", "warming": false, "cpu_utilization": 50.0,
                    "in_flight": 3,
                })
            })
            .collect();
        serde_json::from_value(json!({
            "auto_scaling_group_name": "web", "min_size": 1, "max_size": 2,
            "desired_capacity": states.len(), "availability_zones": ["a"],
            "target_group_names": ["web"], "launch_template": template,
            "health_check_type": "ELB", "health_check_grace_period": 30,
            "default_instance_warmup": 5, "conditions": [], "instances": instances,
            "scaling_policies": [{ "name": "cpu80", "target_tracking": {
                "metric": "ASGAverageCPUUtilization", "target_value": 80.0,
                "disable_scale_in": false,
            }}],
            "cpu_utilization": 50.0, "decision": null,
        }))
        .unwrap()
    }

    #[test]
    fn scene_shows_capacity_cpu_and_instances() {
        let scene = Scene {
            elapsed: Duration::from_secs(7),
            burns: true,
            group: group(&[LifecycleState::InService]),
            targets: Vec::new(),
            last_activity: None,
        };
        assert_eq!(
            scene.lines(),
            [
                "   7 s    stress runs",
                "capacity  1 in service, 1 desired (min 1, max 2)",
                "CPU       ####################...........|........ 50 % of 80 %",
                "i-00000000  zone a  InService    CPU  50 %  no target, 3 in flight",
            ]
        );
        let digest = "stress runs, 1 desired; i-00000000 InService (no target)";
        assert_eq!(scene.digest(), digest);
    }
}
