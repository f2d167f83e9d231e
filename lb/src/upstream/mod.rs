//! Connections to targets: dialled, pooled per worker and target, owned by the pool.

mod connection;
mod pool;

use std::{io as std_io, time::Duration};

use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};

pub(crate) use connection::Upstream;
pub(crate) use pool::{Pool, Pools, Reuse};

use crate::target::Endpoint;

/// Why there is no connection to a target; nothing has been sent to it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("connecting to the target failed")]
    Io(#[from] std_io::Error),
    #[error("connecting to the target took too long")]
    Timeout(#[from] Elapsed),
}

/// Opens a TCP connection that sends small writes at once.
pub(crate) async fn dial(endpoint: &Endpoint) -> std_io::Result<TcpStream> {
    let stream = match endpoint {
        Endpoint::Address(address) => TcpStream::connect(address).await?,
        Endpoint::Name { host, port } => TcpStream::connect((host.as_str(), *port)).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn dial_within(endpoint: &Endpoint, limit: Duration) -> Result<TcpStream, ConnectError> {
    Ok(timeout(limit, dial(endpoint)).await??)
}
