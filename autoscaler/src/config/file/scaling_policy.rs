use std::collections::HashSet;

use crate::config::{
    PredefinedMetric, ScalingPolicy, TargetTracking,
    fault::{Mistake, quoted},
    limits::Limits,
    reader::Entry,
    scalar,
    schema::{Absent, Form, Key, Section},
};

pub(in crate::config) const SECTION: Section = Section {
    place: "auto_scaling_groups.NAME.scaling_policies[]",
    keys: &[
        Key::new(
            "name",
            Form::Text("name"),
            Absent::Fault("cpu80"),
            "Unique in the group.",
        ),
        Key::new(
            "target_tracking",
            Form::Section(&TARGET_TRACKING),
            Absent::Fault("{ metric: ASGAverageCPUUtilization, target_value: 80 }"),
            "Keeps a metric near a value.",
        ),
    ],
    renamed: &[
        ("policy_name", "name"),
        ("target_tracking_configuration", "target_tracking"),
        ("policy_type", "remove it: every policy is target_tracking"),
        (
            "track",
            "write target_tracking: { metric: ASGAverageCPUUtilization, target_value: 80 }",
        ),
        ("metric", "it belongs in target_tracking"),
        ("target", "it belongs in target_tracking, as target_value"),
        ("target_value", "it belongs in target_tracking"),
        ("disable_scale_in", "it belongs in target_tracking"),
        ("cooldown", "remove it: target tracking has none"),
    ],
};

const TARGET_TRACKING: Section = Section {
    place: "auto_scaling_groups.NAME.scaling_policies[].target_tracking",
    keys: &[
        Key::new(
            "metric",
            Form::OneOf(METRICS),
            Absent::Fault("ASGAverageCPUUtilization"),
            "Mean over instances of the CPU time used, in percent of the quota.",
        ),
        Key::new(
            "target_value",
            Form::Number("percent", &TARGET_VALUE),
            Absent::Fault("80"),
            "Value of the metric to stay near.",
        ),
        Key::new(
            "disable_scale_in",
            Form::Flag,
            Absent::Default("`false`"),
            "Whether the policy only ever adds instances.",
        ),
    ],
    renamed: &[
        ("predefined_metric", "metric"),
        ("predefined_metric_type", "metric"),
        (
            "predefined_metric_specification",
            "write metric: ASGAverageCPUUtilization",
        ),
        ("target", "target_value"),
        ("value", "target_value"),
    ],
};

const METRICS: &[&str] = &["ASGAverageCPUUtilization"];

const TARGET_VALUE: Limits<f64> = Limits::above(0.0, 100.0);

/// `names` are those of the group's policies so far.
pub(super) fn read(entry: &Entry<'_>, names: &mut HashSet<String>) -> Option<ScalingPolicy> {
    let fields = entry.fields(&SECTION)?;
    let name = fields.required("name", |entry| new_name(entry, names));
    let target_tracking = fields.required("target_tracking", target_tracking);
    Some(ScalingPolicy {
        name: name?,
        target_tracking: target_tracking?,
    })
}

fn new_name(entry: &Entry<'_>, names: &mut HashSet<String>) -> Option<String> {
    let name = entry.read(scalar::name)?;
    if !names.insert(name.clone()) {
        let mistake = Mistake::new(format!("another policy is named {} too", quoted(&name)));
        entry.refuse(mistake.hint("give each policy of the group its own name"));
    }
    Some(name)
}

fn target_tracking(entry: &Entry<'_>) -> Option<TargetTracking> {
    let fields = entry.fields(&TARGET_TRACKING)?;
    let metric = fields.required("metric", |entry| {
        let metrics = [PredefinedMetric::AsgAverageCpuUtilization];
        entry.read(|metric| scalar::one_of(metric, METRICS, &metrics))
    });
    let target_value = fields.required("target_value", |entry| {
        entry.read(|percent| scalar::number(percent, &TARGET_VALUE))
    });
    let disable_scale_in = fields.or("disable_scale_in", false, |entry| entry.read(scalar::flag));
    Some(TargetTracking {
        metric: metric?,
        target_value: target_value?,
        disable_scale_in: disable_scale_in?,
    })
}
