use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use super::{
    Names, busy_check, notification, scaling_policy, scheduled_action, termination_policies,
};
use crate::{
    config::{
        AutoScalingGroup, CapacityDistributionStrategy, ForeignChanges, HealthCheckType, MAX_SIZE,
        ProviderKind,
        defaults::{AVAILABILITY_ZONE, Defaults},
        fault::{Mistake, quoted},
        limits::Limits,
        node::Value,
        reader::{Entry, Fields},
        scalar,
        schema::{Absent, Form, Key, Section},
        units::show_duration,
    },
    launch_template::{LaunchTemplate, LaunchTemplateReference, VersionSelector, check_name},
    scaling_policy::ScalingPolicy,
};

pub(in crate::config) const SECTION: Section = Section {
    place: "auto_scaling_groups.NAME",
    keys: &[
        Key::new(
            "launch_template",
            Form::Or(&Form::Text("name of a launch template"), &LAUNCH_TEMPLATE),
            Absent::Fault("NAME"),
            "What its instances are launched from; a name alone is its latest version. One that the file does not have is looked for among those that the control API made.",
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
            Form::Texts("list of names, one at least"),
            Absent::Default("`[local]`"),
            "Zones that instances are spread over: nodes, or labels on one node.",
        ),
        Key::new(
            "target_groups",
            Form::Texts("list of names of target groups"),
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
        Key::new(
            "termination_policies",
            Form::Texts(termination_policies::VALUE),
            Absent::ByPace(|defaults| format!("[{}]", defaults.termination_policy)),
            "Which instance goes when the group scales in: asked in this order until one is left. See [choosing-instances.md](../concepts/choosing-instances.md).",
        ),
        Key::new(
            "new_instances_protected_from_scale_in",
            Form::Flag,
            Absent::Default("`false`"),
            "Whether instances are launched with scale-in protection: `minicloud protect INSTANCE --off` takes it away.",
        ),
        Key::new(
            "busy_check",
            Form::Section(&busy_check::SECTION),
            Absent::Default("nobody is asked"),
            "How an instance is asked, before it is taken out of service to scale in, whether it is at work.",
        ),
        Key::new(
            "capacity_distribution",
            Form::OneOf(DISTRIBUTIONS),
            Absent::Default("`balanced-best-effort`"),
            "Where a zone refuses a launch: another zone takes it, or it is tried again in the zone that lacks it.",
        ),
        Key::new(
            "foreign_changes",
            Form::OneOf(FOREIGN_CHANGES),
            Absent::Default("`revert`"),
            "What becomes of an instance that somebody else removed, stopped or started: see [choosing-instances.md](../concepts/choosing-instances.md).",
        ),
        Key::new(
            "scheduled_actions",
            Form::ListOf(&scheduled_action::SECTION),
            Absent::Default("none"),
            "What changes the sizes at a time; up to 125.",
        ),
        Key::new(
            "notifications",
            Form::ListOf(&notification::SECTION),
            Absent::Default("none"),
            "Who is told of launches and terminations; up to 10.",
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
        ("termination_policy", "termination_policies"),
        (
            "scale_in_protection",
            "new_instances_protected_from_scale_in",
        ),
        (
            "protected_from_scale_in",
            "new_instances_protected_from_scale_in",
        ),
        ("busy", "busy_check"),
        ("capacity_distribution_strategy", "capacity_distribution"),
        ("availability_zone_distribution", "capacity_distribution"),
        ("scale_in_policy", "termination_policies"),
        ("cooldown", "default_cooldown"),
        ("scaling", "scaling_policies"),
        ("policies", "scaling_policies"),
        ("schedules", "scheduled_actions"),
        ("schedule", "scheduled_actions"),
        ("scheduled_scaling", "scheduled_actions"),
        ("notification_configurations", "notifications"),
        ("webhooks", "notifications"),
        ("image", "it belongs in launch_templates.NAME"),
        ("process", "it belongs in launch_templates.NAME"),
        ("cpus", "it belongs in launch_templates.NAME"),
        ("memory", "it belongs in launch_templates.NAME"),
        ("port", "it belongs in launch_templates.NAME"),
        ("env", "it belongs in launch_templates.NAME"),
    ],
};

const FOREIGN_CHANGES: &[&str] = &["adopt", "revert", "report"];

const DISTRIBUTIONS: &[&str] = &["balanced-best-effort", "balanced-only"];
const LAUNCH_TEMPLATE: Section = Section {
    place: "auto_scaling_groups.NAME.launch_template",
    keys: &[
        Key::new(
            "name",
            Form::Text("name of a launch template"),
            Absent::Fault("NAME"),
            "What its instances are launched from.",
        ),
        Key::new(
            "version",
            Form::TextOrNumber("`$Latest`, `$Default` or a number"),
            Absent::Default("`$Latest`"),
            "Which version. The default is the first, until another is made it.",
        ),
    ],
    renamed: &[
        ("launch_template_name", "name"),
        ("launch_template_version", "version"),
    ],
};

const HEALTH_CHECK_TYPES: &[&str] = &["EC2", "ELB"];

/// More instances than one machine runs: a larger number is a slip of the finger.
pub(super) const SIZE: Limits<u32> = Limits::new(0, MAX_SIZE);

/// Two hours, EC2 Auto Scaling's own bound on waiting for an instance.
pub(crate) const PERIOD: Limits<Duration> = Limits::new(Duration::ZERO, Duration::from_secs(7200));

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
    let termination_policies = fields.or(
        "termination_policies",
        termination_policies::or_default(defaults),
        termination_policies::read,
    );
    let protected = fields.or("new_instances_protected_from_scale_in", false, |entry| {
        entry.read(scalar::flag)
    });
    let busy_check = fields.optional("busy_check", busy_check::read);
    let distribution = fields.or(
        "capacity_distribution",
        CapacityDistributionStrategy::default(),
        distribution,
    );
    let foreign_changes = fields.or(
        "foreign_changes",
        ForeignChanges::default(),
        foreign_changes,
    );
    let actions = fields.or("scheduled_actions", Vec::new(), scheduled_action::list);
    let notifications = fields.or("notifications", Vec::new(), notification::list);
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
        termination_policies: termination_policies?,
        new_instances_protected_from_scale_in: protected?,
        busy_check: busy_check?,
        capacity_distribution: distribution?,
        foreign_changes: foreign_changes?,
        scheduled_actions: actions?,
        notifications: notifications?,
    })
}

fn launch_template(entry: &Entry<'_>, context: &Context<'_>) -> Option<LaunchTemplateReference> {
    let well_formed =
        |name: &str| check_name(name).map_err(|error| Mistake::new(error.to_string()));
    let names = &context.launch_template_names;
    if !matches!(entry.value(), Value::Mapping(_)) {
        let name = entry.read(|name| names.resolve_or_foreign(name, well_formed))?;
        let version = VersionSelector::default();
        return fits(entry, &name, context).then_some(LaunchTemplateReference { name, version });
    }
    let fields = entry.fields(&LAUNCH_TEMPLATE)?;
    // Who writes it out means it: no likeness to another name makes it a typing error.
    let name = fields.required("name", |entry| {
        let name = entry.read(|name| {
            let known = names.resolve(name);
            let text = scalar::text(name)?;
            known.or_else(|_| well_formed(text).map(|()| text.to_owned()))
        })?;
        fits(entry, &name, context).then_some(name)
    });
    let version = fields.or("version", VersionSelector::default(), |entry| {
        entry.read(version)
    });
    Some(LaunchTemplateReference {
        name: name?,
        version: version?,
    })
}

fn version(value: &Value) -> Result<VersionSelector, Mistake> {
    let text = match value {
        Value::Integer(number) => number.to_string(),
        other => scalar::text(other)?.to_owned(),
    };
    text.parse()
        .map_err(|error| Mistake::new(format!("{} {error}", quoted(&text))))
}

/// Whether the provider in use finds what it launches, as far as the file tells.
fn fits(entry: &Entry<'_>, name: &str, context: &Context<'_>) -> bool {
    let (Some(provider), Some(template)) = (context.provider, context.launch_templates.get(name))
    else {
        return true;
    };
    if let (ProviderKind::Process, Some(key)) = (provider, template.container_only()) {
        entry.refuse(
            Mistake::new(format!(
                "the launch template {} has {key}, which child processes cannot be given",
                quoted(name)
            ))
            .hint("remove it, or use --provider docker"),
        );
        return false;
    }
    let (missing, fix) = match provider {
        ProviderKind::Process if template.process.is_none() => ("process", "{ command: [...] }"),
        ProviderKind::Docker if template.image.is_none() => ("image", "NAME"),
        _ => return true,
    };
    entry.refuse(
        Mistake::new(format!(
            "the launch template {} has no {missing}, which the provider {provider} runs",
            quoted(name)
        ))
        .hint(format!("add {missing}: {fix} to launch_templates.{name}")),
    );
    false
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

fn foreign_changes(entry: &Entry<'_>) -> Option<ForeignChanges> {
    let modes = [
        ForeignChanges::Adopt,
        ForeignChanges::Revert,
        ForeignChanges::Report,
    ];
    entry.read(|word| scalar::one_of(word, FOREIGN_CHANGES, &modes))
}

fn distribution(entry: &Entry<'_>) -> Option<CapacityDistributionStrategy> {
    let strategies = [
        CapacityDistributionStrategy::BalancedBestEffort,
        CapacityDistributionStrategy::BalancedOnly,
    ];
    entry.read(|word| scalar::one_of(word, DISTRIBUTIONS, &strategies))
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
