use std::{path::PathBuf, time::Duration};

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, System};

use crate::{
    cgroup::parse,
    files::Reader,
    snapshot::{self, MODES},
};

/// The machine that all instances share.
pub(crate) struct Node {
    stat: PathBuf,
    pressure: PathBuf,
    system: Option<System>,
    cores: Option<usize>,
    tick: Duration,
}

impl Node {
    pub(crate) fn new(proc_root: &std::path::Path) -> Self {
        let mut system = System::new()
            .inspect_err(|error| tracing::warn!(%error, "memory of the node cannot be read"))
            .ok();
        if let Some(system) = &mut system {
            system.refresh_cpu_list(CpuRefreshKind::nothing());
        }
        let cores = system.as_ref().map(|system| system.cpus().len());
        Self {
            stat: proc_root.join("stat"),
            pressure: proc_root.join("pressure/cpu"),
            system,
            cores: cores.filter(|cores| *cores > 0),
            tick: tick(),
        }
    }

    pub(crate) fn sample(&mut self, reader: &mut Reader) -> snapshot::Node {
        let cpus = reader
            .text(&self.stat)
            .map(|text| cpus(text, self.tick))
            .unwrap_or_default();
        let waiting = reader.text(&self.pressure).and_then(parse::pressure);
        let memory = self.system.as_mut().map(|system| {
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            (system.total_memory(), system.available_memory())
        });
        // sysinfo says 0 for what it could not read, and no node has no memory.
        let memory = memory.filter(|(total, _)| *total > 0);
        snapshot::Node {
            cores: self.cores,
            cpus,
            waiting,
            memory_total: memory.map(|(total, _)| total),
            memory_available: memory.map(|(_, available)| available),
            load: System::load_average()
                .ok()
                .map(|load| [load.one, load.five, load.fifteen]),
        }
    }
}

/// The unit of CPU time in /proc.
pub(crate) fn tick() -> Duration {
    let a_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    Duration::from_secs(1) / a_second.max(1)
}

/// The lines of single CPUs; one that is not as expected is left out.
fn cpus(text: &str, tick: Duration) -> Vec<(u32, [Duration; MODES.len()])> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.strip_prefix("cpu")?.split(' ');
            let index = fields.next()?.parse().ok()?;
            let mut times = [Duration::ZERO; MODES.len()];
            for time in &mut times {
                let ticks: u64 = fields.next()?.parse().ok()?;
                *time = parse::ticks(ticks, tick);
            }
            Some((index, times))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cpu_is_read_and_torn_ones_are_not() {
        let text = "cpu  9 9 9 9 9 9 9 9 0 0\n\
                    cpu0 100 1 2 3 4 5 6 7 0 0\n\
                    cpu1 x 1 2 3 4 5 6 7\n\
                    cpu2 1 2 3\n\
                    cpux 1 2 3 4 5 6 7 8\n\
                    intr 5\n";
        let cpus = cpus(text, Duration::from_millis(10));
        assert_eq!(cpus.len(), 1);
        assert_eq!(cpus[0].0, 0);
        assert_eq!(cpus[0].1[0], Duration::from_secs(1));
        assert_eq!(cpus[0].1[7], Duration::from_millis(70));
    }
}
