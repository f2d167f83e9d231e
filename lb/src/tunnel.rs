use std::{cell::Cell, future::poll_fn, io};

use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};

use crate::{
    client::Client,
    exchange::Lease,
    fault::Fault,
    record::Record,
    stream::Stream,
    watch::{Phase, Watch},
};

/// Per direction: WebSocket frames are small, and tunnels are many.
const BUFFER: usize = 16 * 1024;

/// A target that has switched protocols, and what is to be said first. It counts as in flight
/// until the tunnel is over.
pub(crate) struct Tunnel {
    pub(crate) lease: Lease,
    pub(crate) to_client: Vec<u8>,
    pub(crate) to_target: Vec<u8>,
    /// Follows once the session is through with the request.
    pub(crate) record: Option<Record>,
}

/// Copies both ways until one side fails, both have ended, nothing has moved for
/// `tunnel_idle`, or the target or the balancer is about to go.
pub(crate) async fn run(tunnel: Tunnel, mut stream: Stream, client: &Client) {
    let Tunnel {
        mut lease,
        to_client,
        to_target,
        mut record,
    } = tunnel;
    client.watch.enter(Phase::Tunnel);
    let target = &mut lease.upstream.stream;
    let [from_client, from_target] = [to_target.len(), to_client.len()].map(Cell::new);
    let copied = async {
        stream.write_all(&to_client).await?;
        target.write_all(&to_target).await?;
        let mut stream = Watched(&mut stream, &client.watch, &from_client);
        let mut target = Watched(target, &client.watch, &from_target);
        copy_bidirectional_with_sizes(&mut stream, &mut target, BUFFER, BUFFER).await
    };
    let ended = tokio::select! {
        copied = copied => Ok(copied),
        expiry = poll_fn(|cx| client.watch.poll_expired(cx)) => Err(expiry),
    };
    if let Some(record) = &mut record {
        record.tunnelled(from_client.get() as u64, from_target.get() as u64);
        match &ended {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => record.broke(error),
            Err(expiry) => record.failed(&Fault::from(*expiry)),
        }
    }
    if ended.is_err() {
        part(&mut stream, &mut lease.upstream.stream, client).await;
    }
}

/// Ends both sides as either would: a reset would tell them that something broke.
async fn part(stream: &mut Stream, target: &mut Stream, client: &Client) {
    client.watch.enter(Phase::Linger);
    tokio::select! {
        biased;
        _ = poll_fn(|cx| client.watch.poll_expired(cx)) => {}
        _ = async { tokio::join!(stream.end(), target.end()) } => {}
    }
}

/// A stream that reports what moves, and counts what is read.
struct Watched<'a>(&'a mut Stream, &'a Watch, &'a Cell<usize>);

impl tokio::io::AsyncRead for Watched<'_> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.0.poll_read(cx, buf);
        if polled.is_ready() {
            self.2.set(self.2.get() + buf.filled().len() - before);
            self.1.progress(0);
        }
        polled
    }
}

impl tokio::io::AsyncWrite for Watched<'_> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}
