use std::time::Duration;

use minicloud_agent_api::{Exposition, Kind, names};

use crate::snapshot::{Container, Interface, MODES, Node, Snapshot};

struct ContainerFamily {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: fn(&Container) -> Option<f64>,
}

const CONTAINER_FAMILIES: [ContainerFamily; 11] = [
    ContainerFamily {
        name: names::CONTAINER_CPU_USAGE_SECONDS_TOTAL,
        kind: Kind::Counter,
        help: "CPU time used.",
        value: |container| container.cpu.usage.map(|time| time.as_secs_f64()),
    },
    ContainerFamily {
        name: names::CONTAINER_SPEC_CPU_QUOTA,
        kind: Kind::Gauge,
        help: "CPU time allowed in each period, in microseconds.",
        value: |container| container.cpu.quota.map(microseconds),
    },
    ContainerFamily {
        name: names::CONTAINER_SPEC_CPU_PERIOD,
        kind: Kind::Gauge,
        help: "Length of the period that the quota is for, in microseconds.",
        value: |container| container.cpu.period.map(microseconds),
    },
    ContainerFamily {
        name: names::CONTAINER_CPU_CFS_PERIODS_TOTAL,
        kind: Kind::Counter,
        help: "Periods in which the container was runnable.",
        value: |container| container.cpu.periods.map(count),
    },
    ContainerFamily {
        name: names::CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL,
        kind: Kind::Counter,
        help: "Periods in which the quota ran out.",
        value: |container| container.cpu.throttled_periods.map(count),
    },
    ContainerFamily {
        name: names::CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL,
        kind: Kind::Counter,
        help: "Time spent waiting for the next period.",
        value: |container| container.cpu.throttled.map(|time| time.as_secs_f64()),
    },
    ContainerFamily {
        name: names::CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL,
        kind: Kind::Counter,
        help: "Time in which at least one task waited for a CPU.",
        value: |container| container.cpu.waiting.map(|time| time.as_secs_f64()),
    },
    ContainerFamily {
        name: names::CONTAINER_MEMORY_USAGE_BYTES,
        kind: Kind::Gauge,
        help: "Memory charged, page cache included.",
        value: |container| container.memory.usage.map(count),
    },
    ContainerFamily {
        name: names::CONTAINER_MEMORY_WORKING_SET_BYTES,
        kind: Kind::Gauge,
        help: "Memory charged less the page cache that has not been used lately.",
        value: |container| container.memory.working_set.map(count),
    },
    ContainerFamily {
        name: names::CONTAINER_SPEC_MEMORY_LIMIT_BYTES,
        kind: Kind::Gauge,
        help: "Most memory the container may use.",
        value: |container| container.memory.limit.map(count),
    },
    ContainerFamily {
        name: names::CONTAINER_LAST_SEEN,
        kind: Kind::Gauge,
        help: "When the container was last seen, in seconds since the Unix epoch.",
        value: |container| Some(seconds_of(container.read_at)),
    },
];

/// The snapshot in the Prometheus text format. Lines of a container carry the time at which
/// its counters were read.
pub(crate) fn render(snapshot: &Snapshot) -> String {
    let mut text = Exposition::new();
    for family in &CONTAINER_FAMILIES {
        write_container_family(&mut text, family, &snapshot.containers);
    }
    write_network(&mut text, &snapshot.containers);
    write_node(&mut text, &snapshot.node);
    text.family(
        names::MINICLOUD_AGENT_LAST_SAMPLE_TIMESTAMP_SECONDS,
        Kind::Gauge,
        "When the agent last took a sample, in seconds since the Unix epoch.",
    )
    .sample(&[], seconds_of(snapshot.taken_at), None);
    text.finish()
}

fn write_container_family(
    text: &mut Exposition,
    family: &ContainerFamily,
    containers: &[Container],
) {
    let mut lines = text.family(family.name, family.kind, family.help);
    for container in containers {
        let Some(value) = (family.value)(container) else {
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

fn write_network(text: &mut Exposition, containers: &[Container]) {
    type Counter = fn(&Interface) -> u64;
    let families: [(_, _, Counter); 2] = [
        (
            names::CONTAINER_NETWORK_RECEIVE_BYTES_TOTAL,
            "Bytes received.",
            |interface| interface.received,
        ),
        (
            names::CONTAINER_NETWORK_TRANSMIT_BYTES_TOTAL,
            "Bytes sent.",
            |interface| interface.transmitted,
        ),
    ];
    for (name, help, counter) in families {
        let mut lines = text.family(name, Kind::Counter, help);
        for container in containers {
            for interface in &container.network {
                let labels = [
                    (names::ID, container.id.as_str()),
                    (names::INTERFACE, interface.name.as_str()),
                ];
                let value = count(counter(interface));
                lines.sample(&labels, value, Some(container.read_at));
            }
        }
    }
}

fn write_node(text: &mut Exposition, node: &Node) {
    write_node_cpus(text, node);
    let [load1, load5, load15] = node.load.map_or([None; 3], |load| load.map(Some));
    for (name, kind, help, value) in [
        (
            names::MACHINE_CPU_CORES,
            Kind::Gauge,
            "Logical CPUs of the node.",
            node.cores.map(|cores| cores as f64),
        ),
        (
            names::NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL,
            Kind::Counter,
            "Time in which at least one task of the node waited for a CPU.",
            node.waiting.map(|time| time.as_secs_f64()),
        ),
        (
            names::NODE_MEMORY_MEMTOTAL_BYTES,
            Kind::Gauge,
            "Memory of the node.",
            node.memory_total.map(count),
        ),
        (
            names::NODE_MEMORY_MEMAVAILABLE_BYTES,
            Kind::Gauge,
            "Memory that can be had without swapping.",
            node.memory_available.map(count),
        ),
        (
            names::NODE_LOAD1,
            Kind::Gauge,
            "Load average over one minute.",
            load1,
        ),
        (
            names::NODE_LOAD5,
            Kind::Gauge,
            "Load average over five minutes.",
            load5,
        ),
        (
            names::NODE_LOAD15,
            Kind::Gauge,
            "Load average over fifteen minutes.",
            load15,
        ),
    ] {
        if let Some(value) = value {
            text.family(name, kind, help).sample(&[], value, None);
        }
    }
}

fn write_node_cpus(text: &mut Exposition, node: &Node) {
    let mut lines = text.family(
        names::NODE_CPU_SECONDS_TOTAL,
        Kind::Counter,
        "Time each CPU spent in each mode.",
    );
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
