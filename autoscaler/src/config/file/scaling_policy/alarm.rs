use std::time::Duration;

use super::metric;
use crate::{
    config::{
        limits::Limits,
        reader::Entry,
        scalar,
        schema::{Absent, Form, Key, Section},
    },
    scaling_policy::{ComparisonOperator, MetricAlarm, Statistic, TreatMissingData},
};

pub(super) const KEY: Key = Key::new(
    "alarm",
    Form::Section(&SECTION),
    Absent::Fault(
        "{ metric: ASGAverageCPUUtilization, comparison_operator: GreaterThanThreshold, threshold: 80, period: 60s, evaluation_periods: 2 }",
    ),
    "What invokes the policy.",
);

const SECTION: Section = Section {
    place: "ALARM",
    keys: &[
        Key::new(
            "metric",
            Form::OneOf(metric::ALL),
            Absent::OneOf,
            "One that a minicloud measures. This or `customized_metric`.",
        ),
        metric::RESOURCE_LABEL,
        metric::CUSTOMIZED,
        Key::new(
            "statistic",
            Form::OneOf(STATISTICS),
            Absent::Default("`Average`"),
            "What becomes of a period: over instances, or over samples of what is one figure of the group.",
        ),
        Key::new(
            "comparison_operator",
            Form::OneOf(OPERATORS),
            Absent::Fault("GreaterThanThreshold"),
            "How a datapoint breaches.",
        ),
        Key::new(
            "threshold",
            Form::Number("number", &THRESHOLD),
            Absent::Fault("80"),
            "In the metric's unit.",
        ),
        Key::new(
            "period",
            Form::Duration(&PERIOD),
            Absent::Fault("60s"),
            "Time that a datapoint stands for: 10s, 20s, 30s or whole minutes.",
        ),
        Key::new(
            "evaluation_periods",
            Form::Count(&PERIODS),
            Absent::Fault("2"),
            "The last N datapoints are looked at; N periods are a week at most, a day with periods below a minute.",
        ),
        Key::new(
            "datapoints_to_alarm",
            Form::Count(&PERIODS),
            Absent::Default("`evaluation_periods`"),
            "M of N that must breach.",
        ),
        Key::new(
            "treat_missing_data",
            Form::OneOf(MISSING),
            Absent::Default("`missing`"),
            "What a period without data counts as; `missing` leads to `INSUFFICIENT_DATA` where all are.",
        ),
    ],
    renamed: &[
        ("metric_name", "metric"),
        ("operator", "comparison_operator"),
        ("comparison", "comparison_operator"),
        ("periods", "evaluation_periods"),
        ("datapoints", "datapoints_to_alarm"),
        (
            "alarm_name",
            "remove it: the alarm is named after group and policy",
        ),
        ("namespace", "remove it: metric says all"),
    ],
};

const STATISTICS: &[&str] = &["SampleCount", "Average", "Sum", "Minimum", "Maximum"];
const OPERATORS: &[&str] = &[
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
];
const MISSING: &[&str] = &["breaching", "notBreaching", "ignore", "missing"];

const THRESHOLD: Limits<f64> = Limits::new(-1e108, 1e108);
const PERIOD: Limits<Duration> = Limits::new(Duration::from_secs(10), Duration::from_secs(86_400));
const PERIODS: Limits<u32> = Limits::new(1, 1440);

pub(super) fn read(entry: &Entry<'_>) -> Option<MetricAlarm> {
    let fields = entry.fields(&SECTION)?;
    let metric = metric::read(entry, &fields, metric::ALL);
    let statistic = fields.or("statistic", Statistic::Average, |entry| {
        let statistics = [
            Statistic::SampleCount,
            Statistic::Average,
            Statistic::Sum,
            Statistic::Minimum,
            Statistic::Maximum,
        ];
        entry.read(|word| scalar::one_of(word, STATISTICS, &statistics))
    });
    let operator = fields.required("comparison_operator", |entry| {
        let operators = [
            ComparisonOperator::GreaterThanOrEqualToThreshold,
            ComparisonOperator::GreaterThanThreshold,
            ComparisonOperator::LessThanThreshold,
            ComparisonOperator::LessThanOrEqualToThreshold,
        ];
        entry.read(|word| scalar::one_of(word, OPERATORS, &operators))
    });
    let threshold = fields.required("threshold", |entry| {
        entry.read(|number| scalar::number(number, &THRESHOLD))
    });
    let period = fields.required("period", |entry| {
        entry.read(|period| scalar::duration(period, &PERIOD))
    });
    let count = |entry: &Entry<'_>| entry.read(|count| scalar::count(count, &PERIODS));
    let evaluation_periods = fields.required("evaluation_periods", count);
    let datapoints = fields.optional("datapoints_to_alarm", count);
    let missing = fields.or("treat_missing_data", TreatMissingData::Missing, |entry| {
        let kinds = [
            TreatMissingData::Breaching,
            TreatMissingData::NotBreaching,
            TreatMissingData::Ignore,
            TreatMissingData::Missing,
        ];
        entry.read(|word| scalar::one_of(word, MISSING, &kinds))
    });
    Some(MetricAlarm {
        metric: metric?,
        statistic: statistic?,
        comparison_operator: operator?,
        threshold: threshold?,
        period: period?,
        evaluation_periods: evaluation_periods?,
        datapoints_to_alarm: datapoints?,
        treat_missing_data: missing?,
    })
}
