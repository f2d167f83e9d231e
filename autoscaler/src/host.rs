//! What this machine has to give.

use std::{fs, thread};

use crate::instance_type::HostSize;

/// `None` where the machine does not say.
pub fn size() -> Option<HostSize> {
    let vcpus = u32::try_from(thread::available_parallelism().ok()?.get()).ok()?;
    Some(HostSize {
        vcpus: f64::from(vcpus),
        memory: memory_total(&fs::read_to_string("/proc/meminfo").ok()?)?,
    })
}

/// Bytes, of the text of /proc/meminfo.
fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:        1024 kB\nMemFree: 1 kB\n";
        assert_eq!(memory_total(text), Some(1 << 20));
        assert_eq!(memory_total("MemFree: 1 kB\n"), None);
        assert!(size().is_some_and(|size| size.vcpus >= 1.0 && size.memory > 1 << 20));
    }
}
