use std::collections::BTreeMap;

use crate::{
    config::{
        fault::Mistake,
        reader::{Entry, Fields},
        scalar,
        schema::{Absent, Form, Key, Section},
    },
    scaling_policy::{
        CustomizedMetric, MetricSpecification, PredefinedMetric, PrometheusQuery, Scrape,
        SeriesStatistic,
    },
};

/// What a target can be set for: the first of [`ALL`].
pub(super) const TRACKED: &[&str] = &[
    "ASGAverageCPUUtilization",
    "ASGAverageNetworkIn",
    "ASGAverageNetworkOut",
    "ALBRequestCountPerTarget",
];

/// In the order of [`PredefinedMetric::ALL`].
pub(super) const ALL: &[&str] = &[
    "ASGAverageCPUUtilization",
    "ASGAverageNetworkIn",
    "ASGAverageNetworkOut",
    "ALBRequestCountPerTarget",
    "QueueLength",
    "QueueWaitSeconds",
    "TargetInFlight",
    "CpuThrottledPercent",
    "CpuPressureSomeAvg10",
];

pub(super) const RESOURCE_LABEL: Key = Key::new(
    "resource_label",
    Form::Text("name of one of the group's target groups"),
    Absent::Default("all of them"),
    "Whose requests count, for `ALBRequestCountPerTarget` alone.",
);

pub(super) const CUSTOMIZED: Key = Key::new(
    "customized_metric",
    Form::Section(&CUSTOMIZED_METRIC),
    Absent::OneOf,
    "A metric of yours, read over HTTP each 5 s: one figure of the whole group.",
);

const CUSTOMIZED_METRIC: Section = Section {
    place: "CUSTOMIZED_METRIC",
    keys: &[
        Key::new(
            "scrape",
            Form::Section(&SCRAPE),
            Absent::OneOf,
            "From a Prometheus text exposition.",
        ),
        Key::new(
            "prometheus_query",
            Form::Section(&PROMETHEUS_QUERY),
            Absent::OneOf,
            "From a Prometheus server.",
        ),
    ],
    renamed: &[
        ("prometheus", "prometheus_query"),
        ("query", "prometheus_query"),
        ("url", "it belongs in scrape or prometheus_query"),
    ],
};

const SCRAPE: Section = Section {
    place: "CUSTOMIZED_METRIC.scrape",
    keys: &[
        Key::new(
            "url",
            Form::Text("http address"),
            Absent::Fault("http://127.0.0.1:9100/metrics"),
            "Of the exposition.",
        ),
        Key::new(
            "metric_name",
            Form::Text("name"),
            Absent::Fault("jobs_waiting"),
            "A counter is read as its rate a second.",
        ),
        Key::new(
            "labels",
            Form::TextsByName("mapping of label names to values"),
            Absent::Default("none"),
            "What a series must have.",
        ),
        Key::new(
            "statistic",
            Form::OneOf(SERIES_STATISTICS),
            Absent::Default("`sum`"),
            "How the series that match become one figure.",
        ),
    ],
    renamed: &[
        ("name", "metric_name"),
        ("metric", "metric_name"),
        ("matchers", "labels"),
        ("dimensions", "labels"),
    ],
};

const PROMETHEUS_QUERY: Section = Section {
    place: "CUSTOMIZED_METRIC.prometheus_query",
    keys: &[
        Key::new(
            "url",
            Form::Text("http address"),
            Absent::Fault("http://127.0.0.1:9090"),
            "Of the server; `/api/v1/query` is added.",
        ),
        Key::new(
            "query",
            Form::Text("PromQL"),
            Absent::Fault("sum(up)"),
            "An instant query that gives one figure.",
        ),
    ],
    renamed: &[("promql", "query"), ("expr", "query"), ("server", "url")],
};

const SERIES_STATISTICS: &[&str] = &["sum", "average", "max"];

pub(super) fn read(
    entry: &Entry<'_>,
    fields: &Fields<'_>,
    words: &[&str],
) -> Option<MetricSpecification> {
    let metric = fields.optional("metric", |entry| {
        entry.read(|metric| scalar::one_of(metric, words, &PredefinedMetric::ALL))
    });
    let label = fields.optional("resource_label", |entry| {
        entry.read(scalar::text).map(str::to_owned)
    });
    let customized = fields.optional("customized_metric", customized);
    match (metric?, customized?) {
        (Some(metric), None) => Some(MetricSpecification::Predefined {
            metric,
            resource_label: label?,
        }),
        (None, Some(metric)) => Some(MetricSpecification::Customized(metric)),
        (Some(_), Some(_)) => {
            let place = fields.get("customized_metric").unwrap_or(entry);
            let mistake = Mistake::new("customized_metric stands beside metric");
            place.refuse_label(mistake.hint("keep one of the two"));
            None
        }
        (None, None) => {
            let mistake = Mistake::new("metric is missing");
            entry.refuse_label(mistake.hint("add metric: ASGAverageCPUUtilization"));
            None
        }
    }
}

fn customized(entry: &Entry<'_>) -> Option<CustomizedMetric> {
    let fields = entry.fields(&CUSTOMIZED_METRIC)?;
    let (key, entry) = fields.only("keep one of the two")?;
    match key {
        "scrape" => scrape(entry).map(CustomizedMetric::Scrape),
        _ => query(entry).map(CustomizedMetric::PrometheusQuery),
    }
}

fn scrape(entry: &Entry<'_>) -> Option<Scrape> {
    let fields = entry.fields(&SCRAPE)?;
    let text = |entry: &Entry<'_>| entry.read(scalar::text).map(str::to_owned);
    let url = fields.required("url", text);
    let metric_name = fields.required("metric_name", text);
    let labels = fields.or("labels", BTreeMap::new(), |entry| {
        let pairs = entry.mapping()?;
        let read = pairs.into_iter().map(|(name, value)| {
            let value = value.read(scalar::text)?;
            Some((name, value.to_owned()))
        });
        read.collect()
    });
    let statistic = fields.or("statistic", SeriesStatistic::Sum, |entry| {
        let statistics = [
            SeriesStatistic::Sum,
            SeriesStatistic::Average,
            SeriesStatistic::Max,
        ];
        entry.read(|word| scalar::one_of(word, SERIES_STATISTICS, &statistics))
    });
    Some(Scrape {
        url: url?,
        metric_name: metric_name?,
        labels: labels?,
        statistic: statistic?,
    })
}

fn query(entry: &Entry<'_>) -> Option<PrometheusQuery> {
    let fields = entry.fields(&PROMETHEUS_QUERY)?;
    let text = |entry: &Entry<'_>| entry.read(scalar::text).map(str::to_owned);
    let url = fields.required("url", text);
    let query = fields.required("query", text);
    Some(PrometheusQuery {
        url: url?,
        query: query?,
    })
}
