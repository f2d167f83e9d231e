//! Whether the host has room for another instance, from its own counters. Pure.
//!
//! The gate asks for little: on a laptop quotas are overcommitted, and an instance that waits
//! for a core now and then is better than none. It refuses where there is nothing left to
//! give, for then one more instance only takes from the others.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    config::HostHeadroom,
    launch_template::LaunchTemplate,
    metric::{HostReading, STALE_AFTER},
};

/// A compiler that runs for some seconds is no saturated host.
const WINDOW: Duration = Duration::from_secs(15);
/// With less than this nothing is known.
const LEAST_SPAN: Duration = Duration::from_secs(10);

/// What is left of a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    pub cores: f64,
    /// Cores that did nothing, or waited for disks, over the last seconds.
    pub idle_cores: f64,
    pub memory_available_bytes: Option<u64>,
}

/// Why an instance of `template` has no room on a host, in a sentence without its full stop.
///
/// CPU: at least `reserve.cpu_percent` of the host's cores must be idle, or as much as the
/// instance may use at most, whichever is less. Memory: with the instance's limit taken, at
/// least `reserve.memory_bytes` must be available.
pub fn gate(room: Room, template: &LaunchTemplate, reserve: &HostHeadroom) -> Result<(), String> {
    let kept_free = room.cores * reserve.cpu_percent / 100.0;
    let needed = template
        .cpus
        .map_or(kept_free, |quota| quota.min(kept_free));
    if room.idle_cores < needed {
        return Err(format!(
            "the host is saturated, {:.2} of its {} cores were idle over the last {} s, and host_headroom.cpu keeps {kept_free:.2} free",
            room.idle_cores,
            room.cores,
            WINDOW.as_secs()
        ));
    }
    let Some(available) = room.memory_available_bytes else {
        return Ok(());
    };
    let left = available.saturating_sub(template.memory.unwrap_or_default());
    if left < reserve.memory_bytes {
        return Err(format!(
            "the host is short of memory, an instance would leave {} MiB of {} MiB available, and host_headroom.memory keeps {} MiB free",
            left >> 20,
            available >> 20,
            reserve.memory_bytes >> 20
        ));
    }
    Ok(())
}

/// The hosts that agents tell of.
#[derive(Clone, Debug, Default)]
pub struct Hosts(BTreeMap<String, HostUse>);

impl Hosts {
    /// Takes in what the agent called `source` tells of its host.
    pub fn record(&mut self, source: &str, reading: HostReading, now: Instant) {
        if !self.0.contains_key(source) {
            self.0.insert(source.to_owned(), HostUse::default());
        }
        if let Some(host) = self.0.get_mut(source) {
            host.record(reading, now);
        }
    }

    /// Why no host has room for an instance of `template`. A host of which nothing is known
    /// has, and so has a group whose agents are silent.
    pub fn gate(
        &self,
        template: &LaunchTemplate,
        reserve: &HostHeadroom,
        now: Instant,
    ) -> Result<(), String> {
        if !reserve.enabled {
            return Ok(());
        }
        let mut refusal = Ok(());
        for host in self.0.values() {
            let Some(room) = host.room(now) else {
                return Ok(());
            };
            match gate(room, template, reserve) {
                Ok(()) => return Ok(()),
                Err(why) => refusal = Err(why),
            }
        }
        refusal
    }
}

/// One host's counters over the last seconds.
#[derive(Clone, Debug, Default)]
struct HostUse(VecDeque<(Instant, HostReading)>);

impl HostUse {
    fn record(&mut self, reading: HostReading, now: Instant) {
        let repeated =
            |last: &(Instant, HostReading)| last.1.total_cpu_seconds >= reading.total_cpu_seconds;
        // Counters that stand still or fall are those of a hung agent, or of a host that
        // started anew.
        if let Some(last) = self.0.back()
            && repeated(last)
        {
            if last.1.total_cpu_seconds > reading.total_cpu_seconds {
                self.0.clear();
            } else {
                return;
            }
        }
        self.0.push_back((now, reading));
        while self.0.get(1).is_some_and(|(at, _)| now - *at >= WINDOW) {
            self.0.pop_front();
        }
    }

    fn room(&self, now: Instant) -> Option<Room> {
        let (first_at, first) = self.0.front()?;
        let (last_at, last) = self.0.back().filter(|(at, _)| now - *at <= STALE_AFTER)?;
        let total = last.total_cpu_seconds - first.total_cpu_seconds;
        if *last_at - *first_at < LEAST_SPAN || total <= 0.0 {
            return None;
        }
        let idle = (last.idle_cpu_seconds - first.idle_cpu_seconds) / total;
        Some(Room {
            cores: last.cores,
            idle_cores: last.cores * idle.clamp(0.0, 1.0),
            memory_available_bytes: last.memory_available_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RESERVE: HostHeadroom = HostHeadroom {
        enabled: true,
        cpu_percent: 10.0,
        memory_bytes: 512 << 20,
    };

    fn template(cpus: Option<f64>, memory_mib: u64) -> LaunchTemplate {
        LaunchTemplate {
            cpus,
            memory: Some(memory_mib << 20),
            ..LaunchTemplate::default()
        }
    }

    fn room(idle_cores: f64, memory_mib: u64) -> Room {
        Room {
            cores: 2.0,
            idle_cores,
            memory_available_bytes: Some(memory_mib << 20),
        }
    }

    #[test]
    fn demonstration_fits_on_a_small_laptop() {
        // Two cores, one instance that burns its half, and a browser.
        let demo = template(Some(0.5), 128);
        assert_eq!(gate(room(0.9, 2000), &demo, &RESERVE), Ok(()));
        assert_eq!(gate(room(0.2, 640), &demo, &RESERVE), Ok(()));
    }

    #[test]
    fn refusals_say_what_is_missing() {
        let why = gate(room(0.1, 2000), &template(Some(0.5), 128), &RESERVE).unwrap_err();
        assert_eq!(
            why,
            "the host is saturated, 0.10 of its 2 cores were idle over the last 15 s, and host_headroom.cpu keeps 0.20 free"
        );
        let why = gate(room(2.0, 600), &template(None, 128), &RESERVE).unwrap_err();
        assert_eq!(
            why,
            "the host is short of memory, an instance would leave 472 MiB of 600 MiB available, and host_headroom.memory keeps 512 MiB free"
        );
        // It cannot use more than this.
        assert_eq!(
            gate(room(0.1, 2000), &template(Some(0.1), 1), &RESERVE),
            Ok(())
        );
        let unknown = Room {
            memory_available_bytes: None,
            ..room(1.0, 0)
        };
        assert_eq!(gate(unknown, &template(None, 128), &RESERVE), Ok(()));
    }

    /// `idle` of two cores over `seconds`, a reading a second.
    fn hosts(source: &str, seconds: u64, idle: f64, start: Instant, hosts: &mut Hosts) {
        for second in 0..=seconds {
            let reading = HostReading {
                cores: 2.0,
                total_cpu_seconds: 100.0 + 2.0 * second as f64,
                idle_cpu_seconds: 50.0 + idle * second as f64,
                memory_available_bytes: Some(4 << 30),
            };
            hosts.record(source, reading, start + Duration::from_secs(second));
        }
    }

    #[test]
    fn silence_is_no_gate() {
        let (start, demo) = (Instant::now(), template(Some(0.5), 128));
        let at = |second| start + Duration::from_secs(second);
        let mut one = Hosts::default();
        assert_eq!(one.gate(&demo, &RESERVE, start), Ok(()));
        hosts("one", 9, 0.0, start, &mut one);
        assert_eq!(one.gate(&demo, &RESERVE, at(9)), Ok(()), "too short");
        hosts("one", 30, 0.0, start, &mut one);
        assert!(one.gate(&demo, &RESERVE, at(30)).is_err());
        let off = HostHeadroom {
            enabled: false,
            ..RESERVE
        };
        assert_eq!(one.gate(&demo, &off, at(30)), Ok(()));
        assert_eq!(one.gate(&demo, &RESERVE, at(41)), Ok(()), "stale");
        hosts("two", 30, 1.0, start, &mut one);
        assert_eq!(
            one.gate(&demo, &RESERVE, at(30)),
            Ok(()),
            "the other has room"
        );
    }

    #[test]
    fn spike_passes_and_lasting_load_does_not() {
        let (start, demo) = (Instant::now(), template(Some(0.5), 128));
        let mut found = Hosts::default();
        hosts("one", 60, 2.0, start, &mut found);
        let mut refused_after = None;
        for second in 1..=30_u64 {
            let reading = HostReading {
                cores: 2.0,
                total_cpu_seconds: 220.0 + 2.0 * second as f64,
                idle_cpu_seconds: 170.0,
                memory_available_bytes: None,
            };
            let now = start + Duration::from_secs(60 + second);
            found.record("one", reading, now);
            if found.gate(&demo, &RESERVE, now).is_err() {
                refused_after.get_or_insert(second);
            }
        }
        assert_eq!(refused_after, Some(14));
    }

    proptest! {
        #[test]
        fn more_room_never_turns_a_yes_into_a_no(
            idle in 0.0..2.0_f64, more in 0.0..2.0_f64, memory in 0_u64..4000, mib in 0_u64..4000,
            cpus in prop::option::of(0.05..4.0_f64),
        ) {
            let template = template(cpus, 128);
            if gate(room(idle, memory), &template, &RESERVE).is_ok() {
                prop_assert_eq!(gate(room(idle + more, memory + mib), &template, &RESERVE), Ok(()));
            }
        }
    }
}
