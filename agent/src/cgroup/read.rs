use std::{path::PathBuf, time::Duration};

use super::{
    layout::{Hierarchy, Layout, Version},
    parse,
};
use crate::{
    clock,
    files::Reader,
    snapshot::{Container, Cpu, Memory},
};

/// The container at `path`, of whose memory `cache` is page cache not used lately; None when
/// nothing of it can be read, since it is gone.
pub(super) fn container(
    layout: &Layout,
    path: &str,
    cache: Option<u64>,
    reader: &mut Reader,
) -> Option<Container> {
    let mut cpu = Cpu {
        usage: usage(&layout.usage, path, reader),
        ..Cpu::default()
    };
    // Right behind the counter that rates are made of.
    let read_at = clock::unix_milliseconds();
    if let Some(hierarchy) = &layout.quota {
        read_quota(hierarchy, path, reader, &mut cpu);
    }
    if let Some(hierarchy) = &layout.pressure {
        cpu.waiting = reader
            .text(&file(hierarchy, path, "cpu.pressure"))
            .and_then(parse::pressure);
    }
    let memory = layout
        .memory
        .as_ref()
        .map(|hierarchy| memory(hierarchy, path, cache, reader))
        .unwrap_or_default();
    (cpu != Cpu::default() || memory != Memory::default()).then(|| Container {
        id: path.to_owned(),
        name: None,
        read_at,
        cpu,
        memory,
        network: Vec::new(),
    })
}

fn usage(hierarchy: &Hierarchy, path: &str, reader: &mut Reader) -> Option<Duration> {
    match hierarchy.version {
        Version::V1 => reader
            .text(&file(hierarchy, path, "cpuacct.usage"))
            .and_then(parse::number)
            .map(Duration::from_nanos),
        Version::V2 => reader
            .text(&file(hierarchy, path, "cpu.stat"))
            .and_then(|text| parse::keyed(text, "usage_usec"))
            .map(Duration::from_micros),
    }
}

fn read_quota(hierarchy: &Hierarchy, path: &str, reader: &mut Reader, cpu: &mut Cpu) {
    if let Some(text) = reader.text(&file(hierarchy, path, "cpu.stat")) {
        cpu.periods = parse::keyed(text, "nr_periods");
        cpu.throttled_periods = parse::keyed(text, "nr_throttled");
        cpu.throttled = match hierarchy.version {
            Version::V1 => parse::keyed(text, "throttled_time").map(Duration::from_nanos),
            Version::V2 => parse::keyed(text, "throttled_usec").map(Duration::from_micros),
        };
    }
    match hierarchy.version {
        Version::V1 => {
            let mut microseconds = |name| {
                reader
                    .text(&file(hierarchy, path, name))
                    .and_then(parse::number)
                    .map(Duration::from_micros)
            };
            // -1, which is no number here, is no limit.
            cpu.quota = microseconds("cpu.cfs_quota_us");
            cpu.period = microseconds("cpu.cfs_period_us");
        }
        Version::V2 => {
            let limit = reader
                .text(&file(hierarchy, path, "cpu.max"))
                .and_then(parse::cpu_max);
            cpu.quota = limit.and_then(|(quota, _)| quota);
            cpu.period = limit.map(|(_, period)| period);
        }
    }
}

fn memory(hierarchy: &Hierarchy, path: &str, cache: Option<u64>, reader: &mut Reader) -> Memory {
    let (usage, limit) = match hierarchy.version {
        Version::V1 => ("memory.usage_in_bytes", "memory.limit_in_bytes"),
        Version::V2 => ("memory.current", "memory.max"),
    };
    let usage = reader
        .text(&file(hierarchy, path, usage))
        .and_then(parse::number);
    Memory {
        usage,
        working_set: usage
            .zip(cache)
            .map(|(usage, cache)| usage.saturating_sub(cache)),
        limit: reader
            .text(&file(hierarchy, path, limit))
            .and_then(parse::memory_limit),
    }
}

/// Bytes of page cache that have not been used lately, with those of cgroups below.
pub(super) fn inactive_cache(layout: &Layout, path: &str, reader: &mut Reader) -> Option<u64> {
    let hierarchy = layout.memory.as_ref()?;
    let key = match hierarchy.version {
        Version::V1 => "total_inactive_file",
        Version::V2 => "inactive_file",
    };
    let text = reader.text(&file(hierarchy, path, "memory.stat"))?;
    parse::keyed(text, key)
}

fn file(hierarchy: &Hierarchy, path: &str, name: &str) -> PathBuf {
    let mut file = hierarchy.root.join(path.trim_start_matches('/'));
    file.push(name);
    file
}
