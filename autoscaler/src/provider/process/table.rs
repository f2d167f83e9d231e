//! A snapshot of `/proc`.

use std::{fs, io};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::mark::Mark;

/// A process cannot be told from a later one of the same pid but by when it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// Clock ticks since the machine booted.
    pub(super) started: u64,
    pub(super) zombie: bool,
    /// `None` for zombies, for other users' processes, and for those that overwrote it.
    pub(super) mark: Option<Mark>,
}

/// Every process that can be seen. Those that go meanwhile are left out.
pub(super) fn scan() -> io::Result<Vec<Process>> {
    let pids = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    Ok(pids.filter_map(read).collect())
}

pub(super) fn read(pid: i32) -> Option<Process> {
    let mut process = read_stat(pid)?;
    process.mark = environ(pid).and_then(|environ| Mark::parse(&environ));
    // The pid may have passed to another process between the two reads.
    let same = process.mark.is_none() || read_stat(pid)?.started == process.started;
    same.then_some(process)
}

pub(super) fn environ(pid: i32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ")).ok()
}

/// A handle that stays with this process, whoever gets its pid next.
pub(super) fn open(process: &Process) -> Option<std::os::fd::OwnedFd> {
    let handle = pidfd_open(Pid::from_raw(process.pid)?, PidfdFlags::empty()).ok()?;
    // Opened first, compared second: now the handle is known to be that process's.
    (read_stat(process.pid)?.started == process.started).then_some(handle)
}

/// Differs after each boot: pids and ticks of an earlier one mean nothing.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// When a process started, in seconds since 1970.
pub(super) fn wall_start(started: u64) -> Option<i64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let booted: i64 = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    let seconds = started / rustix::param::clock_ticks_per_second().max(1);
    booted.checked_add_unsigned(seconds)
}

fn read_stat(pid: i32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &String::from_utf8_lossy(&stat))
}

/// proc_pid_stat(5). The second field is the program's name, in parentheses and hostile.
fn parse_stat(pid: i32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Process {
        pid,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        mark: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_program_name_is_no_field() {
        let stat = "7 (a) S 1 2 3) Z 5 6 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 999 1";
        let process = parse_stat(7, stat).unwrap();
        assert!(process.zombie);
        assert_eq!(
            (process.parent, process.group, process.started),
            (5, 6, 999)
        );
    }

    #[test]
    fn truncated_stat_is_no_process() {
        for stat in ["", "7 (sh", "7 (sh)", "7 (sh) S 1 2 3"] {
            assert_eq!(parse_stat(7, stat), None, "{stat}");
        }
    }

    #[test]
    fn own_process_is_seen() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let process = scan().unwrap().into_iter().find(|p| p.pid == pid).unwrap();
        assert!(open(&process).is_some());
        let later = Process {
            started: process.started + 1,
            ..process
        };
        assert!(open(&later).is_none());
    }
}
