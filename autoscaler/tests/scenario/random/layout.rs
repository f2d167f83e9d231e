//! What the configuration file says in a script, and what a script may change of it.

use std::fmt::Write;

use proptest::prelude::*;

/// The parts of the file that scripts vary; everything else of it is fixed.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) aws: bool,
    /// `min_size`, `max_size`, `desired_capacity` of group `web`.
    pub(super) capacity: (u32, u32, u32),
    pub(super) zones: usize,
    pub(super) image: u8,
    pub(super) target_value: u8,
    pub(super) deregistration_delay: u8,
    pub(super) replaces_unhealthy: bool,
    /// A group without a target group, of which nothing else changes.
    pub(super) jobs: bool,
    pub(super) web: bool,
    /// The file does not parse.
    pub(super) broken: bool,
}

/// One change of the file.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Capacity((u32, u32, u32)),
    Zones(usize),
    Image(u8),
    TargetValue(u8),
    DeregistrationDelay(u8),
    ReplacesUnhealthy(bool),
    Web(bool),
    Broken(bool),
}

impl Layout {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let aws = prop_oneof![9 => Just(false), 1 => Just(true)];
        let settings = (
            capacity(),
            1..3_usize,
            5..31_u8,
            any::<bool>(),
            any::<bool>(),
        );
        (aws, settings).prop_map(
            |(aws, (capacity, zones, deregistration_delay, replaces_unhealthy, jobs))| Self {
                aws,
                capacity,
                zones,
                image: 0,
                target_value: 80,
                deregistration_delay,
                replaces_unhealthy,
                jobs,
                web: true,
                broken: false,
            },
        )
    }

    pub(super) fn apply(&mut self, edit: &Edit) {
        match *edit {
            Edit::Capacity(capacity) => self.capacity = capacity,
            Edit::Zones(zones) => self.zones = zones,
            Edit::Image(image) => self.image = image,
            Edit::TargetValue(value) => self.target_value = value,
            Edit::DeregistrationDelay(seconds) => self.deregistration_delay = seconds,
            Edit::ReplacesUnhealthy(replaces) => self.replaces_unhealthy = replaces,
            Edit::Web(present) => self.web = present,
            Edit::Broken(broken) => self.broken = broken,
        }
    }

    pub(super) fn file(&self) -> String {
        if self.broken {
            return "version: 1\nauto_scaling_groups: [".to_owned();
        }
        let mut groups = String::new();
        if self.web {
            let (min, max, desired) = self.capacity;
            let zones = ["a", "b", "c"][..self.zones].join(", ");
            let kind = if self.replaces_unhealthy {
                "ELB"
            } else {
                "EC2"
            };
            let target = self.target_value;
            let _ = writeln!(
                groups,
                "  web: {{ launch_template: web, min_size: {min}, max_size: {max}, desired_capacity: {desired}, availability_zones: [{zones}], target_groups: [web], health_check_type: {kind}, health_check_grace_period: 10s, scaling_policies: [ {{ name: cpu, target_tracking: {{ metric: ASGAverageCPUUtilization, target_value: {target} }} }} ] }}"
            );
        }
        if self.jobs {
            groups += "  jobs: { launch_template: web, min_size: 0, max_size: 2, desired_capacity: 1, health_check_grace_period: 10s }\n";
        }
        if !groups.is_empty() {
            groups.insert_str(0, "auto_scaling_groups:\n");
        }
        let pace = if self.aws { "aws" } else { "fast" };
        let (image, delay) = (self.image, self.deregistration_delay);
        format!(
            "version: 1
pace: {pace}
launch_templates:
  web: {{ image: web-{image}, process: {{ command: [web] }}, cpus: 1, port: 8080 }}
{groups}target_groups:
  web: {{ health_check: {{ path: /health }}, deregistration_delay: {delay}s }}
load_balancers:
  edge: {{ listeners: [ {{ port: 8080, default_action: {{ forward: web }} }} ] }}
"
        )
    }
}

impl Edit {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            2 => capacity().prop_map(Self::Capacity),
            1 => (1..4_usize).prop_map(Self::Zones),
            2 => any::<u8>().prop_map(Self::Image),
            1 => (20..100_u8).prop_map(Self::TargetValue),
            1 => (0..60_u8).prop_map(Self::DeregistrationDelay),
            1 => any::<bool>().prop_map(Self::ReplacesUnhealthy),
            3 => any::<bool>().prop_map(Self::Web),
            1 => any::<bool>().prop_map(Self::Broken),
        ]
    }
}

fn capacity() -> impl Strategy<Value = (u32, u32, u32)> {
    (0..4_u32, 0..4_u32, 0..4_u32).prop_map(|(min, more, desired)| {
        let max = min + more;
        (min, max, (min + desired).min(max))
    })
}
