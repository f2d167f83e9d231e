//! A /proc of files.

use minicloud_agent_api::names::{self, CONTAINER_CPU_USAGE_SECONDS_TOTAL as USAGE};

use crate::measured::{Measured, Tree, line, value};

const INSTANCE: &str = "/process/i-0123abcd";
const MARK: &str = "PATH=/bin\0MINICLOUD_INSTANCE_ID=i-0123abcd\0";

/// Ticks are hundredths of a second wherever Linux runs today.
fn write_process(tree: &Tree, pid: u32, ppid: u32, own: u64, reaped: u64, environ: &str) {
    // The environment first: a process is looked at when it has a stat.
    tree.write(&format!("proc/{pid}/environ"), environ);
    tree.write(
        &format!("proc/{pid}/stat"),
        format!(
            "{pid} (a) b) S {ppid} 1 1 0 -1 0 0 0 0 0 {own} 0 {reaped} 0 20 0 1 0 {pid} 1000 10 0\n"
        ),
    );
}

async fn counted(measured: &Measured, seconds: f64) {
    measured
        .until(|samples| value(samples, USAGE, INSTANCE) == Some(seconds))
        .await;
}

#[tokio::test]
async fn marked_processes_are_one_instance() {
    let tree = Tree::new();
    write_process(&tree, 1, 0, 5000, 0, "PATH=/bin\0");
    write_process(&tree, 10, 1, 100, 0, MARK);
    write_process(&tree, 11, 1, 50, 0, MARK);
    write_process(&tree, 12, 1, 7, 0, "MINICLOUD_INSTANCE_ID=i-ffffffff\0");
    write_process(&tree, 13, 1, 7, 0, "MINICLOUD_INSTANCE_ID=../../etc\0");
    tree.write("proc/stat", "cpu0 1 1 1 1 1 1 1 1\n");
    let samples = tree.start().next().await;
    let usage = line(&samples, USAGE, INSTANCE).unwrap();
    assert_eq!(usage.value, 1.5);
    assert_eq!(usage.label(names::NAME), Some("i-0123abcd"));
    assert!(usage.timestamp.is_some());
    assert_eq!(value(&samples, USAGE, "/process/i-ffffffff"), Some(0.07));
    let ids = samples.iter().filter(|sample| sample.name == USAGE).count();
    assert_eq!(ids, 2);
    let pages = rustix::param::page_size() as f64 * 20.0;
    for memory in [
        names::CONTAINER_MEMORY_USAGE_BYTES,
        names::CONTAINER_MEMORY_WORKING_SET_BYTES,
    ] {
        assert_eq!(value(&samples, memory, INSTANCE), Some(pages));
    }
}

#[tokio::test]
async fn a_child_without_the_mark_is_its_parents() {
    let tree = Tree::new();
    write_process(&tree, 10, 1, 100, 0, MARK);
    let measured = tree.start();
    counted(&measured, 1.0).await;
    write_process(&tree, 20, 10, 30, 0, "PATH=/bin\0");
    counted(&measured, 1.3).await;
}

#[tokio::test]
async fn a_process_is_looked_at_again_after_it_appears() {
    let tree = Tree::new();
    // What a parent that is no instance's forks, before it executes the instance.
    write_process(&tree, 10, 1, 100, 0, "PATH=/bin\0");
    let measured = tree.start();
    assert_eq!(value(&measured.next().await, USAGE, INSTANCE), None);
    write_process(&tree, 10, 1, 100, 0, MARK);
    // What it used before is not the instance's.
    counted(&measured, 0.0).await;
    write_process(&tree, 10, 1, 140, 0, MARK);
    counted(&measured, 0.4).await;
}

#[tokio::test]
async fn processes_may_come_and_go() {
    let tree = Tree::new();
    write_process(&tree, 10, 1, 100, 0, MARK);
    write_process(&tree, 11, 10, 50, 0, MARK);
    let measured = tree.start();
    counted(&measured, 1.5).await;
    // The child is reaped by the root, having used a little more.
    write_process(&tree, 10, 1, 101, 53, MARK);
    tree.remove("proc/11");
    measured
        .until(|samples| {
            let now = value(samples, USAGE, INSTANCE).unwrap();
            // The removal is not in one step with the writing: the debt allows for a sample.
            assert!((1.5..=2.04).contains(&now), "{now}");
            now != 1.5
        })
        .await;
    tree.remove("proc/10");
    measured
        .until(|samples| value(samples, USAGE, INSTANCE).is_none())
        .await;
}

#[tokio::test]
async fn a_root_that_goes_leaves_the_counter() {
    let tree = Tree::new();
    write_process(&tree, 10, 1, 100, 0, MARK);
    write_process(&tree, 11, 10, 50, 0, MARK);
    let measured = tree.start();
    counted(&measured, 1.5).await;
    tree.remove("proc/10");
    measured
        .until(|samples| {
            let memory = value(samples, names::CONTAINER_MEMORY_USAGE_BYTES, INSTANCE);
            memory == Some(rustix::param::page_size() as f64 * 10.0)
        })
        .await;
    counted(&measured, 1.5).await;
    write_process(&tree, 11, 1, 60, 0, MARK);
    counted(&measured, 1.6).await;
}

#[tokio::test]
async fn torn_process_files_do_not_lose_the_counter() {
    let tree = Tree::new();
    write_process(&tree, 10, 1, 100, 0, MARK);
    let measured = tree.start();
    counted(&measured, 1.0).await;
    tree.write("proc/10/stat", "10 (torn");
    let samples = measured.next().await;
    assert_eq!(value(&samples, USAGE, INSTANCE), Some(1.0));
    write_process(&tree, 10, 1, 120, 0, MARK);
    counted(&measured, 1.2).await;
}
