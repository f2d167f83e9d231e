use std::time::Duration;

use jiff::Timestamp;
use minicloud_lb_api::{Report, RequestStatistics, TargetGroupReport};
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::now::Now;

/// Groups called `names` of one instance each, which uses `cpu` percent.
fn view(names: &[&str], cpu: f64) -> View {
    let groups = names.iter().map(|name| {
        json!({
            "auto_scaling_group_name": name, "min_size": 1, "max_size": 3, "desired_capacity": 2,
            "availability_zones": ["a"], "target_group_names": [name],
            "launch_template": { "launch_template_name": "web", "version": "1" },
            "health_check_type": "ELB", "health_check_grace_period": 30,
            "default_instance_warmup": 5, "scaling_policies": [], "conditions": [],
            "cpu_utilization": cpu, "decision": null,
            "instances": [{
                "instance_id": "i-0123abcd", "auto_scaling_group_name": name,
                "availability_zone": "a", "lifecycle_state": "InService",
                "health_status": "Healthy",
                "launch_template": { "launch_template_name": "web", "version": "1" },
                "protected_from_scale_in": false, "launch_time": "2026-01-01T00:00:00Z",
                "address": "127.0.0.1:1", "warming": false, "cpu_utilization": cpu, "in_flight": 3,
            }],
        })
    });
    serde_json::from_value(json!({
        "time": "2026-01-01T00:00:00Z", "ready": true, "pace": "fast",
        "auto_scaling_groups": groups.collect::<Vec<_>>(), "load_balancers": [],
        "conditions": [], "target_groups": [],
    }))
    .unwrap()
}

/// A balancer that has answered so many requests of `web` with 200, each within 10 ms.
fn answered(count: u64) -> ReceivedReport {
    let mut requests = RequestStatistics::default();
    requests.responses[1] = count;
    requests.durations[4] = count;
    let group = TargetGroupReport {
        target_group: "web".to_owned(),
        queue_length: 7,
        requests: Some(Box::new(requests)),
        ..TargetGroupReport::default()
    };
    let report = Report {
        target_groups: vec![group],
        ..Report::default()
    };
    ReceivedReport::new(report, Instant::now())
}

/// The same report, which came when this many milliseconds had passed.
fn at(mut report: ReceivedReport, start: Instant, millis: u64) -> ReceivedReport {
    report.at = start + Duration::from_millis(millis);
    report
}

struct Watch {
    recorder: Recorder,
    start: Instant,
}

impl Watch {
    fn new() -> Self {
        Self {
            recorder: Recorder::default(),
            start: Instant::now(),
        }
    }

    /// With a report that came just now.
    fn look(&mut self, second: u64, view: &View, report: Option<&ReceivedReport>) {
        let report = report.map(|report| at(report.clone(), self.start, 1000 * second));
        self.look_with(second, view, report.as_ref());
    }

    fn look_with(&mut self, second: u64, view: &View, report: Option<&ReceivedReport>) {
        let since = Duration::from_secs(second);
        let now = Now {
            mono: self.start + since,
            wall: Timestamp::UNIX_EPOCH + since,
        };
        let targets = TargetHealthIndex::as_was(report);
        self.recorder.record(view, &targets, now);
    }

    fn points(&self, resolution: Resolution) -> Vec<Arc<Datapoint>> {
        let ring = self.recorder.ring("web", resolution);
        ring.unwrap().after(None)
    }
}

#[test]
fn second_has_what_the_group_is_and_what_was_answered_in_it() {
    let mut watch = Watch::new();
    let web = view(&["web"], 40.0);
    for (second, count) in [(0, 10), (1, 30), (3, 40)] {
        watch.look(second, &web, Some(&answered(count)));
    }
    let points = watch.points(Resolution::High);
    assert_eq!(points.len(), 3);
    assert_eq!(points[0].requests, None, "nobody knows since when");
    let rates = |point: &Datapoint| point.requests.unwrap().rate();
    assert_eq!((rates(&points[1]), rates(&points[2])), (20.0, 5.0));
    let last = &points[2];
    assert_eq!(last.timestamp.as_second(), 3);
    assert_eq!(last.requests.unwrap().response_time_p50, Some(0.0075));
    assert_eq!(
        (last.group_desired_capacity, last.group_in_service_instances),
        (2, 1)
    );
    assert_eq!((last.in_flight, last.queue_length), (3, 7));
    assert_eq!(last.instances[0].cpu_utilization, Some(40.0));
    assert!(
        Arc::ptr_eq(
            &points[0].instances[0].instance_id,
            &last.instances[0].instance_id
        ),
        "an id is kept once"
    );
}

#[test]
fn balancer_that_is_silent_or_starts_anew_counts_nothing() {
    let mut watch = Watch::new();
    let web = view(&["web"], 40.0);
    let reports = [Some(50), Some(60), None, Some(80), Some(5), Some(6)];
    for (second, count) in reports.into_iter().enumerate() {
        let report = count.map(answered);
        watch.look(second as u64, &web, report.as_ref());
    }
    let points = watch.points(Resolution::High);
    let rates = points
        .iter()
        .map(|point| point.requests.map(|of| of.rate()));
    assert_eq!(
        rates.collect::<Vec<_>>(),
        [None, Some(10.0), None, None, None, Some(1.0)]
    );
}

#[test]
fn looks_and_reports_out_of_step_make_no_waves() {
    let mut watch = Watch::new();
    let web = view(&["web"], 40.0);
    // Twenty requests a second, reported now a little before a look and now a little after it.
    for (second, millis) in [(0, 0), (1, 990), (2, 990), (3, 2990), (4, 3990)] {
        let report = at(answered(millis / 50), watch.start, millis);
        watch.look_with(second, &web, Some(&report));
    }
    let points = watch.points(Resolution::High);
    let rates = points
        .iter()
        .filter_map(|point| Some(point.requests?.rate()));
    for rate in rates {
        assert!((19.0..=21.0).contains(&rate), "{rate}");
    }
    assert!(points[2].requests.is_some(), "what was said last holds");
}

#[test]
fn minute_is_the_mean_of_its_seconds() {
    let mut watch = Watch::new();
    for second in 0..=60 {
        let busy = view(&["web"], if second <= 30 { 20.0 } else { 80.0 });
        watch.look(second, &busy, Some(&answered(10 * second)));
    }
    let points = watch.points(Resolution::Standard);
    assert_eq!(points.len(), 2, "the first, and the first minute");
    let minute = &points[1];
    assert_eq!(minute.cpu_utilization, Some(50.0));
    assert_eq!(minute.instances[0].cpu_utilization, Some(50.0));
    assert_eq!(minute.requests.unwrap().rate(), 10.0);
}

#[test]
fn datapoints_are_kept_so_far_back_and_of_groups_that_are_there() {
    let mut watch = Watch::new();
    let web = view(&["web"], 1.0);
    for second in 0..1000 {
        watch.look(second, &web, None);
    }
    let points = watch.points(Resolution::High);
    assert_eq!(points.len(), 900);
    assert_eq!(points[0].timestamp.as_second(), 100);
    let ring = watch.recorder.ring("web", Resolution::High).unwrap();
    let start = Timestamp::from_second(997).unwrap();
    assert_eq!(ring.after(Some(start)).len(), 2);
    watch.look(1000, &view(&["api"], 1.0), None);
    assert!(watch.recorder.ring("web", Resolution::High).is_none());
    assert!(watch.recorder.ring("api", Resolution::High).is_some());
}

#[test]
fn many_groups_have_fewer_datapoints() {
    let mut watch = Watch::new();
    let others: Vec<String> = (0..64).map(|index| format!("other-{index:02}")).collect();
    let mut names: Vec<&str> = others.iter().map(String::as_str).collect();
    names.push("web");
    let crowd = view(&names, 1.0);
    for second in 0..=60 {
        watch.look(second, &crowd, None);
    }
    assert_eq!(watch.points(Resolution::High).len(), 7);
    assert_eq!(watch.points(Resolution::Standard).len(), 2);
}
