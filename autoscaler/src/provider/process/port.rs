//! A free port for an instance.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{IpAddr, TcpListener},
    ops::Range,
};

use rand::{TryRng, rngs::SysRng};

const LOWEST: u16 = 20_000;
/// Where the kernel begins to hand out ports by itself, unless it says otherwise.
const DEFAULT_EPHEMERAL: u16 = 32_768;
const ATTEMPTS: usize = 64;

/// A port that nobody listens on and that is not `taken`. It stays below the kernel's own
/// range: there, any outgoing connection (the balancer's, say) may take the port between this
/// look and the instance's bind.
pub(super) fn free(address: IpAddr, taken: &BTreeSet<u16>) -> io::Result<u16> {
    let range = range();
    for _ in 0..ATTEMPTS {
        let port = draw(&range)?;
        if !taken.contains(&port) && TcpListener::bind((address, port)).is_ok() {
            return Ok(port);
        }
    }
    TcpListener::bind((address, 0))?
        .local_addr()
        .map(|address| address.port())
}

fn range() -> Range<u16> {
    let lowest_ephemeral = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(DEFAULT_EPHEMERAL);
    // Somebody widened the range: stay in the part that is commonly left alone.
    if lowest_ephemeral < LOWEST + 1_000 {
        LOWEST..DEFAULT_EPHEMERAL
    } else {
        LOWEST..lowest_ephemeral
    }
}

fn draw(range: &Range<u16>) -> io::Result<u16> {
    let random = SysRng.try_next_u32().map_err(io::Error::other)?;
    let width = u32::from(range.end - range.start);
    Ok(range.start + u16::try_from(random % width).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn port_is_free_and_not_taken() {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut taken = BTreeSet::new();
        for _ in 0..100 {
            let port = free(localhost, &taken).unwrap();
            assert!(port >= LOWEST);
            assert!(taken.insert(port), "{port} was taken");
        }
    }
}
