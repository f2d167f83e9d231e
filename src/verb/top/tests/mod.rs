//! A model of the answers in `verb/tests/answers.json`, and a quarter of an hour of figures.

mod keys;
mod model;
mod screens;
mod series;

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan};
use minicloud_autoscaler::{
    describe::{Activity, View},
    metric_statistics::{Datapoint, GroupMetricStatistics, RequestDatapoint},
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{
    answer::{Answer, GroupAnswer},
    model::Model,
    series::Window,
};

fn stored<T: DeserializeOwned>(name: &str) -> T {
    let answers = include_str!("../../tests/answers.json");
    let mut answers: serde_json::Value = serde_json::from_str(answers).unwrap();
    serde_json::from_value(answers[name].take()).unwrap()
}

fn view() -> View {
    stored("view")
}

/// So many seconds of figures that end at `end`: a group that grew from one to two, whose load
/// rises, and a burst of faults lately.
fn statistics(end: Timestamp, seconds: i64) -> GroupMetricStatistics {
    let datapoint = |second: i64| {
        let ago = seconds - second;
        let faults = if (60..120).contains(&ago) { 4.0 } else { 0.0 };
        let size = if ago > 300 { 1 } else { 2 };
        Datapoint {
            timestamp: end.checked_sub(ago.seconds()).unwrap(),
            group_min_size: 1,
            group_max_size: 4,
            group_desired_capacity: if ago > 330 { 1 } else { 2 } + u32::from(ago < 2),
            group_in_service_instances: size,
            group_pending_instances: 0,
            group_terminating_instances: 0,
            group_standby_instances: 0,
            cpu_utilization: (!(600..660).contains(&ago)).then(|| 95.0 - ago as f64 / 10.0),
            healthy_host_count: 1,
            un_healthy_host_count: 1,
            in_flight: 7,
            queue_length: 3,
            requests: Some(RequestDatapoint {
                responses_per_second: [0.0, 40.0 - ago as f64 / 30.0, 0.0, 0.5, faults],
                response_time_p50: Some(0.012),
                response_time_p99: Some(0.08),
            }),
            instances: Vec::new(),
        }
    };
    GroupMetricStatistics {
        auto_scaling_group_name: "web".to_owned(),
        period_seconds: 1,
        datapoints: (1..=seconds)
            .map(|second| Arc::new(datapoint(second)))
            .collect(),
    }
}

fn answer(view: View) -> Answer {
    let activities: Vec<Activity> = stored("activities");
    let group = GroupAnswer {
        name: "web".to_owned(),
        window: Window::QuarterHour,
        statistics: statistics(view.time, 800),
        activities,
    };
    Answer {
        view,
        group: Some(group),
        rates: vec![("web".to_owned(), 40.5)],
    }
}

/// At the moment of its answer.
fn model(now: Instant) -> Model {
    let mut model = Model::new("http://127.0.0.1:8090".to_owned(), view(), None, now);
    model.answered(answer(view()), now);
    model
}

fn later(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}
