//! CPU time of instances out of the counters of their processes. Pure.
//!
//! The kernel gives each process two counters: its own time, and that of the children it
//! has waited for. What a process used is thus seen twice, first in itself and, once it is
//! reaped, in its parent. The ledger counts it the first time. When a known process is gone,
//! its last known time is entered as a debt of its nearest ancestor that is still there, and
//! what that ancestor gains by reaping pays the debt before it counts. What a process used
//! after it was last seen, and what whole children used between two samples, is thereby
//! counted when their parent reaps them; it is lost only if a parent outside the tree does.
//!
//! So a counter never falls and is never above the truth, and it is below it by no more than
//! what was used around the deaths of processes that nobody in their tree waited for.
//!
//! This holds for samples that are not of one instant if each process is read before its
//! children: a child that is reaped in between is missing a sample before its time shows in
//! its parent. Hence a debt stands for two samples.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::{Pid, instance_id::InstanceId};

/// How many samples an instance without processes is remembered, so that its counter goes
/// on if a command is run in it.
const MEMORY_SAMPLES: u64 = 60;

/// One process of an instance, as a sample has it. Times in ticks.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) ppid: Pid,
    pub(super) start: u64,
    pub(super) own: u64,
    pub(super) reaped: u64,
    pub(super) instance: InstanceId,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    members: HashMap<Pid, Member>,
    accounts: HashMap<InstanceId, Account>,
    sample: u64,
}

#[derive(Debug)]
struct Member {
    process: Process,
    /// Time of dead descendants that the next sample may show as reaped.
    debt: u64,
}

#[derive(Debug, Default)]
struct Account {
    ticks: u64,
    seen: u64,
}

impl Process {
    fn total(&self) -> u64 {
        self.own.saturating_add(self.reaped)
    }

    fn is(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }
}

impl Ledger {
    /// The processes of the last sample, in no order.
    pub(super) fn members(&self) -> impl Iterator<Item = &Process> {
        self.members.values().map(|member| &member.process)
    }

    pub(super) fn member(&self, pid: Pid) -> Option<&Process> {
        Some(&self.members.get(&pid)?.process)
    }

    /// Takes in a process that has used time before it was the instance's: that time does
    /// not count.
    pub(super) fn adopt(&mut self, process: Process) {
        let member = Member { process, debt: 0 };
        self.members.insert(member.process.pid, member);
    }

    /// Enters a sample: all processes of all instances, each read before its children.
    pub(super) fn record(&mut self, processes: Vec<Process>) {
        self.sample += 1;
        let mut now: HashMap<Pid, Process> = processes
            .into_iter()
            .map(|process| (process.pid, process))
            .collect();
        let debts = self.debts_of_the_gone(&now);
        let before = std::mem::take(&mut self.members);
        self.members = now
            .drain()
            .map(|(pid, process)| {
                let known = before
                    .get(&pid)
                    .filter(|member| member.process.is(&process));
                let fresh_debt = debts.get(&pid).copied().unwrap_or(0);
                let debt = self.credit(&process, known, fresh_debt);
                (pid, Member { process, debt })
            })
            .collect();
        let sample = self.sample;
        self.accounts
            .retain(|_, account| sample - account.seen <= MEMORY_SAMPLES);
    }

    /// Ticks that an instance has used since the ledger first saw it, and what it had used
    /// by then.
    pub(super) fn ticks(&self, instance: &InstanceId) -> u64 {
        self.accounts
            .get(instance)
            .map_or(0, |account| account.ticks)
    }

    /// What each survivor owes for members that are gone and were, or will be, reaped by it.
    fn debts_of_the_gone(&self, now: &HashMap<Pid, Process>) -> HashMap<Pid, u64> {
        let survives = |process: &Process| now.get(&process.pid).is_some_and(|it| it.is(process));
        let mut debts = HashMap::new();
        for member in self.members.values() {
            if survives(&member.process) {
                continue;
            }
            if let Some(ancestor) = self.ancestors(&member.process).find(|it| survives(it)) {
                let debt: &mut u64 = debts.entry(ancestor.pid).or_default();
                *debt = debt.saturating_add(member.process.total().saturating_add(member.debt));
            }
        }
        debts
    }

    /// Members above `process`, the nearest first, as the last sample had them.
    fn ancestors(&self, process: &Process) -> impl Iterator<Item = &Process> {
        let above = |process: &Process| self.member(process.ppid);
        // Parents are older; samples that say otherwise must not lead in circles.
        std::iter::successors(above(process), move |process| above(process))
            .take(self.members.len())
    }

    /// Counts what `process` shows that was not counted; gives the debt that is left.
    fn credit(&mut self, process: &Process, known: Option<&Member>, fresh_debt: u64) -> u64 {
        let (own, reaped, debt) = match known {
            Some(member) => (
                process.own.saturating_sub(member.process.own),
                process.reaped.saturating_sub(member.process.reaped),
                fresh_debt.saturating_add(member.debt),
            ),
            None => (process.own, process.reaped, fresh_debt),
        };
        let account = self.accounts.entry(process.instance.clone()).or_default();
        account.seen = self.sample;
        account.ticks = account
            .ticks
            .saturating_add(own)
            .saturating_add(reaped.saturating_sub(debt));
        // What was owed before has had its second sample.
        debt.saturating_sub(reaped).min(fresh_debt)
    }
}
