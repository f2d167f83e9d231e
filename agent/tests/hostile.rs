use std::{fs, os::unix::fs::symlink};

use minicloud_agent_api::names::{self, CONTAINER_CPU_USAGE_SECONDS_TOTAL as USAGE};

use crate::measured::{CONTAINER, Tree, value, values};

/// Files that hold anything but what they should.
fn contents() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"\n".to_vec(),
        b"123456".to_vec(),
        b"usage_usec 123456".to_vec(),
        b"max\n".to_vec(),
        b"-1\n".to_vec(),
        b"usage_usec -1\nnr_periods x\n".to_vec(),
        b"99999999999999999999999999\n".to_vec(),
        b"usage_usec 99999999999999999999999999\n".to_vec(),
        vec![0; 100],
        vec![0xff; 100],
        vec![b'7'; 1 << 20],
        b"some total=x\n".to_vec(),
    ]
}

#[tokio::test]
async fn what_cannot_be_read_is_absent() {
    for content in contents() {
        let tree = Tree::new();
        let id = format!("/docker/{CONTAINER}");
        for v1 in ["cpuacct.usage", "cpu.stat", "cpu.cfs_quota_us"] {
            tree.write(&format!("cgroup/cpu,cpuacct{id}/{v1}"), &content);
        }
        for v2 in [
            "cpu.stat",
            "cpu.max",
            "cpu.pressure",
            "memory.current",
            "memory.stat",
            "memory.max",
        ] {
            tree.write(&format!("cgroup/unified{id}/{v2}"), &content);
        }
        tree.write("cgroup/unified/cgroup.controllers", "memory\n");
        let sound = "/docker/00000000000000000000000000000000000000000000000000000000000000b2";
        tree.write(
            &format!("cgroup/cpu,cpuacct{sound}/cpuacct.usage"),
            "5000000000\n",
        );
        let shown = String::from_utf8_lossy(&content[..content.len().min(40)]).into_owned();

        let samples = tree.start().next().await;
        assert_eq!(values(&samples, &id), [], "{shown:?}");
        assert_eq!(value(&samples, USAGE, sound), Some(5.0), "{shown:?}");
    }
}

#[tokio::test]
async fn a_working_set_needs_both_its_parts() {
    let tree = Tree::new();
    let id = format!("/docker/{CONTAINER}");
    tree.write("cgroup/cgroup.controllers", "memory\n");
    tree.write(&format!("cgroup{id}/memory.current"), "1000\n");
    tree.write(&format!("cgroup{id}/memory.stat"), "anon 5\n");
    let samples = tree.start().next().await;
    let usage = (names::CONTAINER_MEMORY_USAGE_BYTES.to_owned(), 1000.0);
    assert_eq!(values(&samples, &id), [usage]);
}

#[tokio::test]
async fn loops_and_deep_trees_end() {
    let tree = Tree::new();
    tree.write("cgroup/cgroup.controllers", "cpu\n");
    let deep = format!("cgroup/{}docker", "a/".repeat(50));
    tree.write(
        &format!("{deep}/{CONTAINER}/cpu.stat"),
        "usage_usec 1000000\n",
    );
    fs::create_dir_all(tree.path("cgroup/docker")).unwrap();
    symlink(tree.path("cgroup"), tree.path("cgroup/docker/loop")).unwrap();
    let id = format!("/docker/{CONTAINER}");
    tree.write(&format!("cgroup{id}/cpu.stat"), "usage_usec 2000000\n");
    let samples = tree.start().next().await;
    let usages: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.name == USAGE)
        .map(|sample| sample.value)
        .collect();
    assert_eq!(usages, [2.0]);
}

#[tokio::test]
async fn a_name_that_needs_escaping_is_escaped() {
    let tree = Tree::new();
    tree.write("cgroup/cgroup.controllers", "cpu\n");
    let id = format!("/a\"}} 1\nb\\/{CONTAINER}");
    tree.write(&format!("cgroup{id}/cpu.stat"), "usage_usec 2000000\n");
    let samples = tree.start().next().await;
    assert_eq!(value(&samples, USAGE, &id), Some(2.0));
}
