use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use super::{Names, scaling_policy};
use crate::{
    config::{
        AutoScalingGroup, HealthCheckType, MAX_SIZE, ProviderKind,
        defaults::{AVAILABILITY_ZONE, Defaults},
        fault::{Mistake, quoted},
        limits::Limits,
        reader::{Entry, Fields},
        scalar,
        schema::{Absent, Form, Key, Section},
        units::show_duration,
    },
    launch_template::LaunchTemplate,
    scaling_policy::ScalingPolicy,
};

pub(in crate::config) const SECTION: Section = Section {
    place: "auto_scaling_groups.NAME",
    keys: &[
        Key::new(
            "launch_template",
            Form::Text("name of a launch template"),
            Absent::Fault("NAME"),
            "What its instances are launched from.",
        ),
        Key::new(
            "min_size",
            Form::Count(&SIZE),
            Absent::Fault("1"),
            "Fewest instances.",
        ),
        Key::new(
            "max_size",
            Form::Count(&SIZE),
            Absent::Fault("2"),
            "Most instances.",
        ),
        Key::new(
            "desired_capacity",
            Form::Count(&SIZE),
            Absent::Default("`min_size`"),
            "Instances to begin with, from `min_size` to `max_size`. Policies change it.",
        ),
        Key::new(
            "availability_zones",
            Form::Text("list of names, one at least"),
            Absent::Default("`[local]`"),
            "Zones that instances are spread over: nodes, or labels on one node.",
        ),
        Key::new(
            "target_groups",
            Form::Text("list of names of target groups"),
            Absent::Default("none"),
            "Where its instances are registered.",
        ),
        Key::new(
            "health_check_type",
            Form::OneOf(HEALTH_CHECK_TYPES),
            Absent::Default("`ELB` with target groups, else `EC2`"),
            "`EC2` replaces an instance that no longer runs, `ELB` also one that its target group finds unhealthy.",
        ),
        Key::new(
            "health_check_grace_period",
            Form::Duration(&PERIOD),
            Absent::ByPace(|defaults| show_duration(defaults.health_check_grace_period)),
            "From launch; health checks do not replace the instance before.",
        ),
        Key::new(
            "default_instance_warmup",
            Form::Duration(&PERIOD),
            Absent::ByPace(|defaults| show_duration(defaults.default_instance_warmup)),
            "From `InService`; until then the instance stays out of the group's average.",
        ),
        Key::new(
            "default_cooldown",
            Form::Duration(&PERIOD),
            Absent::ByPace(|defaults| show_duration(defaults.default_cooldown)),
            "From the end of a simple policy's activity; until then no simple policy begins another.",
        ),
        Key::new(
            "scaling_policies",
            Form::ListOf(&scaling_policy::SECTION),
            Absent::Default("none"),
            "What changes `desired_capacity`.",
        ),
    ],
    renamed: &[
        ("template", "launch_template"),
        ("launch_template_name", "launch_template"),
        ("launch_configuration_name", "launch_template"),
        ("min", "min_size"),
        ("max", "max_size"),
        ("desired", "desired_capacity"),
        ("replicas", "desired_capacity"),
        ("capacity", "write min_size, max_size and desired_capacity"),
        ("zones", "availability_zones"),
        ("azs", "availability_zones"),
        ("target_group", "target_groups"),
        ("target_group_arns", "target_groups"),
        (
            "health",
            "it belongs in target_groups.NAME, as health_check",
        ),
        ("health_check", "it belongs in target_groups.NAME"),
        ("deregistration_delay", "it belongs in target_groups.NAME"),
        ("grace", "health_check_grace_period"),
        ("grace_period", "health_check_grace_period"),
        ("warmup", "default_instance_warmup"),
        ("warm_up", "default_instance_warmup"),
        ("instance_warmup", "default_instance_warmup"),
        ("cooldown", "default_cooldown"),
        ("scaling", "scaling_policies"),
        ("policies", "scaling_policies"),
        ("image", "it belongs in launch_templates.NAME"),
        ("process", "it belongs in launch_templates.NAME"),
        ("cpus", "it belongs in launch_templates.NAME"),
        ("memory", "it belongs in launch_templates.NAME"),
        ("port", "it belongs in launch_templates.NAME"),
        ("env", "it belongs in launch_templates.NAME"),
    ],
};

const HEALTH_CHECK_TYPES: &[&str] = &["EC2", "ELB"];

/// More instances than one machine runs: a larger number is a slip of the finger.
const SIZE: Limits<u32> = Limits::new(0, MAX_SIZE);

/// Two hours, EC2 Auto Scaling's own bound on waiting for an instance.
const PERIOD: Limits<Duration> = Limits::new(Duration::ZERO, Duration::from_secs(7200));

/// What a group is read against.
pub(super) struct Context<'a> {
    pub(super) defaults: &'a Defaults,
    pub(super) provider: Option<ProviderKind>,
    pub(super) launch_template_names: Names,
    pub(super) launch_templates: &'a BTreeMap<String, LaunchTemplate>,
    pub(super) target_groups: &'a Names,
}

struct Sizes {
    min: u32,
    max: u32,
    desired: u32,
}

pub(super) fn read(
    name: &str,
    entry: &Entry<'_>,
    context: &Context<'_>,
) -> Option<AutoScalingGroup> {
    let fields = entry.fields(&SECTION)?;
    let launch_template =
        fields.required("launch_template", |entry| launch_template(entry, context));
    let sizes = sizes(&fields);
    let zones = fields.or(
        "availability_zones",
        vec![AVAILABILITY_ZONE.to_owned()],
        zones,
    );
    let target_groups = fields.or("target_groups", Vec::new(), |entry| {
        entry.distinct(|item| item.read(|name| context.target_groups.resolve(name)))
    });
    let balanced = target_groups
        .as_ref()
        .is_some_and(|groups| !groups.is_empty());
    let health_check_type = fields.or(
        "health_check_type",
        default_check(balanced),
        health_check_type,
    );
    let period = |entry: &Entry<'_>| entry.read(|period| scalar::duration(period, &PERIOD));
    let defaults = context.defaults;
    let grace = fields.or(
        "health_check_grace_period",
        defaults.health_check_grace_period,
        period,
    );
    let warmup = fields.or(
        "default_instance_warmup",
        defaults.default_instance_warmup,
        period,
    );
    let cooldown = fields.or("default_cooldown", defaults.default_cooldown, period);
    let known_groups = target_groups.clone().unwrap_or_default();
    let policies = fields.or("scaling_policies", Vec::new(), |entry| {
        policies(entry, &known_groups, context.provider)
    });
    let Sizes { min, max, desired } = sizes?;
    Some(AutoScalingGroup {
        name: name.to_owned(),
        launch_template: launch_template?,
        min_size: min,
        max_size: max,
        desired_capacity: desired,
        availability_zones: zones?,
        target_groups: target_groups?,
        health_check_type: health_check_type?,
        health_check_grace_period: grace?,
        default_instance_warmup: warmup?,
        default_cooldown: cooldown?,
        scaling_policies: policies?,
    })
}

fn launch_template(entry: &Entry<'_>, context: &Context<'_>) -> Option<String> {
    let name = entry.read(|name| context.launch_template_names.resolve(name))?;
    let (Some(provider), Some(template)) = (context.provider, context.launch_templates.get(&name))
    else {
        return Some(name);
    };
    let (missing, fix) = match provider {
        ProviderKind::Process if template.process.is_none() => ("process", "{ command: [...] }"),
        ProviderKind::Docker if template.image.is_none() => ("image", "NAME"),
        _ => return Some(name),
    };
    entry.refuse(
        Mistake::new(format!(
            "the launch template {} has no {missing}, which the provider {provider} runs",
            quoted(&name)
        ))
        .hint(format!("add {missing}: {fix} to launch_templates.{name}")),
    );
    None
}

fn sizes(fields: &Fields<'_>) -> Option<Sizes> {
    let size = |entry: &Entry<'_>| entry.read(|size| scalar::count(size, &SIZE));
    let min = fields.required("min_size", size);
    let max = fields.required("max_size", size);
    let desired = fields.optional("desired_capacity", size);
    let (min, max) = (min?, max?);
    if min > max {
        if let Some(entry) = fields.get("min_size") {
            let mistake = Mistake::new(format!("min_size {min} is above max_size {max}"));
            entry.refuse(mistake.hint(format!("write {max} or less, or raise max_size")));
        }
        return None;
    }
    let desired = desired?.unwrap_or(min);
    if let Some(entry) = fields.get("desired_capacity")
        && !(min..=max).contains(&desired)
    {
        entry.refuse(outside(desired, min, max));
        return None;
    }
    Some(Sizes { min, max, desired })
}

fn outside(desired: u32, min: u32, max: u32) -> Mistake {
    let mistake = Mistake::new(format!(
        "desired_capacity {desired} is outside min_size {min} to max_size {max}"
    ));
    mistake.hint(match min == max {
        true => format!("write {min}"),
        false => format!("write {min} to {max}"),
    })
}

fn zones(entry: &Entry<'_>) -> Option<Vec<String>> {
    let zones = entry.distinct(|item| item.read(scalar::name))?;
    if zones.is_empty() {
        entry.refuse(
            Mistake::new("no zone").hint(format!("write [{AVAILABILITY_ZONE}], or remove the key")),
        );
        return None;
    }
    Some(zones)
}

/// Who registers instances with a target group wants its opinion.
fn default_check(balanced: bool) -> HealthCheckType {
    match balanced {
        true => HealthCheckType::Elb,
        false => HealthCheckType::Ec2,
    }
}

fn health_check_type(entry: &Entry<'_>) -> Option<HealthCheckType> {
    let kinds = [HealthCheckType::Ec2, HealthCheckType::Elb];
    entry.read(|kind| scalar::one_of(kind, HEALTH_CHECK_TYPES, &kinds))
}

fn policies(
    entry: &Entry<'_>,
    target_groups: &[String],
    provider: Option<ProviderKind>,
) -> Option<Vec<ScalingPolicy>> {
    let mut names = HashSet::new();
    let items = entry.list()?;
    let read = |item| scaling_policy::read(item, &mut names, target_groups, provider);
    Some(items.iter().filter_map(read).collect())
}
