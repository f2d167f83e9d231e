//! What processes use, read from /proc.

use std::{collections::BTreeMap, fs, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

/// A process and its descendants, the process first.
#[derive(Clone, Debug)]
pub(crate) struct Processes(Vec<u32>);

/// CPU time so far, user and system, of each thread.
#[derive(Clone, Debug)]
pub(crate) struct Cpu(BTreeMap<u32, Duration>);

/// CPU time of the whole machine so far: what ran, and what the host took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine(Duration);

impl Processes {
    pub(crate) fn tree(root: u32) -> Self {
        let parents: Vec<(u32, u32)> = numbers("/proc")
            .into_iter()
            .filter_map(|pid| Some((pid, parent(pid)?)))
            .collect();
        let mut tree = vec![root];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            let children = parents.iter().filter(|(_, of)| *of == parent);
            tree.extend(children.map(|(child, _)| child));
            next += 1;
        }
        Self(tree)
    }

    /// The descendants alone.
    pub(crate) fn below(root: u32) -> Self {
        let mut tree = Self::tree(root);
        tree.0.remove(0);
        tree
    }

    /// Sends `signal` to those that are still there.
    pub(crate) fn signal(&self, signal: Signal) {
        for pid in self.0.iter().filter_map(|pid| i32::try_from(*pid).ok()) {
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, signal));
        }
    }

    pub(crate) fn cpu(&self) -> Cpu {
        let tasks = self.0.iter().flat_map(|pid| {
            let folder = format!("/proc/{pid}/task");
            let tasks = numbers(&folder).into_iter();
            tasks.filter_map(move |task| {
                // The first field, nanoseconds on a CPU; a thread may end at any time.
                let stat = fs::read_to_string(format!("{folder}/{task}/schedstat")).ok()?;
                let nanos = stat.split_whitespace().next()?.parse().ok()?;
                Some((task, Duration::from_nanos(nanos)))
            })
        });
        Cpu(tasks.collect())
    }

    /// Resident memory in KiB, pages that several processes share being divided among them.
    pub(crate) fn pss_kib(&self) -> f64 {
        let of = |pid: &u32| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kib = line.unwrap().trim().trim_end_matches(" kB");
            kib.parse::<f64>().unwrap()
        };
        self.0.iter().map(of).sum()
    }
}

impl Cpu {
    /// What was used since `earlier`, but for threads that have ended in between.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let used = self.0.iter().map(|(task, now)| {
            let before = earlier.0.get(task).copied().unwrap_or_default();
            now.saturating_sub(before)
        });
        used.sum()
    }
}

impl Machine {
    pub(crate) fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let fields: Vec<u64> = stat
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .skip(1)
            .map(|field| field.parse().unwrap())
            .collect();
        // proc_stat(5): user nice system idle iowait irq softirq steal; guests count as user.
        let ticks: u64 = [0, 1, 2, 5, 6, 7].iter().map(|field| fields[*field]).sum();
        let hertz = rustix::param::clock_ticks_per_second();
        Self(Duration::from_secs_f64(ticks as f64 / hertz as f64))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Entries of a folder that are numbers, as those of processes and threads are.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// The fourth field of proc_pid_stat(5); the second may hold any byte and ends with `)`.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(1)?.parse().ok()
}
