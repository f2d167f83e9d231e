use std::path::Path;

use minicloud_agent_api::{Sample, names};

use crate::measured::{Measured, Tree};

fn of_node<'a>(samples: &'a [Sample], name: &str) -> Vec<&'a Sample> {
    samples
        .iter()
        .filter(|sample| sample.name == name)
        .collect()
}

#[tokio::test]
async fn node_times_come_from_proc() {
    let tree = Tree::new();
    tree.write("cgroup/cgroup.controllers", "cpu\n");
    tree.write(
        "proc/stat",
        "cpu  1 1 1 1 1 1 1 1 0 0\ncpu0 100 0 50 900 0 0 0 0 0 0\ncpu1 1 2 3 4 5 6 7 8 0 0\n",
    );
    tree.write("proc/pressure/cpu", "some avg10=0.00 total=1500000\n");
    let samples = tree.start().next().await;
    let cpu = of_node(&samples, names::NODE_CPU_SECONDS_TOTAL);
    assert_eq!(cpu.len(), 16);
    let idle = cpu
        .iter()
        .find(|it| it.label(names::CPU) == Some("0") && it.label(names::MODE) == Some("idle"));
    assert_eq!(idle.unwrap().value, 9.0);
    let waiting = of_node(&samples, names::NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL);
    assert_eq!(waiting[0].value, 1.5);
}

#[tokio::test]
async fn this_node_has_all_gauges() {
    let measured = Measured::start(Path::new("/sys/fs/cgroup"), Path::new("/proc"));
    let samples = measured.next().await;
    for name in [
        names::MACHINE_CPU_CORES,
        names::NODE_MEMORY_MEMTOTAL_BYTES,
        names::NODE_MEMORY_MEMAVAILABLE_BYTES,
        names::MINICLOUD_AGENT_LAST_SAMPLE_TIMESTAMP_SECONDS,
    ] {
        let lines = of_node(&samples, name);
        assert_eq!(lines.len(), 1, "{name}");
        assert!(lines[0].value > 0.0, "{name}");
    }
    for name in [names::NODE_LOAD1, names::NODE_LOAD5, names::NODE_LOAD15] {
        assert_eq!(of_node(&samples, name).len(), 1, "{name}");
    }
    let cores = of_node(&samples, names::MACHINE_CPU_CORES)[0].value;
    let modes = of_node(&samples, names::NODE_CPU_SECONDS_TOTAL).len();
    assert_eq!(modes as f64, cores * 8.0);
}
