//! A kernel's process table in which the truth is known.

use std::collections::{BTreeMap, VecDeque};

use super::{InstanceId, Ledger, Pid, Process};

const INIT: Pid = 1;

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Reads one process of the sample that is being taken, or begins one.
    Read,
    /// Finishes the sample that is being taken, then takes one at one instant.
    ReadAll,
    Use {
        who: usize,
        ticks: u64,
    },
    Fork {
        who: usize,
        ignores_children: bool,
    },
    Exit {
        who: usize,
    },
    /// A parent waits for a child that has ended.
    Reap {
        who: usize,
    },
}

#[derive(Clone, Debug)]
struct Task {
    ppid: Pid,
    own: u64,
    reaped: u64,
    ended: bool,
    ignores_children: bool,
}

/// What happened between two samples.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    used: u64,
    /// Something was reaped where the ledger cannot see it.
    lossy: bool,
}

pub(super) struct Simulation {
    instance: InstanceId,
    ledger: Ledger,
    /// Processes of the instance, the ended ones too until they are reaped.
    tasks: BTreeMap<Pid, Task>,
    next_pid: Pid,
    unread: VecDeque<Pid>,
    read: Vec<Process>,
    reading: bool,
    intervals: Vec<Interval>,
    counted: u64,
}

impl Simulation {
    pub(super) fn new(instance: InstanceId) -> Self {
        let mut simulation = Self {
            instance,
            ledger: Ledger::default(),
            tasks: BTreeMap::new(),
            next_pid: 10,
            unread: VecDeque::new(),
            read: Vec::new(),
            reading: false,
            intervals: vec![Interval::default()],
            counted: 0,
        };
        simulation.fork(INIT, false);
        simulation
    }

    pub(super) fn apply(&mut self, op: Op) {
        match op {
            Op::Read => self.read_one(),
            Op::ReadAll => self.read_all(),
            Op::Use { who, ticks } => self.use_time(who, ticks),
            Op::Fork {
                who,
                ignores_children,
            } => {
                // Without any process left, the instance is entered from outside.
                let parent = self.pick(who).unwrap_or(INIT);
                self.fork(parent, ignores_children);
            }
            Op::Exit { who } => {
                if let Some(pid) = self.pick(who) {
                    self.exit(pid);
                }
            }
            Op::Reap { who } => {
                let ended = self.pids(|task| task.ended);
                if !ended.is_empty() {
                    self.reap(ended[who % ended.len()]);
                }
            }
        }
    }

    /// Once nothing happens any more, all is counted but what was lost.
    pub(super) fn check_settled(&self) {
        let near_a_loss = |index: usize| {
            let from = index.saturating_sub(2);
            let to = (index + 3).min(self.intervals.len());
            self.intervals[from..to]
                .iter()
                .any(|interval| interval.lossy)
        };
        let may_be_lost: u64 = (0..self.intervals.len())
            .filter(|index| near_a_loss(*index))
            .map(|index| self.intervals[index].used)
            .sum();
        assert!(
            self.truth() - self.counted <= may_be_lost,
            "counted {} of {}, of which {may_be_lost} may be lost",
            self.counted,
            self.truth()
        );
    }

    fn truth(&self) -> u64 {
        self.intervals.iter().map(|interval| interval.used).sum()
    }

    fn interval(&mut self) -> &mut Interval {
        self.intervals.last_mut().unwrap()
    }

    fn pids(&self, wanted: impl Fn(&Task) -> bool) -> Vec<Pid> {
        self.tasks
            .iter()
            .filter(|(_, task)| wanted(task))
            .map(|(pid, _)| *pid)
            .collect()
    }

    fn pick(&self, who: usize) -> Option<Pid> {
        let live = self.pids(|task| !task.ended);
        live.get(who.checked_rem(live.len())?).copied()
    }

    fn use_time(&mut self, who: usize, ticks: u64) {
        if let Some(task) = self.pick(who).and_then(|pid| self.tasks.get_mut(&pid)) {
            task.own += ticks;
            self.interval().used += ticks;
        }
    }

    fn fork(&mut self, ppid: Pid, ignores_children: bool) {
        let task = Task {
            ppid,
            own: 0,
            reaped: 0,
            ended: false,
            ignores_children,
        };
        self.tasks.insert(self.next_pid, task);
        self.next_pid += 1;
    }

    fn exit(&mut self, pid: Pid) {
        for task in self.tasks.values_mut() {
            if task.ppid == pid {
                task.ppid = INIT;
            }
        }
        for orphan in self.pids(|task| task.ppid == INIT && task.ended) {
            self.reap(orphan);
        }
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        task.ended = true;
        let ppid = task.ppid;
        let ignored = |parent: &Task| parent.ignores_children;
        if ppid == INIT || self.tasks.get(&ppid).is_some_and(ignored) {
            self.reap(pid);
        }
    }

    fn reap(&mut self, pid: Pid) {
        let Some(task) = self.tasks.remove(&pid) else {
            return;
        };
        match self.tasks.get_mut(&task.ppid) {
            Some(parent) if !parent.ignores_children => parent.reaped += task.own + task.reaped,
            _ => self.interval().lossy = true,
        }
    }

    fn read_one(&mut self) {
        if !self.reading {
            self.reading = true;
            // The listing. Pids are in the order of the starts: parents come first.
            self.unread = self.tasks.keys().copied().collect();
        }
        if let Some(pid) = self.unread.pop_front()
            && let Some(task) = self.tasks.get(&pid)
        {
            self.read.push(Process {
                pid,
                ppid: task.ppid,
                start: u64::from(pid),
                own: task.own,
                reaped: task.reaped,
                instance: self.instance.clone(),
            });
        }
        if self.unread.is_empty() {
            self.finish();
        }
    }

    fn read_all(&mut self) {
        while self.reading {
            self.read_one();
        }
        self.read_one();
        while self.reading {
            self.read_one();
        }
    }

    fn finish(&mut self) {
        self.reading = false;
        self.ledger.record(std::mem::take(&mut self.read));
        let counted = self.ledger.ticks(&self.instance);
        assert!(
            counted >= self.counted,
            "{} fell to {counted}",
            self.counted
        );
        assert!(
            counted <= self.truth(),
            "{counted} of {} counted",
            self.truth()
        );
        self.counted = counted;
        self.intervals.push(Interval::default());
    }
}
