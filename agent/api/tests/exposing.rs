use minicloud_agent_api::{Exposition, Kind, names};

#[test]
fn families_are_written_as_prometheus_reads_them() {
    let mut text = Exposition::new();
    text.family(
        names::CONTAINER_CPU_USAGE_SECONDS_TOTAL,
        Kind::Counter,
        "CPU time used.",
    )
    .sample(&[("id", "/docker/a"), ("name", "say \"\\\n\"")], 1.25, None)
    .sample(&[("id", "/docker/b")], 3.0, Some(1_700_000_000_123));
    text.family(names::NODE_LOAD1, Kind::Gauge, "Load\\\nof one minute.")
        .sample(&[], f64::NAN, None);
    assert_eq!(
        text.finish(),
        concat!(
            "# HELP container_cpu_usage_seconds_total CPU time used.\n",
            "# TYPE container_cpu_usage_seconds_total counter\n",
            "container_cpu_usage_seconds_total{id=\"/docker/a\",name=\"say \\\"\\\\\\n\\\"\"} 1.25\n",
            "container_cpu_usage_seconds_total{id=\"/docker/b\"} 3 1700000000123\n",
            "# HELP node_load1 Load\\\\\\nof one minute.\n",
            "# TYPE node_load1 gauge\n",
            "node_load1 NaN\n",
        )
    );
}

#[test]
fn a_family_without_samples_leaves_no_trace() {
    let mut text = Exposition::new();
    text.family(names::NODE_LOAD1, Kind::Gauge, "Load.");
    assert_eq!(text.finish(), "");
}
