use std::{io, rc::Rc};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional_with_sizes},
    time::{Instant, sleep_until},
};

use crate::{
    config::Timeouts,
    record::Record,
    stall::{Phase, StallWatch},
    target::Claim,
    upstream::{Pool, Released},
};

/// Per direction: WebSocket frames are small, and tunnels are many.
const BUFFER: usize = 16 * 1024;

/// A target that has switched protocols, waiting for its client's socket. It counts as in
/// flight until the tunnel is over.
pub(crate) struct Switch {
    pub(crate) released: Released,
    pub(crate) claim: Claim,
    pub(crate) pool: Rc<Pool>,
    pub(crate) record: Record,
}

/// Copies both ways until one side fails, both have ended, or nothing has moved for
/// `tunnel_idle`. `client` reports what moves to `stall`.
pub(crate) async fn run(
    switch: Switch,
    client: impl AsyncRead + AsyncWrite + Unpin,
    read_ahead: Bytes,
    stall: Rc<StallWatch>,
    timeouts: &Timeouts,
) {
    let Switch {
        released,
        claim: _claim,
        pool: _pool,
        mut record,
    } = switch;
    stall.enter(Phase::Tunnel);
    let ended = tokio::select! {
        ended = copy(client, read_ahead, released) => ended,
        () = stalled(&stall, timeouts) => Err(io::ErrorKind::TimedOut.into()),
    };
    if let Err(error) = ended {
        record.failed(&error);
    }
}

async fn copy(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    read_ahead: Bytes,
    mut target: Released,
) -> io::Result<()> {
    target.io.write_all(&read_ahead).await?;
    client.write_all(&target.read_ahead).await?;
    copy_bidirectional_with_sizes(&mut client, &mut target.io, BUFFER, BUFFER).await?;
    Ok(())
}

async fn stalled(stall: &StallWatch, timeouts: &Timeouts) {
    loop {
        let deadline = stall.deadline(timeouts);
        if deadline <= Instant::now() {
            return;
        }
        sleep_until(deadline).await;
    }
}
