//! Real processes under the real /proc.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use minicloud_agent_api::names::CONTAINER_CPU_USAGE_SECONDS_TOTAL as USAGE;

use crate::measured::{Measured, value};

/// A shell that is killed with its test.
struct Shell(Child);

impl Shell {
    fn run(script: &str, instance: &str) -> Self {
        let child = Command::new("sh")
            .args(["-c", script])
            .env("MINICLOUD_INSTANCE_ID", instance)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Closes its input, which ends what reads from it.
    fn end(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measured() -> Measured {
    Measured::start(Path::new("/sys/fs/cgroup"), Path::new("/proc"))
}

/// Ids that no other test uses, nor another run at the same time.
fn instance(number: u8) -> (String, String) {
    let id = format!("i-{number:02x}{:08x}", std::process::id());
    let path = format!("/process/{id}");
    (id, path)
}

#[tokio::test]
async fn a_child_that_burns_is_measured() {
    let (id, path) = instance(1);
    let measured = measured();
    let _shell = Shell::run("while :; do :; done", &id);
    measured
        .until(|samples| value(samples, USAGE, &path).is_some_and(|used| used > 0.3))
        .await;
}

#[tokio::test]
async fn short_lived_children_are_counted_once_and_the_end_is_seen() {
    let (id, path) = instance(2);
    let measured = measured();
    // Each child is a burst that the shell waits for; the last line keeps the shell there.
    let burst = "sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'";
    let script = format!("for _ in 1 2 3 4 5 6 7 8; do {burst}; done; read _");
    let mut shell = Shell::run(&script, &id);
    let pid = shell.0.id();
    let truth = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks = |range: std::ops::Range<usize>| -> u64 {
            fields[range]
                .iter()
                .map(|it| it.parse::<u64>().unwrap())
                .sum()
        };
        (fields[0].to_owned(), ticks(11..15))
    };
    // Once the shell sleeps in `read` with all children reaped, its counters are the truth.
    let mut last = 0.0_f64;
    measured
        .until(|samples| {
            let Some(used) = value(samples, USAGE, &path) else {
                return false;
            };
            assert!(used >= last, "{used} is below {last}");
            last = used;
            let (_, ticks) = truth();
            ticks > 0 && children_of(pid) == 0 && used * 100.0 + 0.5 >= ticks as f64
        })
        .await;
    let (_, ticks) = truth();
    assert!(
        last * 100.0 <= ticks as f64 + 0.5,
        "{last} s of {ticks} ticks"
    );
    shell.end();
    measured
        .until(|samples| value(samples, USAGE, &path).is_none())
        .await;
}

fn children_of(pid: u32) -> usize {
    let path = format!("/proc/{pid}/task/{pid}/children");
    std::fs::read_to_string(path).map_or(0, |text| text.split_whitespace().count())
}
