use super::*;

#[test]
fn codes_are_named_or_classed() {
    for code in CODES {
        assert_eq!(code_label(code_index(code)), code.to_string());
    }
    for (code, label) in [
        (100, "1xx"),
        (299, "2xx"),
        (418, "4xx"),
        (599, "5xx"),
        (600, "other"),
        (999, "other"),
    ] {
        assert_eq!(code_label(code_index(code)), label);
    }
    assert!(CODES.is_sorted());
}

#[test]
fn unknown_methods_are_folded() {
    let metrics = Metrics::new().unwrap();
    metrics
        .group("web")
        .count_request(200, method_index(Method::Other));
    metrics.group("web").count_retry(RetryReason::Unanswered);
    let text = metrics.text();
    assert!(
        text.contains(r#"minicloud_lb_requests_total{code="200",group="web",method="other"} 1"#),
        "{text}"
    );
    assert!(
        text.contains(r#"minicloud_lb_retries_total{group="web",reason="unanswered"} 1"#),
        "{text}"
    );
}

fn sample(instance: &str, uid: u64, successes: u64) -> TargetSample {
    TargetSample {
        group: "web".to_owned(),
        instance: instance.to_owned(),
        uid,
        is_healthy: true,
        in_flight: 2,
        counts: TargetCounts {
            responses: [0, successes, 0, 0, 0, 0],
            connection_errors: 1,
        },
    }
}

#[test]
fn targets_counts_grow_and_end_with_the_target() {
    let metrics = Metrics::new().unwrap();
    let i1 = r#"minicloud_target_requests_total{code="2xx",group="web",instance_id="i-1"}"#;
    metrics.export(Vec::new(), vec![sample("i-1", 1, 5), sample("i-2", 2, 1)]);
    metrics.export(Vec::new(), vec![sample("i-1", 1, 7)]);
    let text = metrics.text();
    assert!(text.contains(&format!("{i1} 7\n")), "{text}");
    assert!(!text.contains("i-2"), "{text}");
    // Registered anew, beside the one that drains: one series, which does not fall.
    metrics.export(Vec::new(), vec![sample("i-1", 1, 7), sample("i-1", 3, 2)]);
    metrics.export(Vec::new(), vec![sample("i-1", 3, 4)]);
    let text = metrics.text();
    assert!(text.contains(&format!("{i1} 11\n")), "{text}");
    assert!(
        text.contains("minicloud_target_inflight_requests{group=\"web\",instance_id=\"i-1\"} 2\n"),
        "{text}"
    );
    metrics.export(Vec::new(), Vec::new());
    assert!(!metrics.text().contains("i-1"));
}

#[test]
fn rules_series_end_with_the_rule() {
    let metrics = Metrics::new().unwrap();
    let [rule, default] = [Some(10), None].map(|priority| metrics.rule((80, priority)));
    rule.count_request(503);
    rule.rate_limited.inc();
    default.count_request(200);
    let text = metrics.text();
    for line in [
        r#"minicloud_lb_rule_requests_total{code="5xx",listener="80",rule="10"} 1"#,
        r#"minicloud_lb_rate_limited_total{listener="80",rule="10"} 1"#,
        r#"minicloud_lb_rule_requests_total{code="2xx",listener="80",rule="default"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    metrics.retain_rules(&HashSet::from([(80, None)]));
    let text = metrics.text();
    assert!(!text.contains(r#"rule="10""#), "{text}");
    assert!(text.contains(r#"rule="default""#), "{text}");
}

#[test]
fn groups_counts_follow_what_was_sampled() {
    let metrics = Metrics::new().unwrap();
    let sample = |rejected, ejections| GroupSample {
        group: "web".to_owned(),
        queue_length: 3,
        queue_age_seconds: 0.5,
        queue_rejected: rejected,
        ejections,
    };
    metrics.export(vec![sample(4, 1)], Vec::new());
    metrics.export(vec![sample(6, 1)], Vec::new());
    let text = metrics.text();
    for line in [
        r#"minicloud_lb_queue_length{group="web"} 3"#,
        r#"minicloud_lb_queue_oldest_seconds{group="web"} 0.5"#,
        r#"minicloud_lb_queue_rejected_total{group="web"} 6"#,
        r#"minicloud_lb_ejections_total{group="web"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    metrics.export(Vec::new(), Vec::new());
    assert!(!metrics.text().contains("minicloud_lb_queue_length{"));
}

#[test]
fn statistics_of_a_group_are_by_class_and_duration() {
    let metrics = Metrics::new().unwrap();
    let group = metrics.group("web");
    assert_eq!(group.statistics(), None);
    for (code, seconds) in [(200, 0.0001), (204, 0.003), (299, 0.003), (503, 60.0)] {
        group.count_request(code, method_index(Method::Get));
        group.duration.observe(seconds);
    }
    let statistics = group.statistics().unwrap();
    assert_eq!(statistics.responses, [0, 3, 0, 0, 1]);
    let counted = statistics.durations.iter().enumerate();
    let counted: Vec<_> = counted.filter(|(_, count)| **count > 0).collect();
    assert_eq!(counted, [(0, &1), (3, &2), (14, &1)]);
}
