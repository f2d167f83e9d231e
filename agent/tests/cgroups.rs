use minicloud_agent::{Agent, Config, StartError};
use minicloud_agent_api::names::{self, CONTAINER_CPU_USAGE_SECONDS_TOTAL as USAGE};
use tokio_util::sync::CancellationToken;

use crate::measured::{CONTAINER, Tree, line, value, values};

const PRESSURE: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=3500000\n\
                        full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";

fn write_v1_cpu(tree: &Tree, directory: &str) {
    tree.write_all(
        directory,
        &[
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "100000\n"),
            (
                "cpu.stat",
                "nr_periods 20\nnr_throttled 4\nthrottled_time 1500000000\nnr_bursts 0\n",
            ),
        ],
    );
}

fn write_v1_memory(tree: &Tree, directory: &str) {
    tree.write_all(
        directory,
        &[
            ("memory.usage_in_bytes", "1000\n"),
            (
                "memory.stat",
                "cache 5\ninactive_file 1\ntotal_inactive_file 300\n",
            ),
            ("memory.limit_in_bytes", "134217728\n"),
        ],
    );
}

fn write_v2(tree: &Tree, directory: &str) {
    tree.write_all(
        directory,
        &[
            (
                "cpu.stat",
                "usage_usec 2500000\nuser_usec 1\nsystem_usec 1\nnr_periods 20\n\
                 nr_throttled 4\nthrottled_usec 1500000\n",
            ),
            ("cpu.max", "50000 100000\n"),
            ("cpu.pressure", PRESSURE),
            ("memory.current", "1000\n"),
            ("memory.stat", "anon 5\nfile 6\ninactive_file 300\n"),
            ("memory.max", "134217728\n"),
        ],
    );
}

fn everything(pressure: bool) -> Vec<(String, f64)> {
    let mut values = vec![
        (USAGE, 2.5),
        (names::CONTAINER_SPEC_CPU_QUOTA, 50_000.0),
        (names::CONTAINER_SPEC_CPU_PERIOD, 100_000.0),
        (names::CONTAINER_CPU_CFS_PERIODS_TOTAL, 20.0),
        (names::CONTAINER_CPU_CFS_THROTTLED_PERIODS_TOTAL, 4.0),
        (names::CONTAINER_CPU_CFS_THROTTLED_SECONDS_TOTAL, 1.5),
        (names::CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL, 3.5),
        (names::CONTAINER_MEMORY_USAGE_BYTES, 1000.0),
        (names::CONTAINER_MEMORY_WORKING_SET_BYTES, 700.0),
        (names::CONTAINER_SPEC_MEMORY_LIMIT_BYTES, 134_217_728.0),
    ];
    values.retain(|(name, _)| {
        pressure || *name != names::CONTAINER_PRESSURE_CPU_WAITING_SECONDS_TOTAL
    });
    values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[tokio::test]
async fn separate_v1_controllers_are_read() {
    let tree = Tree::new();
    let id = format!("/docker/{CONTAINER}");
    tree.write(&format!("cgroup/cpuacct{id}/cpuacct.usage"), "2500000000\n");
    write_v1_cpu(&tree, &format!("cgroup/cpu{id}"));
    write_v1_memory(&tree, &format!("cgroup/memory{id}"));
    let samples = tree.start().next().await;
    assert_eq!(values(&samples, &id), everything(false));
}

#[tokio::test]
async fn joint_v1_controllers_are_read() {
    for joint in ["cpu,cpuacct", "cpuacct,cpu"] {
        let tree = Tree::new();
        let id = format!("/system.slice/docker-{CONTAINER}.scope");
        tree.write(&format!("cgroup/{joint}{id}/cpuacct.usage"), "2500000000\n");
        write_v1_cpu(&tree, &format!("cgroup/{joint}{id}"));
        write_v1_memory(&tree, &format!("cgroup/memory{id}"));
        let samples = tree.start().next().await;
        assert_eq!(values(&samples, &id), everything(false), "{joint}");
    }
}

#[tokio::test]
async fn v2_is_read() {
    let tree = Tree::new();
    let id = format!("/system.slice/docker-{CONTAINER}.scope");
    tree.write("cgroup/cgroup.controllers", "cpu memory\n");
    write_v2(&tree, &format!("cgroup{id}"));
    let samples = tree.start().next().await;
    assert_eq!(values(&samples, &id), everything(true));
}

#[tokio::test]
async fn network_is_that_of_the_containers_first_visible_process() {
    let tree = Tree::new();
    let id = format!("/system.slice/docker-{CONTAINER}.scope");
    tree.write("cgroup/cgroup.controllers", "cpu memory\n");
    write_v2(&tree, &format!("cgroup{id}"));
    tree.write(&format!("cgroup{id}/cgroup.procs"), "0\n41\n42\n");
    let device = "Inter-| Receive | Transmit\n face |bytes packets|bytes packets\n    \
                  lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n  \
                  eth0: 1500 2 0 0 0 0 0 0 700 2 0 0 0 0 0 0\n";
    tree.write("proc/41/net/dev", device);
    let samples = tree.start().next().await;
    for (name, bytes) in [
        (names::CONTAINER_NETWORK_RECEIVE_BYTES_TOTAL, 1500.0),
        (names::CONTAINER_NETWORK_TRANSMIT_BYTES_TOTAL, 700.0),
    ] {
        let lines: Vec<_> = samples.iter().filter(|line| line.name == name).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].value, bytes);
        assert_eq!(lines[0].label(names::ID), Some(id.as_str()));
        assert_eq!(lines[0].label(names::INTERFACE), Some("eth0"));
    }
}

#[tokio::test]
async fn a_hybrid_takes_pressure_from_v2() {
    let tree = Tree::new();
    let id = format!("/docker/{CONTAINER}");
    tree.write(&format!("cgroup/cpuacct{id}/cpuacct.usage"), "2500000000\n");
    write_v1_cpu(&tree, &format!("cgroup/cpu{id}"));
    write_v1_memory(&tree, &format!("cgroup/memory{id}"));
    tree.write("cgroup/unified/cgroup.controllers", "\n");
    tree.write(&format!("cgroup/unified{id}/cpu.pressure"), PRESSURE);
    tree.write(&format!("cgroup/unified{id}/cpu.stat"), "usage_usec 1\n");
    let samples = tree.start().next().await;
    assert_eq!(values(&samples, &id), everything(true));
}

#[tokio::test]
async fn a_controller_that_v1_lacks_is_taken_from_v2() {
    let tree = Tree::new();
    let id = format!("/docker/{CONTAINER}");
    tree.write(
        &format!("cgroup/memory{id}/memory.usage_in_bytes"),
        "1000\n",
    );
    tree.write("cgroup/unified/cgroup.controllers", "cpu\n");
    write_v2(&tree, &format!("cgroup/unified{id}"));
    let samples = tree.start().next().await;
    assert_eq!(value(&samples, USAGE, &id), Some(2.5));
    assert_eq!(
        value(&samples, names::CONTAINER_MEMORY_USAGE_BYTES, &id),
        Some(1000.0)
    );
}

#[tokio::test]
async fn no_limit_is_no_value() {
    let tree = Tree::new();
    let v1 = format!("/docker/{CONTAINER}");
    tree.write_all(
        &format!("cgroup/cpu,cpuacct{v1}"),
        &[
            ("cpuacct.usage", "1000000000\n"),
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "100000\n"),
        ],
    );
    let limit = "9223372036854771712\n";
    tree.write(&format!("cgroup/memory{v1}/memory.limit_in_bytes"), limit);
    let samples = tree.start().next().await;
    assert_eq!(value(&samples, USAGE, &v1), Some(1.0));
    assert_eq!(
        value(&samples, names::CONTAINER_SPEC_CPU_PERIOD, &v1),
        Some(100_000.0)
    );
    assert_eq!(value(&samples, names::CONTAINER_SPEC_CPU_QUOTA, &v1), None);
    assert_eq!(
        value(&samples, names::CONTAINER_SPEC_MEMORY_LIMIT_BYTES, &v1),
        None
    );
}

#[tokio::test]
async fn containers_are_found_wherever_they_are() {
    let tree = Tree::new();
    tree.write("cgroup/cgroup.controllers", "cpu\n");
    let hex = |number: u8| format!("{number:064x}");
    let mut ids = vec![
        format!("/docker/{}", hex(1)),
        format!("/docker/{}/{}", hex(1), hex(2)),
        format!("/minicloud/web/{}", hex(3)),
        format!("/system.slice/docker-{}.scope", hex(4)),
        format!(
            "/kubepods.slice/kubepods-pod1.slice/cri-containerd-{}.scope",
            hex(5)
        ),
    ];
    for id in &ids {
        tree.write(&format!("cgroup{id}/cpu.stat"), "usage_usec 1000000\n");
    }
    for other in ["system.slice/ssh.service", "docker/buildkit", "user.slice"] {
        tree.write(&format!("cgroup/{other}/cpu.stat"), "usage_usec 1\n");
    }
    let samples = tree.start().next().await;
    let mut found: Vec<&str> = samples
        .iter()
        .filter(|sample| sample.name == USAGE)
        .filter_map(|sample| sample.label(names::ID))
        .collect();
    found.sort_unstable();
    ids.sort_unstable();
    assert_eq!(found, ids);
}

#[tokio::test]
async fn lines_of_a_container_carry_when_it_was_read() {
    let tree = Tree::new();
    let id = format!("/docker/{CONTAINER}");
    tree.write("cgroup/cgroup.controllers", "cpu\n");
    write_v2(&tree, &format!("cgroup{id}"));
    let measured = tree.start();
    let first = measured.next().await;
    let at = line(&first, USAGE, &id).unwrap().timestamp.unwrap();
    let stamps = |sample: &&minicloud_agent_api::Sample| sample.label(names::ID) == Some(&id);
    assert!(
        first
            .iter()
            .filter(stamps)
            .all(|sample| sample.timestamp == Some(at))
    );
    measured
        .until(|samples| line(samples, USAGE, &id).unwrap().timestamp > Some(at))
        .await;
}

#[tokio::test]
async fn containers_may_come_and_go() {
    let tree = Tree::new();
    let id = format!("/docker/{CONTAINER}");
    tree.write("cgroup/cgroup.controllers", "cpu\n");
    let measured = tree.start();
    assert_eq!(value(&measured.next().await, USAGE, &id), None);
    tree.write(&format!("cgroup{id}/cpu.stat"), "usage_usec 7000000\n");
    measured
        .until(|samples| value(samples, USAGE, &id) == Some(7.0))
        .await;
    tree.remove("cgroup/docker");
    measured
        .until(|samples| value(samples, USAGE, &id).is_none())
        .await;
    // The sampling goes on.
    measured.next().await;
}

#[tokio::test]
async fn the_counter_of_a_restarted_container_does_not_fall() {
    let tree = Tree::new();
    let id = format!("/docker/{CONTAINER}");
    tree.write("cgroup/cgroup.controllers", "cpu\n");
    tree.write(&format!("cgroup{id}/cpu.stat"), "usage_usec 7000000\n");
    let measured = tree.start();
    measured
        .until(|samples| value(samples, USAGE, &id) == Some(7.0))
        .await;
    tree.write(&format!("cgroup{id}/cpu.stat"), "usage_usec 1000000\n");
    measured
        .until(|samples| value(samples, USAGE, &id) != Some(7.0))
        .await;
    assert_eq!(value(&measured.next().await, USAGE, &id), Some(8.0));
}

#[tokio::test]
async fn nothing_to_measure_is_an_error() {
    let tree = Tree::new();
    let config = Config {
        cgroup_root: tree.path("nowhere"),
        processes: false,
        ..Config::default()
    };
    let error = Agent::start(config, CancellationToken::new()).unwrap_err();
    assert!(matches!(error, StartError::NoCgroups { .. }));
    assert!(
        error.to_string().contains("/nowhere: mount the node's"),
        "{error}"
    );

    let interval = Config {
        interval: std::time::Duration::ZERO,
        ..Config::default()
    };
    let error = Agent::start(interval, CancellationToken::new()).unwrap_err();
    assert!(matches!(error, StartError::ZeroInterval));
}
