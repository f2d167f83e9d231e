use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections the kernel holds while a worker is busy.
const BACKLOG: i32 = 1024;

/// Why a listener's port could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{0} is in use by another process; stop that process or choose another listener port")]
    PortInUse(SocketAddr),
    #[error(
        "{0} may not be bound by this user; choose a port from 1024 up or grant CAP_NET_BIND_SERVICE"
    )]
    NotPermitted(SocketAddr),
    #[error("cannot listen on {address}")]
    Io {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// Sockets of one port: for each worker, one for each address.
pub(crate) type Sockets = Vec<Vec<TcpListener>>;

/// Binds `port` on every address once for each worker, all or nothing.
pub(crate) fn bind(addresses: &[IpAddr], port: u16, workers: usize) -> Result<Sockets, BindError> {
    let mut sockets: Sockets = (0..workers).map(|_| Vec::new()).collect();
    for &ip in addresses {
        let address = SocketAddr::new(ip, port);
        match probe(address) {
            Err(error) if is_missing_loopback(ip, &error) => continue,
            probed => probed.map_err(|error| describe(address, error))?,
        }
        for worker in &mut sockets {
            worker.push(listen(address, true).map_err(|error| describe(address, error))?);
        }
    }
    Ok(sockets)
}

/// Binds and lets go without SO_REUSEPORT, which would share the port with another
/// minicloud of the same user without a word.
fn probe(address: SocketAddr) -> io::Result<()> {
    listen(address, false).map(drop)
}

fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // So that connections of a former process in TIME_WAIT do not hold the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_missing_loopback(ip: IpAddr, error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    const EAFNOSUPPORT: i32 = 97;
    let no_ipv6 = error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(EAFNOSUPPORT);
    ip == Ipv6Addr::LOCALHOST && no_ipv6
}

fn describe(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::PortInUse(address),
        io::ErrorKind::PermissionDenied => BindError::NotPermitted(address),
        _ => BindError::Io { address, source },
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn taken_port_is_an_error_even_with_reuse_port() {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let other = listen(SocketAddr::new(localhost, 0), true).unwrap();
        let port = other.local_addr().unwrap().port();
        let error = bind(&[localhost], port, 2).unwrap_err();
        assert!(matches!(error, BindError::PortInUse(address) if address.port() == port));
    }

    #[test]
    fn each_worker_gets_each_address() {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let port = listen(SocketAddr::new(localhost, 0), false)
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let sockets = bind(&[localhost], port, 3).unwrap();
        assert_eq!(sockets.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    }
}
