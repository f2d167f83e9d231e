//! A group's charts from its datapoints. Pure.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use crate::{
    console::chart::{Chart, Flag, Series, Shape, Unit},
    describe::{Activity, AutoScalingGroup},
    instance::InstanceId,
    metric_statistics::Datapoint,
    scaling_policy::{MetricSpecification, PolicyKind, PredefinedMetric},
};

/// Values of a line: more than a screen shows apart make it no better.
const COLUMNS: f64 = 300.0;
/// Instances with a line of their own.
const THIN_LINES: usize = 40;

/// How the datapoints of one column become its value.
#[derive(Clone, Copy)]
enum Reduce {
    Last,
    Mean,
    Most,
}

/// Datapoints on a page's stretch of time.
pub(in crate::console) struct Window<'a> {
    pub(in crate::console) points: &'a [Arc<Datapoint>],
    pub(in crate::console) now: Timestamp,
    /// Seconds back from now.
    pub(in crate::console) span: f64,
    /// What a datapoint stands for, seconds.
    pub(in crate::console) period: f64,
}

/// The target value of the policy that tracks the group's average CPU, where there is one.
pub(in crate::console) fn cpu_target(group: &AutoScalingGroup) -> Option<f64> {
    let mut policies = group.scaling_policies.iter().filter(|one| one.enabled);
    policies.find_map(|policy| match &policy.kind {
        PolicyKind::TargetTracking(tracking) => match &tracking.metric {
            MetricSpecification::Predefined {
                metric: PredefinedMetric::AsgAverageCpuUtilization,
                ..
            } => Some(tracking.target_value),
            _ => None,
        },
        PolicyKind::StepScaling(_) | PolicyKind::SimpleScaling(_) => None,
    })
}

impl Window<'_> {
    /// The average CPU alone, for a card.
    pub(in crate::console) fn cpu_line(&self, group: &AutoScalingGroup) -> Chart {
        let series = vec![self.average_cpu()];
        let target = cpu_target(group);
        self.chart("spark", "CPU", Unit::Percent, series, 100.0, target)
    }

    fn average_cpu(&self) -> Series {
        self.series("average", "s-cpu", Shape::Line, Reduce::Mean, |point| {
            point.cpu_utilization
        })
    }

    pub(super) fn capacity(&self, group: &AutoScalingGroup) -> Chart {
        let step = |label, class, value: fn(&Datapoint) -> u32| {
            self.series(label, class, Shape::Step, Reduce::Last, |point| {
                Some(f64::from(value(point)))
            })
        };
        let series = vec![
            step("minimum", "s-min", |point| point.group_min_size),
            step("maximum", "s-max", |point| point.group_max_size),
            step("desired", "s-desired", |point| point.group_desired_capacity),
            step("in service", "s-in-service", |point| {
                point.group_in_service_instances
            }),
        ];
        let mut chart = self.chart("capacity", "Capacity", Unit::Count, series, 2.0, None);
        chart.flags = self.flags(&group.activities.iter().collect::<Vec<_>>());
        chart
    }

    pub(super) fn cpu(&self, group: &AutoScalingGroup) -> Chart {
        let mut series = vec![self.average_cpu()];
        let mut instances: BTreeSet<&InstanceId> = BTreeSet::new();
        for one in self.points.iter().flat_map(|point| &point.instances) {
            if instances.len() < THIN_LINES {
                instances.insert(&one.instance_id);
            }
        }
        series.extend(instances.into_iter().map(|id| {
            self.series(
                id.as_str(),
                "s-instance",
                Shape::Thin,
                Reduce::Mean,
                |point| {
                    let mut instances = point.instances.iter();
                    let own = instances.find(|one| *one.instance_id == *id)?;
                    own.cpu_utilization
                },
            )
        }));
        self.chart(
            "cpu",
            "CPU, share of an instance's quota",
            Unit::Percent,
            series,
            100.0,
            cpu_target(group),
        )
    }

    pub(super) fn requests(&self) -> Chart {
        let classes = [
            (0, "1xx", "s-1xx"),
            (1, "2xx", "s-2xx"),
            (2, "3xx", "s-3xx"),
            (3, "4xx", "s-4xx"),
            (4, "5xx", "s-5xx"),
        ];
        let rate = |class: usize| {
            move |point: &Datapoint| Some(point.requests?.responses_per_second[class])
        };
        // Upgrades and interim responses are rare: no key for what never was.
        let seen = |class: usize| {
            let mut rates = self.points.iter().filter_map(|point| rate(class)(point));
            class != 0 || rates.any(|rate| rate > 0.0)
        };
        let classes = classes.into_iter().filter(|(class, ..)| seen(*class));
        let series = classes.map(|(class, label, name)| {
            self.series(label, name, Shape::Stack, Reduce::Mean, rate(class))
        });
        self.chart(
            "requests",
            "Requests by status class",
            Unit::PerSecond,
            series.collect(),
            1.0,
            None,
        )
    }

    pub(super) fn response_time(&self) -> Chart {
        let line = |label, class, value: fn(&Datapoint) -> Option<f64>| {
            self.series(label, class, Shape::Line, Reduce::Most, value)
        };
        let series = vec![
            line("p50", "s-p50", |point| point.requests?.response_time_p50),
            line("p99", "s-p99", |point| point.requests?.response_time_p99),
        ];
        self.chart(
            "response-time",
            "Response time",
            Unit::Seconds,
            series,
            0.01,
            None,
        )
    }

    fn chart(
        &self,
        id: &'static str,
        title: &'static str,
        unit: Unit,
        series: Vec<Series>,
        least_top: f64,
        threshold: Option<f64>,
    ) -> Chart {
        Chart {
            id,
            title,
            unit,
            span: self.span,
            longest_gap: 3.5 * self.column().max(self.period),
            series,
            threshold: threshold.map(|value| ("target".to_owned(), value)),
            flags: Vec::new(),
            least_top,
        }
    }

    /// Seconds of a column.
    fn column(&self) -> f64 {
        (self.span / COLUMNS).max(self.period)
    }

    /// A value for each column. Columns lie at multiples of their width in absolute time, so
    /// that a line that moves on does not change its form.
    fn series(
        &self,
        label: &str,
        class: &'static str,
        shape: Shape,
        reduce: Reduce,
        value: impl Fn(&Datapoint) -> Option<f64>,
    ) -> Series {
        let column = self.column();
        let seconds = |time: Timestamp| time.as_millisecond() as f64 / 1000.0;
        let now = seconds(self.now);
        let place = |point: &Arc<Datapoint>| (seconds(point.timestamp) / column).floor();
        let columns = self
            .points
            .chunk_by(|one, other| place(one) == place(other));
        let values = columns.map(|points| {
            let at = points.last().map_or(now, |last| seconds(last.timestamp));
            let values = points.iter().filter_map(|point| value(point));
            let value = match reduce {
                Reduce::Last => values.last(),
                Reduce::Most => values.reduce(f64::max),
                Reduce::Mean => {
                    let (sum, count) =
                        values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
                    (count > 0.0).then(|| sum / count)
                }
            };
            ((now - at).max(0.0), value)
        });
        Series {
            label: label.to_owned(),
            class,
            shape,
            values: values.filter(|(age, _)| *age <= self.span).collect(),
        }
    }

    fn flags(&self, activities: &[&Arc<Activity>]) -> Vec<Flag> {
        let flags = activities.iter().map(|activity| Flag {
            age: self.now.duration_since(activity.start_time).as_secs_f64(),
            class: match activity.description.starts_with("Terminating") {
                true => "flag-in",
                false => "flag-out",
            },
            label: format!("{}: {}", activity.description, activity.cause),
        });
        flags.collect()
    }
}
