//! Which processes an instance is made of.

use std::{collections::BTreeSet, io, os::fd::OwnedFd, sync::Arc, time::Duration};

use rustix::process::{Signal, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::{
    Shared,
    record::{Leader, Record},
    table::{self, Process},
};
use crate::instance::InstanceId;

/// A process of an instance, held so that nobody else can be signalled in its place.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) pid: i32,
    pub(super) started: u64,
    handle: Arc<OwnedFd>,
}

impl Member {
    pub(super) fn signal(&self, signal: Signal) {
        // The one error that can occur is that it has ended, which is what we are after.
        let _ = pidfd_send_signal(&*self.handle, signal);
    }

    /// Resolves when the process has ended, or after `limit`.
    pub(super) async fn gone(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, ended(Arc::clone(&self.handle))).await;
    }
}

/// Resolves when the process behind a pidfd has ended.
#[expect(
    deprecated,
    reason = "its successor is an unsafe fn; what it guards against, a type that lies about its \
              descriptor, is not OwnedFd"
)]
pub(super) async fn ended(handle: Arc<OwnedFd>) -> io::Result<()> {
    AsyncFd::new(handle)?.readable().await.map(drop)
}

/// The live processes of an instance, each with a handle.
pub(super) fn hold(shared: &Shared, id: &InstanceId) -> io::Result<Vec<Member>> {
    let processes = table::scan()?;
    let record = shared.records.read(id);
    let leader = leader(&processes, &shared.config.owner, id, record.as_ref());
    // One that it holds is ours, whatever it did to its environment.
    let held = record
        .map(|record| record.cgroup.pids())
        .unwrap_or_default();
    let members = of_instance(&processes, &shared.config.owner, id, leader, &held);
    let members = members.into_iter().filter_map(|process| {
        let handle = Arc::new(table::open(process)?);
        Some(Member {
            pid: process.pid,
            started: process.started,
            handle,
        })
    });
    Ok(members.collect())
}

/// The process that leads the instance, zombie or not: the recorded one, or where none is on
/// record (a crash right after the spawn) the oldest marked one that leads its own group.
pub(super) fn leader<'a>(
    processes: &'a [Process],
    owner: &str,
    id: &InstanceId,
    record: Option<&Record>,
) -> Option<&'a Process> {
    if let Some(leader) = record.and_then(|record| record.leader.as_ref()) {
        return recorded(processes, leader);
    }
    processes
        .iter()
        .filter(|process| process.group == process.pid && !process.zombie)
        .filter(|process| {
            let mark = process.mark.as_ref();
            mark.is_some_and(|mark| mark.is_of(owner, id) && !mark.is_command)
        })
        .min_by_key(|process| process.started)
}

fn recorded<'a>(processes: &'a [Process], leader: &Leader) -> Option<&'a Process> {
    let boot_id = table::boot_id();
    processes
        .iter()
        .find(|process| leader.is(process, &boot_id))
}

/// By mark, by cgroup, by the leader's process group, and by descent from any.
fn of_instance<'a>(
    processes: &'a [Process],
    owner: &str,
    id: &InstanceId,
    leader: Option<&Process>,
    held: &BTreeSet<i32>,
) -> Vec<&'a Process> {
    let is_ours = |process: &Process| match &process.mark {
        Some(mark) => mark.is_of(owner, id),
        None if held.contains(&process.pid) => true,
        // No group but a verified leader's: the number may be a stranger's by now.
        None => leader.is_some_and(|leader| process.group == leader.pid),
    };
    let mut ours: BTreeSet<i32> = processes
        .iter()
        .filter(|process| may_be_member(process) && is_ours(process))
        .map(|process| process.pid)
        .collect();
    loop {
        let before = ours.len();
        for process in processes {
            // One with a mark has said whose it is: a minicloud inside an instance has its own.
            if process.mark.is_none() && may_be_member(process) && ours.contains(&process.parent) {
                ours.insert(process.pid);
            }
        }
        if ours.len() == before {
            break;
        }
    }
    processes
        .iter()
        .filter(|process| !process.zombie && ours.contains(&process.pid))
        .collect()
}

/// Neither init nor ourselves, should this minicloud have been started inside an instance.
fn may_be_member(process: &Process) -> bool {
    process.pid > 1 && u32::try_from(process.pid) != Ok(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::{super::mark::Mark, *};

    fn process(pid: i32, parent: i32, group: i32) -> Process {
        Process {
            pid,
            parent,
            group,
            started: u64::try_from(pid).unwrap(),
            zombie: false,
            mark: None,
        }
    }

    fn marked(owner: &str, process: Process) -> Process {
        Process {
            mark: Some(Mark {
                owner: owner.to_owned(),
                instance_id: id(),
                is_command: false,
                identity: None,
                address: None,
            }),
            ..process
        }
    }

    fn id() -> InstanceId {
        "i-0123abcd".parse().unwrap()
    }

    fn members(processes: &[Process]) -> Vec<i32> {
        let leader = leader(processes, "me", &id(), None);
        of_instance(processes, "me", &id(), leader, &BTreeSet::new())
            .into_iter()
            .map(|process| process.pid)
            .collect()
    }

    #[test]
    fn group_and_descendants_belong_to_the_instance() {
        let processes = [
            process(2_000_001, 1, 2_000_001),
            marked("me", process(2_000_010, 1, 2_000_010)),
            process(2_000_011, 1, 2_000_010),
            process(2_000_012, 2_000_011, 2_000_012),
            process(2_000_013, 2_000_012, 2_000_012),
            process(2_000_014, 1, 2_000_014),
        ];
        assert_eq!(
            members(&processes),
            [2_000_010, 2_000_011, 2_000_012, 2_000_013]
        );
    }

    #[test]
    fn strangers_are_no_members() {
        let processes = [
            marked("you", process(2_000_010, 1, 2_000_010)),
            process(2_000_011, 2_000_010, 2_000_010),
        ];
        assert!(members(&processes).is_empty());
    }

    #[test]
    fn other_minicloud_inside_an_instance_keeps_its_own() {
        let processes = [
            marked("me", process(2_000_010, 1, 2_000_010)),
            marked("inner", process(2_000_020, 2_000_010, 2_000_020)),
        ];
        assert_eq!(members(&processes), [2_000_010]);
    }

    #[test]
    fn reused_pid_of_a_recorded_leader_is_a_stranger() {
        let stranger = [process(2_000_010, 1, 2_000_010)];
        let leader = Leader {
            pid: 2_000_010,
            started: 17,
            boot_id: table::boot_id(),
        };
        assert_eq!(recorded(&stranger, &leader), None);
    }
}
