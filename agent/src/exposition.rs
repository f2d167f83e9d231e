use std::time::Duration;

use minicloud_agent_api::{Exposition, Family, names};

use crate::{
    metric_family::MetricFamily,
    snapshot::{Container, Interface, MODES, Node, Snapshot},
};

/// A family, and where its value comes from.
type Of<T, V> = (MetricFamily, fn(&T) -> V);

/// The second one where the agent knows a name.
const CONTAINER_LABELS: [&str; 2] = [names::ID, names::NAME];
const INTERFACE_LABELS: [&str; 2] = [names::ID, names::INTERFACE];

const CONTAINER_FAMILIES: [Of<Container, Option<f64>>; 11] = [
    (
        MetricFamily::counter(
            names::CONTAINER_CPU_USAGE_SECONDS_TOTAL,
            "CPU time used.",
            &CONTAINER_LABELS,
        ),
        |container| container.cpu.usage.map(|time| time.as_secs_f64()),
    ),
    (
        MetricFamily::gauge(
            names::CONTAINER_SPEC_CPU_QUOTA,
            "CPU time allowed in each period, in microseconds.",
            &CONTAINER_LABELS,
        ),
        |container| container.cpu.quota.map(microseconds),
    ),
    (
        MetricFamily::gauge(
            names::CONTAINER_SPEC_CPU_PERIOD,
            "Length of the period that the quota is for, in microseconds.",
            &CONTAINER_LABELS,
        ),
        |container| container.cpu.period.map(microseconds),
    ),
    (
        MetricFamily::counter(
            names::CONTAINER_CPU_CFS_PERIODS_TOTAL,
            "Periods in which the container was runnable.",
            &CONTAINER_LABELS,
        ),
        |container| container.cpu.periods.map(count),
    ),
    (
        MetricFamily::counter(
            names::CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL,
            "Periods in which the quota ran out.",
            &CONTAINER_LABELS,
        ),
        |container| container.cpu.throttled_periods.map(count),
    ),
    (
        MetricFamily::counter(
            names::CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL,
            "Time spent waiting for the next period.",
            &CONTAINER_LABELS,
        ),
        |container| container.cpu.throttled.map(|time| time.as_secs_f64()),
    ),
    (
        MetricFamily::counter(
            names::CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL,
            "Time in which at least one task waited for a CPU.",
            &CONTAINER_LABELS,
        ),
        |container| container.cpu.waiting.map(|time| time.as_secs_f64()),
    ),
    (
        MetricFamily::gauge(
            names::CONTAINER_MEMORY_USAGE_BYTES,
            "Memory charged, page cache included.",
            &CONTAINER_LABELS,
        ),
        |container| container.memory.usage.map(count),
    ),
    (
        MetricFamily::gauge(
            names::CONTAINER_MEMORY_WORKING_SET_BYTES,
            "Memory charged less the page cache that has not been used lately.",
            &CONTAINER_LABELS,
        ),
        |container| container.memory.working_set.map(count),
    ),
    (
        MetricFamily::gauge(
            names::CONTAINER_SPEC_MEMORY_LIMIT_BYTES,
            "Most memory the container may use.",
            &CONTAINER_LABELS,
        ),
        |container| container.memory.limit.map(count),
    ),
    (
        MetricFamily::gauge(
            names::CONTAINER_LAST_SEEN,
            "When the container was last seen, in seconds since the Unix epoch.",
            &CONTAINER_LABELS,
        ),
        |container| Some(seconds_of(container.read_at)),
    ),
];

const NETWORK_FAMILIES: [Of<Interface, u64>; 2] = [
    (
        MetricFamily::counter(
            names::CONTAINER_NETWORK_RECEIVE_BYTES_TOTAL,
            "Bytes received.",
            &INTERFACE_LABELS,
        ),
        |interface| interface.received,
    ),
    (
        MetricFamily::counter(
            names::CONTAINER_NETWORK_TRANSMIT_BYTES_TOTAL,
            "Bytes sent.",
            &INTERFACE_LABELS,
        ),
        |interface| interface.transmitted,
    ),
];

const NODE_FAMILIES: [Of<Node, Option<f64>>; 7] = [
    (
        MetricFamily::gauge(names::MACHINE_CPU_CORES, "Logical CPUs of the node.", &[]),
        |node| node.cores.map(|cores| cores as f64),
    ),
    (
        MetricFamily::counter(
            names::NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL,
            "Time in which at least one task of the node waited for a CPU.",
            &[],
        ),
        |node| node.waiting.map(|time| time.as_secs_f64()),
    ),
    (
        MetricFamily::gauge(
            names::NODE_MEMORY_MEMTOTAL_BYTES,
            "Memory of the node.",
            &[],
        ),
        |node| node.memory_total.map(count),
    ),
    (
        MetricFamily::gauge(
            names::NODE_MEMORY_MEMAVAILABLE_BYTES,
            "Memory that can be had without swapping.",
            &[],
        ),
        |node| node.memory_available.map(count),
    ),
    (
        MetricFamily::gauge(names::NODE_LOAD1, "Load average over one minute.", &[]),
        |node| node.load.map(|load| load[0]),
    ),
    (
        MetricFamily::gauge(names::NODE_LOAD5, "Load average over five minutes.", &[]),
        |node| node.load.map(|load| load[1]),
    ),
    (
        MetricFamily::gauge(
            names::NODE_LOAD15,
            "Load average over fifteen minutes.",
            &[],
        ),
        |node| node.load.map(|load| load[2]),
    ),
];

const NODE_CPU: MetricFamily = MetricFamily::counter(
    names::NODE_CPU_SECONDS_TOTAL,
    "Time each CPU spent in each mode.",
    &[names::CPU, names::MODE],
);

const LAST_SAMPLE: MetricFamily = MetricFamily::gauge(
    names::MINICLOUD_AGENT_LAST_SAMPLE_TIMESTAMP_SECONDS,
    "When the agent last took a sample, in seconds since the Unix epoch.",
    &[],
);

/// Each family that the agent can expose, in the order of the exposition.
pub fn metric_families() -> Vec<MetricFamily> {
    let containers = CONTAINER_FAMILIES.into_iter().map(|(family, _)| family);
    let network = NETWORK_FAMILIES.into_iter().map(|(family, _)| family);
    let node = NODE_FAMILIES.into_iter().map(|(family, _)| family);
    let families = containers.chain(network).chain([NODE_CPU]).chain(node);
    families.chain([LAST_SAMPLE]).collect()
}

/// The snapshot in the Prometheus text format. Lines of a container carry the time at which
/// its counters were read.
pub(crate) fn render(snapshot: &Snapshot) -> String {
    let mut text = Exposition::new();
    for (family, value) in &CONTAINER_FAMILIES {
        write_container_family(open(&mut text, family), *value, &snapshot.containers);
    }
    for (family, counter) in &NETWORK_FAMILIES {
        write_network(open(&mut text, family), *counter, &snapshot.containers);
    }
    write_node_cpus(open(&mut text, &NODE_CPU), &snapshot.node);
    for (family, value) in &NODE_FAMILIES {
        if let Some(value) = value(&snapshot.node) {
            open(&mut text, family).sample(&[], value, None);
        }
    }
    open(&mut text, &LAST_SAMPLE).sample(&[], seconds_of(snapshot.taken_at), None);
    text.finish()
}

fn open<'a>(text: &'a mut Exposition, family: &MetricFamily) -> Family<'a> {
    text.family(family.name, family.kind, family.help)
}

fn write_container_family(
    mut lines: Family<'_>,
    value: fn(&Container) -> Option<f64>,
    containers: &[Container],
) {
    for container in containers {
        let Some(value) = value(container) else {
            continue;
        };
        let labels = [
            (names::ID, container.id.as_str()),
            (names::NAME, container.name.as_deref().unwrap_or_default()),
        ];
        let known = if container.name.is_some() { 2 } else { 1 };
        lines.sample(&labels[..known], value, Some(container.read_at));
    }
}

fn write_network(mut lines: Family<'_>, counter: fn(&Interface) -> u64, containers: &[Container]) {
    for container in containers {
        for interface in &container.network {
            let labels = [
                (names::ID, container.id.as_str()),
                (names::INTERFACE, interface.name.as_str()),
            ];
            lines.sample(&labels, count(counter(interface)), Some(container.read_at));
        }
    }
}

fn write_node_cpus(mut lines: Family<'_>, node: &Node) {
    for (cpu, times) in &node.cpus {
        let cpu = cpu.to_string();
        for (mode, time) in MODES.iter().zip(times) {
            let labels = [(names::CPU, cpu.as_str()), (names::MODE, *mode)];
            lines.sample(&labels, time.as_secs_f64(), None);
        }
    }
}

/// Counts and bytes stay exact up to 2^53.
fn count(value: u64) -> f64 {
    value as f64
}

fn microseconds(time: Duration) -> f64 {
    time.as_micros() as f64
}

fn seconds_of(unix_milliseconds: i64) -> f64 {
    unix_milliseconds as f64 / 1000.0
}
