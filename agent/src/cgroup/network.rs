//! What goes through a container's network interfaces, as one of its processes sees them. No
//! cgroup counts it: the network namespace does, and any process in it shows it.

use std::path::Path;

use super::layout::Layout;
use crate::{files::Reader, snapshot::Interface};

/// Interfaces of one container that are told of.
const MAX_INTERFACES: usize = 32;
const LOOPBACK: &str = "lo";

/// None where the agent cannot see the container's processes: those of another PID namespace
/// have the number 0 for it.
pub(super) fn interfaces(
    layout: &Layout,
    path: &str,
    proc_root: &Path,
    reader: &mut Reader,
) -> Vec<Interface> {
    let processes = layout
        .discovery()
        .join(path.trim_start_matches('/'))
        .join("cgroup.procs");
    let Some(process) = reader.text(&processes).and_then(first_process) else {
        return Vec::new();
    };
    let device = proc_root.join(process.to_string()).join("net/dev");
    reader.text(&device).map(parse).unwrap_or_default()
}

fn first_process(text: &str) -> Option<u32> {
    let mut processes = text.lines().filter_map(|line| line.parse().ok());
    processes.find(|process| *process > 0)
}

/// `/proc/PID/net/dev`: two lines of heading, then a line an interface, of which the first and
/// the ninth number are bytes (proc_pid_net(5)).
fn parse(text: &str) -> Vec<Interface> {
    let lines = text.lines().filter_map(|line| {
        let (name, numbers) = line.split_once(':')?;
        let mut numbers = numbers.split_ascii_whitespace();
        let interface = Interface {
            name: name.trim().to_owned(),
            received: numbers.next()?.parse().ok()?,
            transmitted: numbers.nth(7)?.parse().ok()?,
        };
        (interface.name != LOOPBACK).then_some(interface)
    });
    lines.take(MAX_INTERFACES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_by_interface() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
                    lo:  999    9    0    0    0     0          0         0  999    9    0    0    0     0       0          0\n  \
                    eth0: 1296     16    0    0    0     0          0         0      730    9    0    0    0     0       0          0\n  \
                    eth1:7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n  broken: 5\n";
        let found = parse(text);
        let figures: Vec<_> = found
            .iter()
            .map(|each| (each.name.as_str(), each.received, each.transmitted))
            .collect();
        assert_eq!(figures, [("eth0", 1296, 730), ("eth1", 7, 8)]);
    }

    #[test]
    fn processes_of_other_namespaces_are_none() {
        assert_eq!(first_process("0\n0\n"), None);
        assert_eq!(first_process("0\n17\n18\n"), Some(17));
        assert_eq!(first_process(""), None);
    }
}
