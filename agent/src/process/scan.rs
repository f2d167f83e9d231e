use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Pid,
    instance_id::InstanceId,
    ledger::{Ledger, Process},
    stat::Stat,
};
use crate::{
    Config,
    cgroup::parse,
    clock,
    files::Reader,
    node::tick,
    snapshot::{Container, Cpu, Memory},
};

/// Samples in which a new process that is no instance's is looked at again: before it
/// executes its program, it has the environment of its parent.
const LOOKS: u8 = 5;
/// All others are looked at again once in so many samples.
const REVISIT_SAMPLES: u32 = 32;

/// The instances among the processes of one node.
pub(crate) struct Processes {
    proc_root: PathBuf,
    mark: String,
    ledger: Ledger,
    strangers: HashMap<Pid, Stranger>,
    sample: u32,
    tick: Duration,
    page_bytes: u64,
}

/// A process that is no instance's, so far.
struct Stranger {
    stat: Stat,
    looks: u8,
}

/// A process of an instance, and what it holds.
struct Found {
    process: Process,
    /// Pages; None when this sample could not read them.
    resident: Option<u64>,
}

impl Processes {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            proc_root: config.proc_root.clone(),
            mark: config.instance_mark.clone(),
            ledger: Ledger::default(),
            strangers: HashMap::new(),
            sample: 0,
            tick: tick(),
            page_bytes: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
        }
    }

    /// Appends every instance that has a process now. Cheap: of the processes that are no
    /// instance's, mostly the directory's entry is all that is looked at.
    pub(crate) fn sample(&mut self, reader: &mut Reader, containers: &mut Vec<Container>) {
        self.sample = self.sample.wrapping_add(1);
        let pids = match list(&self.proc_root) {
            Ok(pids) => pids,
            Err(error) => {
                tracing::debug!(%error, "processes cannot be listed");
                return;
            }
        };
        let mut found = BTreeMap::new();
        self.read_members(&pids, reader, &mut found);
        self.look_at_others(&pids, reader, &mut found);
        let read_at = clock::unix_milliseconds();
        let resident = resident_pages(found.values());
        self.ledger
            .record(found.into_values().map(|it| it.process).collect());
        containers.extend(
            resident
                .into_iter()
                .map(|(instance, pages)| self.container(&instance, pages, read_at)),
        );
    }

    /// In the order of their start, so that each is read before its children: the ledger
    /// relies on it.
    fn read_members(&self, pids: &[Pid], reader: &mut Reader, found: &mut BTreeMap<Pid, Found>) {
        let mut members: Vec<&Process> = self
            .ledger
            .members()
            .filter(|member| pids.binary_search(&member.pid).is_ok())
            .collect();
        members.sort_unstable_by_key(|member| (member.start, member.pid));
        for member in members {
            let stat = reader
                .again(&self.file(member.pid, "stat"))
                .and_then(parsed);
            let it = match stat {
                Ok(stat) if stat.start == member.start => {
                    Found::new(member.pid, &stat, member.instance.clone())
                }
                Ok(_) => continue,
                Err(error) if is_gone(&error) => continue,
                // Still there, for all we know; to drop it would be to count it twice later.
                Err(_) => Found {
                    process: member.clone(),
                    resident: None,
                },
            };
            found.insert(member.pid, it);
        }
    }

    fn look_at_others(
        &mut self,
        pids: &[Pid],
        reader: &mut Reader,
        found: &mut BTreeMap<Pid, Found>,
    ) {
        let mut before = std::mem::take(&mut self.strangers);
        for &pid in pids {
            if found.contains_key(&pid) {
                continue;
            }
            match before.remove(&pid) {
                Some(stranger) if !self.is_due(pid, &stranger) => {
                    self.strangers.insert(pid, stranger);
                }
                known => self.look_at(pid, known, reader, found),
            }
        }
    }

    fn look_at(
        &mut self,
        pid: Pid,
        known: Option<Stranger>,
        reader: &mut Reader,
        found: &mut BTreeMap<Pid, Found>,
    ) {
        let Ok(stat) = reader.once(&self.file(pid, "stat")).and_then(parsed) else {
            return;
        };
        let known = known.filter(|known| known.stat.start == stat.start);
        let Some(instance) = self.instance_of(pid, &stat, reader, found) else {
            let looks = known.map_or(0, |known| known.looks).saturating_add(1);
            self.strangers.insert(pid, Stranger { stat, looks });
            return;
        };
        if let Some(known) = known {
            self.ledger
                .adopt(Found::new(pid, &known.stat, instance.clone()).process);
        }
        found.insert(pid, Found::new(pid, &stat, instance));
    }

    fn is_due(&self, pid: Pid, stranger: &Stranger) -> bool {
        stranger.looks < LOOKS
            || pid
                .wrapping_add(self.sample)
                .is_multiple_of(REVISIT_SAMPLES)
    }

    /// By the process's own mark, or else by its parent's: a command that clears its
    /// environment is still the instance's.
    fn instance_of(
        &self,
        pid: Pid,
        stat: &Stat,
        reader: &mut Reader,
        found: &BTreeMap<Pid, Found>,
    ) -> Option<InstanceId> {
        // Not readable: another user's, or gone.
        reader
            .once(&self.file(pid, "environ"))
            .ok()
            .and_then(|environ| InstanceId::from_environ(environ, &self.mark))
            .or_else(|| Some(found.get(&stat.ppid)?.process.instance.clone()))
    }

    fn file(&self, pid: Pid, name: &str) -> PathBuf {
        self.proc_root.join(format!("{pid}/{name}"))
    }

    fn container(&self, instance: &InstanceId, pages: Option<u64>, read_at: i64) -> Container {
        let resident = pages.map(|pages| pages.saturating_mul(self.page_bytes));
        Container {
            id: format!("/process/{instance}"),
            name: Some(instance.as_str().to_owned()),
            read_at,
            cpu: Cpu {
                usage: Some(parse::ticks(self.ledger.ticks(instance), self.tick)),
                ..Cpu::default()
            },
            memory: Memory {
                usage: resident,
                working_set: resident,
                limit: None,
            },
            // A child process shares the network namespace of its parent.
            network: Vec::new(),
        }
    }
}

impl Found {
    fn new(pid: Pid, stat: &Stat, instance: InstanceId) -> Self {
        Self {
            resident: Some(stat.resident),
            process: Process {
                pid,
                ppid: stat.ppid,
                start: stat.start,
                own: stat.own,
                reaped: stat.reaped,
                instance,
            },
        }
    }
}

/// Of each instance; a sum that lacks a part is none.
fn resident_pages<'a>(found: impl Iterator<Item = &'a Found>) -> BTreeMap<InstanceId, Option<u64>> {
    let mut resident = BTreeMap::new();
    for it in found {
        let sum: &mut Option<u64> = resident
            .entry(it.process.instance.clone())
            .or_insert(Some(0));
        *sum = sum
            .zip(it.resident)
            .map(|(sum, pages)| sum.saturating_add(pages));
    }
    resident
}

fn parsed(stat: &[u8]) -> io::Result<Stat> {
    Stat::parse(stat).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Ascending, so that new processes, too, mostly come before their children.
fn list(proc_root: &Path) -> io::Result<Vec<Pid>> {
    let mut pids: Vec<Pid> = fs::read_dir(proc_root)?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// A process may end between the opening of its file, which fails with ENOENT, and the
/// reading, which fails with ESRCH.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}
