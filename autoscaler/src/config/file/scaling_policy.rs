mod alarm;
mod metric;

use std::{collections::HashSet, time::Duration};

use crate::{
    config::{
        ProviderKind,
        fault::{Mistake, quoted},
        limits::Limits,
        reader::{Entry, Fields},
        scalar,
        schema::{Absent, Form, Key, Section},
    },
    scaling_policy::{
        AdjustmentType, MetricAggregationType, PolicyFault, PolicyKind, ScalingPolicy,
        SimpleScaling, StepAdjustment, StepScaling, TargetTracking, check_policy_name,
    },
};

pub(in crate::config) const SECTION: Section = Section {
    place: "auto_scaling_groups.NAME.scaling_policies[]",
    keys: &[
        Key::new(
            "name",
            Form::Text("text of 1 to 255 characters"),
            Absent::Fault("cpu80"),
            "Unique in the group.",
        ),
        Key::new(
            "enabled",
            Form::Flag,
            Absent::Default("`true`"),
            "A disabled policy keeps its alarms and changes nothing.",
        ),
        Key::new(
            "target_tracking",
            Form::Section(&TARGET_TRACKING),
            Absent::OneOf,
            "Keeps a metric near a value. A policy has one of this and the two below.",
        ),
        Key::new(
            "step_scaling",
            Form::Section(&STEP_SCALING),
            Absent::OneOf,
            "How far an alarm's threshold is passed says how much.",
        ),
        Key::new(
            "simple_scaling",
            Form::Section(&SIMPLE_SCALING),
            Absent::OneOf,
            "One adjustment as an alarm goes off, then a cooldown.",
        ),
    ],
    renamed: &[
        ("policy_name", "name"),
        ("target_tracking_configuration", "target_tracking"),
        ("step_scaling_policy_configuration", "step_scaling"),
        ("step", "step_scaling"),
        ("simple", "simple_scaling"),
        (
            "policy_type",
            "write target_tracking, step_scaling or simple_scaling instead",
        ),
        (
            "track",
            "write target_tracking: { metric: ASGAverageCPUUtilization, target_value: 80 }",
        ),
        ("metric", "it belongs in target_tracking, or in an alarm"),
        ("target", "it belongs in target_tracking, as target_value"),
        ("target_value", "it belongs in target_tracking"),
        ("disable_scale_in", "it belongs in target_tracking"),
        (
            "adjustment_type",
            "it belongs in step_scaling or simple_scaling",
        ),
        (
            "scaling_adjustment",
            "it belongs in simple_scaling, or in step_adjustments",
        ),
        ("step_adjustments", "it belongs in step_scaling"),
        ("alarm", "it belongs in step_scaling or simple_scaling"),
        ("cooldown", "it belongs in simple_scaling"),
    ],
};

const TARGET_TRACKING: Section = Section {
    place: "auto_scaling_groups.NAME.scaling_policies[].target_tracking",
    keys: &[
        Key::new(
            "metric",
            Form::OneOf(metric::TRACKED),
            Absent::OneOf,
            "A mean over instances: CPU in percent of the quota, bytes a minute, or requests a minute. This or `customized_metric`.",
        ),
        metric::RESOURCE_LABEL,
        metric::CUSTOMIZED,
        Key::new(
            "target_value",
            Form::Number("number, up to 100 for CPU", &TARGET_VALUE),
            Absent::Fault("80"),
            "Value of the metric to stay near.",
        ),
        Key::new(
            "disable_scale_in",
            Form::Flag,
            Absent::Default("`false`"),
            "Whether the policy only ever adds instances.",
        ),
        Key::new(
            "scale_in_cooldown",
            Form::Duration(&WAIT),
            Absent::Default("`60s`, the group's `default_cooldown`"),
            "From one scale-in to the next; at `pace: aws` from any scaling to a scale-in.",
        ),
        WARMUP,
    ],
    renamed: &[
        ("predefined_metric", "metric"),
        ("predefined_metric_type", "metric"),
        (
            "predefined_metric_specification",
            "write metric: ASGAverageCPUUtilization",
        ),
        ("customized_metric_specification", "customized_metric"),
        ("target", "target_value"),
        ("value", "target_value"),
        ("cooldown", "scale_in_cooldown"),
        ("instance_warmup", "estimated_instance_warmup"),
    ],
};

const STEP_SCALING: Section = Section {
    place: "auto_scaling_groups.NAME.scaling_policies[].step_scaling",
    keys: &[
        ADJUSTMENT_TYPE,
        MAGNITUDE,
        Key::new(
            "metric_aggregation_type",
            Form::OneOf(AGGREGATIONS),
            Absent::Default("`Average`"),
            "How the datapoints that breach become the value that steps are compared with.",
        ),
        Key::new(
            "step_adjustments",
            Form::ListOf(&STEP_ADJUSTMENT),
            Absent::Fault("[ { metric_interval_lower_bound: 0, scaling_adjustment: 1 } ]"),
            "1 to 20, without overlap or gap.",
        ),
        WARMUP,
        alarm::KEY,
    ],
    renamed: &[
        ("steps", "step_adjustments"),
        (
            "cooldown",
            "remove it: step scaling has estimated_instance_warmup",
        ),
        ("instance_warmup", "estimated_instance_warmup"),
        ("min_adjustment_step", "min_adjustment_magnitude"),
        ("scaling_adjustment", "it belongs in step_adjustments"),
    ],
};

const STEP_ADJUSTMENT: Section = Section {
    place: "auto_scaling_groups.NAME.scaling_policies[].step_scaling.step_adjustments[]",
    keys: &[
        Key::new(
            "metric_interval_lower_bound",
            Form::Number("number", &ANY),
            Absent::Default("minus infinity"),
            "Of the metric less the alarm's threshold; part of the interval above the threshold.",
        ),
        Key::new(
            "metric_interval_upper_bound",
            Form::Number("number", &ANY),
            Absent::Default("infinity"),
            "The same; part of the interval below the threshold.",
        ),
        SCALING_ADJUSTMENT,
    ],
    renamed: &[
        ("lower_bound", "metric_interval_lower_bound"),
        ("lower", "metric_interval_lower_bound"),
        ("upper_bound", "metric_interval_upper_bound"),
        ("upper", "metric_interval_upper_bound"),
        ("adjustment", "scaling_adjustment"),
    ],
};

const SIMPLE_SCALING: Section = Section {
    place: "auto_scaling_groups.NAME.scaling_policies[].simple_scaling",
    keys: &[
        ADJUSTMENT_TYPE,
        MAGNITUDE,
        SCALING_ADJUSTMENT,
        Key::new(
            "cooldown",
            Form::Duration(&WAIT),
            Absent::Default("the group's `default_cooldown`"),
            "From the end of the activity; until then no simple policy begins another.",
        ),
        alarm::KEY,
    ],
    renamed: &[
        ("adjustment", "scaling_adjustment"),
        ("default_cooldown", "cooldown"),
        ("min_adjustment_step", "min_adjustment_magnitude"),
        (
            "estimated_instance_warmup",
            "remove it: simple scaling has cooldown",
        ),
    ],
};

const ADJUSTMENT_TYPE: Key = Key::new(
    "adjustment_type",
    Form::OneOf(ADJUSTMENT_TYPES),
    Absent::Fault("ChangeInCapacity"),
    "What `scaling_adjustment` is: a difference, a capacity, or percent of the capacity.",
);

const MAGNITUDE: Key = Key::new(
    "min_adjustment_magnitude",
    Form::Count(&MAGNITUDES),
    Absent::Default("none"),
    "Least instances that `PercentChangeInCapacity` adds or removes.",
);

const SCALING_ADJUSTMENT: Key = Key::new(
    "scaling_adjustment",
    Form::Number("whole number", &ADJUSTMENT),
    Absent::Fault("1"),
    "How much; negative to remove.",
);

const WARMUP: Key = Key::new(
    "estimated_instance_warmup",
    Form::Duration(&WAIT),
    Absent::Default("the group's `default_instance_warmup`"),
    "From `InService`; until then an instance counts as launched and is not measured.",
);

const ADJUSTMENT_TYPES: &[&str] = &[
    "ChangeInCapacity",
    "ExactCapacity",
    "PercentChangeInCapacity",
];
const AGGREGATIONS: &[&str] = &["Minimum", "Maximum", "Average"];

const TARGET_VALUE: Limits<f64> = Limits::above(0.0, 1.174271e108);
const ANY: Limits<f64> = Limits::new(-1e108, 1e108);
/// `PolicyIncrement` is a 32-bit integer.
const ADJUSTMENT: Limits<f64> = Limits::new(-2_147_483_648.0, 2_147_483_647.0);
const MAGNITUDES: Limits<u32> = Limits::new(1, 1000);
/// Two hours, EC2 Auto Scaling's own bound on waiting for an instance.
const WAIT: Limits<Duration> = Limits::new(Duration::ZERO, Duration::from_secs(7200));

/// `names` are those of the group's policies so far.
pub(super) fn read(
    entry: &Entry<'_>,
    names: &mut HashSet<String>,
    target_groups: &[String],
    provider: Option<ProviderKind>,
) -> Option<ScalingPolicy> {
    let fields = entry.fields(&SECTION)?;
    let name = fields.required("name", |entry| new_name(entry, names));
    let enabled = fields.or("enabled", true, |entry| entry.read(scalar::flag));
    let kind = kind(entry, &fields);
    let policy = ScalingPolicy {
        name: name?,
        enabled: enabled?,
        kind: kind?,
    };
    let faults = policy.faults().into_iter();
    let faults: Vec<_> = faults
        .chain(policy.faults_in_group(target_groups))
        .collect();
    for fault in &faults {
        refuse(entry, fault);
    }
    if let Some(mistake) = unmeasured(&policy, provider) {
        entry.refuse_label(mistake);
    }
    faults.is_empty().then_some(policy)
}

fn refuse(entry: &Entry<'_>, fault: &PolicyFault) {
    let place = entry.nearest_to(&fault.path);
    place.refuse(Mistake::new(fault.message.clone()));
}

/// A metric that instances of this provider do not have.
fn unmeasured(policy: &ScalingPolicy, provider: Option<ProviderKind>) -> Option<Mistake> {
    let message = policy.unmeasured_by(provider?)?;
    Some(Mistake::new(message))
}

fn new_name(entry: &Entry<'_>, names: &mut HashSet<String>) -> Option<String> {
    let name = entry.read(scalar::text)?.to_owned();
    if let Err(fault) = check_policy_name(&name) {
        entry.refuse(Mistake::new(fault.message));
        return None;
    }
    if !names.insert(name.clone()) {
        let mistake = Mistake::new(format!("another policy is named {} too", quoted(&name)));
        entry.refuse(mistake.hint("give each policy of the group its own name"));
    }
    Some(name)
}

fn kind(entry: &Entry<'_>, fields: &Fields<'_>) -> Option<PolicyKind> {
    const KINDS: [&str; 3] = ["target_tracking", "step_scaling", "simple_scaling"];
    let given: Vec<&'static str> = KINDS
        .into_iter()
        .filter(|kind| fields.get(kind).is_some())
        .collect();
    let key = match given.as_slice() {
        [key] => *key,
        [] => {
            let mistake = Mistake::new("target_tracking is missing");
            entry.refuse_label(mistake.hint(
                "add target_tracking: { metric: ASGAverageCPUUtilization, target_value: 80 }, or step_scaling, or simple_scaling",
            ));
            return None;
        }
        [first, second, ..] => {
            let mistake = Mistake::new(format!("{second} stands beside {first}"));
            let place = fields.get(second).unwrap_or(entry);
            place.refuse_label(mistake.hint("make two policies of them"));
            return None;
        }
    };
    let entry = fields.get(key)?;
    match key {
        "target_tracking" => target_tracking(entry).map(PolicyKind::TargetTracking),
        "step_scaling" => step_scaling(entry).map(PolicyKind::StepScaling),
        _ => simple_scaling(entry).map(PolicyKind::SimpleScaling),
    }
}

fn target_tracking(entry: &Entry<'_>) -> Option<TargetTracking> {
    let fields = entry.fields(&TARGET_TRACKING)?;
    let metric = metric::read(entry, &fields, metric::TRACKED);
    let target_value = fields.required("target_value", |entry| {
        entry.read(|value| scalar::number(value, &TARGET_VALUE))
    });
    let disable_scale_in = fields.or("disable_scale_in", false, |entry| entry.read(scalar::flag));
    let cooldown = fields.optional("scale_in_cooldown", wait);
    let warmup = fields.optional("estimated_instance_warmup", wait);
    Some(TargetTracking {
        metric: metric?,
        target_value: target_value?,
        disable_scale_in: disable_scale_in?,
        scale_in_cooldown: cooldown?,
        estimated_instance_warmup: warmup?,
    })
}

fn step_scaling(entry: &Entry<'_>) -> Option<StepScaling> {
    let fields = entry.fields(&STEP_SCALING)?;
    let adjustment_type = fields.required("adjustment_type", adjustment_type);
    let magnitude = fields.optional("min_adjustment_magnitude", magnitude);
    let aggregation = fields.or(
        "metric_aggregation_type",
        MetricAggregationType::Average,
        |entry| {
            let kinds = [
                MetricAggregationType::Minimum,
                MetricAggregationType::Maximum,
                MetricAggregationType::Average,
            ];
            entry.read(|kind| scalar::one_of(kind, AGGREGATIONS, &kinds))
        },
    );
    let steps = fields.required("step_adjustments", |entry| {
        let items = entry.list()?;
        let steps: Vec<_> = items.iter().map(step_adjustment).collect();
        steps.into_iter().collect::<Option<Vec<_>>>()
    });
    let warmup = fields.optional("estimated_instance_warmup", wait);
    let alarm = fields.required("alarm", alarm::read);
    Some(StepScaling {
        adjustment_type: adjustment_type?,
        min_adjustment_magnitude: magnitude?,
        metric_aggregation_type: aggregation?,
        step_adjustments: steps?,
        estimated_instance_warmup: warmup?,
        alarm: alarm?,
    })
}

fn step_adjustment(entry: &Entry<'_>) -> Option<StepAdjustment> {
    let fields = entry.fields(&STEP_ADJUSTMENT)?;
    let bound = |entry: &Entry<'_>| entry.read(|bound| scalar::number(bound, &ANY));
    let lower = fields.optional("metric_interval_lower_bound", bound);
    let upper = fields.optional("metric_interval_upper_bound", bound);
    let adjustment = fields.required("scaling_adjustment", scaling_adjustment);
    Some(StepAdjustment {
        metric_interval_lower_bound: lower?,
        metric_interval_upper_bound: upper?,
        scaling_adjustment: adjustment?,
    })
}

fn simple_scaling(entry: &Entry<'_>) -> Option<SimpleScaling> {
    let fields = entry.fields(&SIMPLE_SCALING)?;
    let adjustment_type = fields.required("adjustment_type", adjustment_type);
    let magnitude = fields.optional("min_adjustment_magnitude", magnitude);
    let adjustment = fields.required("scaling_adjustment", scaling_adjustment);
    let cooldown = fields.optional("cooldown", wait);
    let alarm = fields.required("alarm", alarm::read);
    Some(SimpleScaling {
        adjustment_type: adjustment_type?,
        min_adjustment_magnitude: magnitude?,
        scaling_adjustment: adjustment?,
        cooldown: cooldown?,
        alarm: alarm?,
    })
}

fn adjustment_type(entry: &Entry<'_>) -> Option<AdjustmentType> {
    let kinds = [
        AdjustmentType::ChangeInCapacity,
        AdjustmentType::ExactCapacity,
        AdjustmentType::PercentChangeInCapacity,
    ];
    entry.read(|kind| scalar::one_of(kind, ADJUSTMENT_TYPES, &kinds))
}

fn magnitude(entry: &Entry<'_>) -> Option<u32> {
    entry.read(|magnitude| scalar::count(magnitude, &MAGNITUDES))
}

fn scaling_adjustment(entry: &Entry<'_>) -> Option<i32> {
    let number = entry.read(|adjustment| scalar::number(adjustment, &ADJUSTMENT))?;
    if number.fract() != 0.0 {
        let mistake = Mistake::new("expected a whole number");
        entry.refuse(mistake.hint(format!("write {}", number.trunc())));
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and within the limits"
    )]
    Some(number as i32)
}

fn wait(entry: &Entry<'_>) -> Option<Duration> {
    entry.read(|wait| scalar::duration(wait, &WAIT))
}
