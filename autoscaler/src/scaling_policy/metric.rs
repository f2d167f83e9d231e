use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// Which metric: `metric` names one that a minicloud measures, `customized_metric` says where
/// another is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSpecification", into = "RawSpecification")]
pub enum MetricSpecification {
    Predefined {
        metric: PredefinedMetric,
        /// The target group whose requests count, for `ALBRequestCountPerTarget` alone; all
        /// of the group's where absent.
        resource_label: Option<String>,
    },
    Customized(CustomizedMetric),
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct RawSpecification {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metric: Option<PredefinedMetric>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customized_metric: Option<CustomizedMetric>,
}

/// Of its wire form.
impl PartialSchema for MetricSpecification {
    fn schema() -> RefOr<Schema> {
        RawSpecification::schema()
    }
}

impl ToSchema for MetricSpecification {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        RawSpecification::schemas(schemas);
    }
}

impl TryFrom<RawSpecification> for MetricSpecification {
    type Error = &'static str;

    fn try_from(raw: RawSpecification) -> Result<Self, Self::Error> {
        match (raw.metric, raw.resource_label, raw.customized_metric) {
            (Some(metric), resource_label, None) => Ok(Self::Predefined {
                metric,
                resource_label,
            }),
            (None, None, Some(metric)) => Ok(Self::Customized(metric)),
            (None, Some(_), _) => Err("resource_label goes with metric: ALBRequestCountPerTarget"),
            _ => Err("one of metric and customized_metric is needed"),
        }
    }
}

impl From<MetricSpecification> for RawSpecification {
    fn from(specification: MetricSpecification) -> Self {
        let (metric, resource_label, customized_metric) = match specification {
            MetricSpecification::Predefined {
                metric,
                resource_label,
            } => (Some(metric), resource_label, None),
            MetricSpecification::Customized(metric) => (None, None, Some(metric)),
        };
        Self {
            metric,
            resource_label,
            customized_metric,
        }
    }
}

impl MetricSpecification {
    pub fn predefined(metric: PredefinedMetric) -> Self {
        Self::Predefined {
            metric,
            resource_label: None,
        }
    }

    pub fn is(&self, wanted: PredefinedMetric) -> bool {
        matches!(self, Self::Predefined { metric, .. } if *metric == wanted)
    }

    pub fn customized(&self) -> Option<&CustomizedMetric> {
        match self {
            Self::Customized(metric) => Some(metric),
            Self::Predefined { .. } => None,
        }
    }

    /// Behind a figure in a sentence.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Predefined { metric, .. } if metric.is_percentage() => " %",
            _ => "",
        }
    }
}

impl fmt::Display for MetricSpecification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Predefined { metric, .. } => metric.fmt(f),
            Self::Customized(metric) => metric.fmt(f),
        }
    }
}

/// Metrics that a minicloud measures by itself: AWS's predefined ones, and what says that a
/// group is saturated, which are alarms' alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum PredefinedMetric {
    /// Mean over instances of CPU time used, in percent of the instance's own quota.
    #[serde(rename = "ASGAverageCPUUtilization")]
    AsgAverageCpuUtilization,
    /// Mean over instances of bytes received in a minute.
    #[serde(rename = "ASGAverageNetworkIn")]
    AsgAverageNetworkIn,
    /// Mean over instances of bytes sent in a minute.
    #[serde(rename = "ASGAverageNetworkOut")]
    AsgAverageNetworkOut,
    /// Requests in a minute, by target.
    #[serde(rename = "ALBRequestCountPerTarget")]
    AlbRequestCountPerTarget,
    /// Requests that wait for a target.
    QueueLength,
    /// How long the one that waits longest has waited.
    QueueWaitSeconds,
    /// Requests that a target holds.
    TargetInFlight,
    /// Part of the scheduler's periods in which an instance's quota ran out.
    CpuThrottledPercent,
    /// Part of the last ten seconds in which a task of an instance waited for a CPU (PSI).
    CpuPressureSomeAvg10,
}

impl PredefinedMetric {
    pub const ALL: [Self; 9] = [
        Self::AsgAverageCpuUtilization,
        Self::AsgAverageNetworkIn,
        Self::AsgAverageNetworkOut,
        Self::AlbRequestCountPerTarget,
        Self::QueueLength,
        Self::QueueWaitSeconds,
        Self::TargetInFlight,
        Self::CpuThrottledPercent,
        Self::CpuPressureSomeAvg10,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::AsgAverageCpuUtilization => "ASGAverageCPUUtilization",
            Self::AsgAverageNetworkIn => "ASGAverageNetworkIn",
            Self::AsgAverageNetworkOut => "ASGAverageNetworkOut",
            Self::AlbRequestCountPerTarget => "ALBRequestCountPerTarget",
            Self::QueueLength => "QueueLength",
            Self::QueueWaitSeconds => "QueueWaitSeconds",
            Self::TargetInFlight => "TargetInFlight",
            Self::CpuThrottledPercent => "CpuThrottledPercent",
            Self::CpuPressureSomeAvg10 => "CpuPressureSomeAvg10",
        }
    }

    /// `MetricType` of botocore's model: what a target can be set for.
    pub fn can_be_tracked(self) -> bool {
        matches!(
            self,
            Self::AsgAverageCpuUtilization
                | Self::AsgAverageNetworkIn
                | Self::AsgAverageNetworkOut
                | Self::AlbRequestCountPerTarget
        )
    }

    pub fn is_percentage(self) -> bool {
        matches!(
            self,
            Self::AsgAverageCpuUtilization | Self::CpuThrottledPercent | Self::CpuPressureSomeAvg10
        )
    }

    /// Known of containers alone: a child process has no network namespace and no quota.
    pub fn needs_containers(self) -> bool {
        matches!(
            self,
            Self::AsgAverageNetworkIn
                | Self::AsgAverageNetworkOut
                | Self::CpuThrottledPercent
                | Self::CpuPressureSomeAvg10
        )
    }

    /// Known to the load balancer alone.
    pub fn needs_target_group(self) -> bool {
        matches!(
            self,
            Self::AlbRequestCountPerTarget
                | Self::QueueLength
                | Self::QueueWaitSeconds
                | Self::TargetInFlight
        )
    }
}

impl fmt::Display for PredefinedMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A metric of somebody else's, read over HTTP every few seconds. One figure for the group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomizedMetric {
    Scrape(Scrape),
    PrometheusQuery(PrometheusQuery),
}

/// A metric of a text exposition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scrape {
    /// Of the exposition, such as `http://127.0.0.1:9100/metrics`.
    pub url: String,
    /// A counter (by its TYPE, or by `_total` where it has none) is read as its rate a second.
    pub metric_name: String,
    /// Labels that a series must have, with these values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub statistic: SeriesStatistic,
}

/// How the series that match become one figure.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SeriesStatistic {
    #[default]
    Sum,
    Average,
    Max,
}

/// An instant query of a Prometheus server that gives one figure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusQuery {
    /// Of the server, such as `http://127.0.0.1:9090`; `/api/v1/query` is added.
    pub url: String,
    pub query: String,
}

impl fmt::Display for CustomizedMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scrape(scrape) => f.write_str(&scrape.metric_name),
            Self::PrometheusQuery(query) => f.write_str(&query.query),
        }
    }
}
